"""Half-lives of PET nuclides: of the stated one, of any where none is stated, and of none."""

from __future__ import annotations

from typing import Any

import pytest

from medcl.archive.dicom.header.nuclides import HALF_LIVES, TOLERANCE, is_half_life


def drug(meaning: str = "") -> dict[str, Any]:
    return {"RadionuclideCodeSequence": [{"CodeMeaning": meaning}]} if meaning else {}


@pytest.mark.parametrize(
    ("seconds", "meaning", "known"),
    [
        (6586.2, "^18^Fluorine", True),
        (6586.2, "", True),
        (6586.2, "Fluorine", True),
        (6586.2, "^68^Gallium", False),
        (4062.6, "Ga-68", True),
        (109.77, "^18^Fluorine", False),
        (1.83, "", False),
        (0.0, "", False),
        (6586.2, "^123^Iodine", True),
    ],
)
def test_a_half_life_is_that_of_its_nuclide(seconds: float, meaning: str, known: bool) -> None:
    assert is_half_life(seconds, drug(meaning)) is known


def test_every_half_life_is_known_within_the_tolerance_alone() -> None:
    for mass, numbers in HALF_LIVES.items():
        for number in numbers:
            assert is_half_life(number * (1 + 0.9 * TOLERANCE), drug(f"^{mass}^X"))
        outside = max(numbers) * (1 + 1.1 * TOLERANCE)
        assert not is_half_life(outside, drug(f"^{mass}^X"))
