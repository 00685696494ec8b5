"""McNemar's exact test of paired decisions."""

from __future__ import annotations

from scipy import stats


def mcnemar(first_only: int, second_only: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (McNemar 1947).

    Args:
        first_only: Number of patients whom only the first arm classified correctly.
        second_only: Number of patients whom only the second arm classified correctly.
    """
    discordant = first_only + second_only
    return float(stats.binomtest(first_only, discordant, 0.5).pvalue) if discordant else 1.0
