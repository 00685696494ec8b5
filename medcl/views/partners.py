"""Which other scans of a patient a second view may be of."""

from __future__ import annotations

import numpy as np
import pandas as pd


class Partners:
    """The scans that share patient and modality.

    Args:
        scans: Columns `patient` and `modality` of the scans, in the order of their positions.
    """

    def __init__(self, scans: pd.DataFrame) -> None:
        groups = scans.groupby(["patient", "modality"], dropna=False).ngroup().to_numpy()
        self._members = np.argsort(groups, kind="stable")
        starts = np.searchsorted(groups[self._members], np.arange(groups.max() + 2))
        self._first, self._count = starts[groups], np.diff(starts)[groups]
        self._place = np.empty(len(groups), np.int64)
        self._place[self._members] = np.arange(len(groups))

    def draw(self, positions: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Return the position of another scan for each, or its own where there is none.

        Args:
            positions: (B,) positions of scans.
            share: (B,) uniform numbers from 0 to 1 that choose among the others.
        """
        first, count = self._first[positions], self._count[positions]
        chosen = first + (share * (count - 1)).astype(np.int64)
        chosen += (chosen >= self._place[positions]) & (count > 1)
        return np.asarray(self._members[chosen])
