"""Numbers as text."""

from __future__ import annotations

from medcl.evaluate.formatting import interval, number, p_value, signed


def test_numbers_have_true_minus_signs_and_signs_of_differences() -> None:
    assert number(-0.0004) == "0.000"
    assert number(-0.25) == "−0.250"
    assert (number(float("nan")), number(float("inf"))) == ("–", "∞")
    assert (signed(0.25), signed(-0.25), signed(0.0001)) == ("+0.250", "−0.250", "0.000")
    assert interval(-0.1, 0.2, 1) == "−0.1 to 0.2"
    assert (p_value(0.0004), p_value(0.0316)) == ("p < 0.001", "p = 0.032")
