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
    "I9": "what lies round the anchor is kept",
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
    "I1": "Numbers mean what they say: water is 0 HU, and darker tissue never becomes the brighter.",
    "I2": "The stored scan keeps its whole range, whatever window a view shows.",
    "I3": "Left stays left.",
    "I4": "Front, back, head and feet stay where they are.",
    "I5": "A millimeter is as long in every direction, and turns stay small.",
    "I6": "Nothing is bent.",
    "I7": "Each pixel shows the place that the view says it shows.",
    "I8": "An outline drawn on the scan still fits in the view.",
    "I9": "What lies round the point that both views share is in both.",
    "I10": "A lesion is in both views of a pair, or in neither.",
    "I11": "The smallest structure that matters still stands out from noise.",
    "I12": "No pixel is lost or beyond the range.",
    "I13": "Hardly any of a view is made up.",
    "I14": "Borders and burned-in marks do not give away which views belong together.",
    "I15": "The two views of a pair overlap.",
    "I16": "The same seed gives the same bytes, alone or in company.",
    "I17": "No two views are drawn alike.",
    "I18": "What is shown is what MONAI's transforms give.",
    "I19": "Pixels are fine enough for the smallest structure that matters.",
    "I20": "A view can be put back onto its scan.",
    "I21": "Scans of one patient, and copies, are not called different.",
    "I22": "Nothing that is written names a person.",
}
"""Every invariant in a sentence that a reader of scans can judge."""


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
