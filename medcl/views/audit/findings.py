"""What an audit found of one invariant."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

NAMES = {
    "I1": "calibration",
    "I2": "no window baked in",
    "I3": "laterality",
    "I4": "other anatomical axes",
    "I5": "rigid in millimetres",
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


@dataclass(frozen=True)
class Finding:
    """One invariant, measured.

    Attributes:
        id: of `NAMES`.
        figure: what was measured, in words.
        limit: what is allowed, in words.
        passed: whether it holds.
        where: the phantom or data that the figure is the worst of.
        pictures: titled pictures (rows, columns) in [0, 1] of the worst cases.
    """

    id: str
    figure: str
    limit: str
    passed: bool
    where: str = ""
    pictures: tuple[tuple[str, np.ndarray], ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """The invariant in words."""
        return NAMES[self.id]
