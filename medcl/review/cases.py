"""Tables and pictures of the cases page, as HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medcl.archive.flags import split_flags
from medcl.review import pictures
from medcl.review.html import safe, table
from medcl.review.study import CellKey, Study
from medcl.review.worklist import OUTCOMES
from medcl.store import Store
from medcl.views.sampling.scan_geometry import SIDES_UNKNOWN
from medcl.views.show.display import SlicePlane, cut_slice, slice_plane, to_gray

NOT_IN_STORE = "No picture: this case is not in the store that the app was started with."
BURNED_IN = (
    "No picture: this scan may contain burned-in text about the patient (BURNED_IN_RISK), so it is not shown."
)


def case_heading(case: pd.Series) -> str:
    """Return name, truth, outcome and patient of a case."""
    return (
        f"<h2>{safe(case['case'])}</h2><p>Truth: <b>{safe(case['truth'])}</b>. "
        f"{OUTCOMES[case['outcome']].capitalize()}.</p>"
        f'<p class="quiet">Patient {safe(case["patient"])}</p>'
    )


def predictions_table(
    study: Study, scan: str, budget: str, seed: int, threshold_of: Callable[[CellKey], float]
) -> str:
    """Return the table of what every arm predicts for a scan.

    Args:
        study: The study.
        scan: The scan.
        budget: The label budget.
        seed: The seed.
        threshold_of: Threshold of an experiment cell.
    """
    at = int(np.flatnonzero(study.panel.scan == scan)[0])
    rows = []
    for arm in study.arm_names:
        if seed in study.seeds(arm, budget):
            probability = float(study.probability(arm, budget, seed)[at])
            threshold = threshold_of((arm, budget, seed))
            called = study.record.positive if probability >= threshold else study.record.negative
            bar = _bar(probability, threshold, study.colors[arm])
            rows.append([safe(arm), bar, f"{probability:.3f}", safe(called)])
    return table(["Arm", "Probability", "", "Prediction"], rows)


def _bar(probability: float, threshold: float, color: str) -> str:
    return (
        f'<div class="bar"><i style="width:{100 * probability:.1f}%;background:{color}"></i>'
        f'<b style="left:{100 * min(threshold, 1):.1f}%"></b></div>'
    )


def find_scan(store: Store, scan: str) -> int | str:
    """Return the row of a scan in the store, or the reason why it cannot be shown."""
    rows = np.flatnonzero(store.scans["scan"].to_numpy() == scan)
    if not len(rows):
        return NOT_IN_STORE
    return BURNED_IN if "BURNED_IN_RISK" in _flags(store, int(rows[0])) else int(rows[0])


def _flags(store: Store, row: int) -> set[str]:
    return split_flags(store.scans["flags"].iloc[row])


@dataclass(frozen=True)
class ScanPicture:
    """A scan of the store, ready to be shown slice by slice.

    Attributes:
        scan: Row of the store's table.
        array: Pixels.
        mask: Mask of the same shape, None without one.
        plane: Slice plane of a volume, None for an image.
        letters: Orientation letters; None when the patient's sides are unknown.
        pixel_mm: Millimeters between rows and between columns of an image; None for a volume, whose plane
            knows them, and where they are not known.
    """

    scan: pd.Series
    array: np.ndarray
    mask: np.ndarray | None
    plane: SlicePlane | None
    letters: tuple[str, str, str, str] | None
    pixel_mm: tuple[float, float] | None = None

    @classmethod
    def read(cls, store: Store, row: int) -> ScanPicture:
        """Read a scan of the store."""
        affine = store.affine(row)
        plane = None if affine is None else slice_plane(affine)
        letters = None if plane is None or _flags(store, row) & SIDES_UNKNOWN else plane.letters
        rows, columns = (float(mm) for mm in store.measures([row]).spacing_mm[0, :2])
        pixel_mm = None if plane is not None or np.isnan(rows) else (rows, columns)
        return cls(store.scans.iloc[row], store.array(row), store.mask(row), plane, letters, pixel_mm)

    @property
    def slices(self) -> int:
        """Number of slices; 1 for an image."""
        return 1 if self.plane is None else int(self.array.shape[self.plane.axis])

    @property
    def in_color(self) -> bool:
        """Whether the pixels are 8-bit colors, for which there is no gray window."""
        return self.array.ndim == 3 and self.array.dtype == np.uint8 and self.array.shape[-1] == 3

    def html(self, index: int, window: tuple[float, float], outline: bool) -> str:
        """Return a slice as HTML.

        Args:
            index: Number of the slice, from 0.
            window: Values shown as black and as white.
            outline: Whether to outline the mask.
        """
        pixels, mask = self.array, self.mask
        if self.plane is None:
            pixel_mm = self.pixel_mm
            caption = f"{self.scan['modality']}, orientation as stored"
        else:
            pixels = cut_slice(pixels, self.plane.axis, index)
            mask = None if mask is None else cut_slice(mask, self.plane.axis, index)
            pixel_mm = self.plane.pixel_mm
            caption = f"{self.scan['modality']}, slice {index + 1} of {self.slices}"
            caption += ", left and right not known" if self.letters is None else ""
        gray = to_gray(pixels, *window)
        zoom = pictures.zooms(gray.shape, pixel_mm)
        marked = mask > 0 if mask is not None and outline else None
        return pictures.figure(gray, zoom, self.letters, pixel_mm, caption, marked)
