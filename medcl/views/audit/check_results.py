"""The invariants of an audit, and the result of checking one of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

NAMES = {
    "I1": "calibration",
    "I2": "no window baked in",
    "I3": "laterality",
    "I4": "other anatomical axes",
    "I5": "rigid in millimeters",
    "I6": "strain",
    "I7": "affine truth",
    "I8": "mask alignment",
    "I9": "tissue around the anchor is kept",
    "I10": "both views agree on lesions",
    "I11": "contrast to noise",
    "I12": "range",
    "I13": "padding",
    "I14": "leakage",
    "I15": "overlap",
    "I16": "determinism",
    "I17": "diversity",
    "I18": "backends agree",
    "I19": "sampling",
    "I20": "inverse",
    "I21": "false negatives",
    "I22": "no personal data",
}

SENTENCES = {
    "I1": "Values keep their meaning: water is 0 HU, and darker tissue is never shown as the brighter.",
    "I2": "The stored scan keeps its whole range, whatever window a view shows.",
    "I3": "Left and right are never exchanged.",
    "I4": "Anterior and posterior, head and feet are never exchanged.",
    "I5": "A millimeter has the same length in every direction, and rotations are within the policy.",
    "I6": "Anatomy is not deformed.",
    "I7": "The affine of a view gives the true position of each of its pixels.",
    "I8": "A mask of the scan, transformed with the view, still lies on its structure.",
    "I9": "The tissue around the point that both views share is in both views.",
    "I10": "A lesion is in both views of a pair, or in neither.",
    "I11": "The smallest structure that the policy protects is still visible above the noise.",
    "I12": "Every pixel is finite and within the range of views.",
    "I13": "Almost no part of a view is padding.",
    "I14": "Borders and burned-in marks do not reveal which views are of the same scan.",
    "I15": "The two views of a pair overlap.",
    "I16": "The same seed gives the same bytes, whatever else is in the batch.",
    "I17": "No two views have the same parameters.",
    "I18": "Views are the same as those of MONAI's transforms.",
    "I19": "Pixels are small enough for the smallest structure that the policy protects.",
    "I20": "A view can be resampled back onto its scan.",
    "I21": "Scans of the same patient, and copies of a scan, are never used as negatives.",
    "I22": "No output contains personal data.",
}
"""Each invariant as one sentence for a radiologist."""


@dataclass(frozen=True)
class CheckResult:
    """Measurement of one invariant.

    Attributes:
        id: Key of `NAMES`.
        figure: What was measured, as text.
        limit: What is allowed, as text.
        passed: Whether the invariant holds.
        where: Phantom grid or data that was measured.
        pictures: Titles and images (rows, columns) in [0, 1] of the worst cases.
    """

    id: str
    figure: str
    limit: str
    passed: bool
    where: str = ""
    pictures: tuple[tuple[str, np.ndarray], ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """Name of the invariant."""
        return NAMES[self.id]
