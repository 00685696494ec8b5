"""One image in memory as a store of one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from torch import Tensor

from medcl.store import StoredScan
from medcl.store.columns import ScanMeasures, measured_row
from medcl.store.measure import Measures, measure
from medcl.store.stored_scan import stored_type


@dataclass(frozen=True)
class SingleScan:
    """A store of one scan, row 0; what `medcl prepare` would have measured is measured here."""

    scans: pd.DataFrame
    measured: ScanMeasures
    pixels: np.ndarray
    to_world: np.ndarray | None
    labels: np.ndarray | None = None
    measured_voxels: np.ndarray | None = None

    @classmethod
    def of_stored(cls, stored: StoredScan, body_part: str | None = None) -> SingleScan:
        """Return the scan as a store would show it.

        Args:
            stored: The scan as the store would hold it.
            body_part: Body part by the catalog, if it is known.
        """
        columns = ("scan", "kind", "unit", "modality", "flags", "fingerprint", "lo", "hi", "noise")
        row = {name: stored.row[name] for name in columns}
        scans = pd.DataFrame([{**row, "fingerprint": np.uint64(row["fingerprint"]), "body_part": body_part}])
        measured = ScanMeasures.of([stored.row])
        return cls(scans, measured, stored.array, stored.affine, stored.mask, stored.valid)

    @classmethod
    def of(
        cls,
        image: Tensor | np.ndarray,
        unit: str = "a.u.",
        spacing_mm: tuple[float, ...] | None = None,
        affine: np.ndarray | None = None,
    ) -> SingleScan:
        """Return the scan of pixels (C, *spatial), with the given affine or that of a MetaTensor."""
        image_affine = getattr(image, "affine", None)
        pixels = np.asarray(image)
        volume = pixels.ndim == 4
        if volume and affine is None:
            affine = np.eye(4) if image_affine is None else np.asarray(image_affine, float)
        array = stored_type(pixels[0] if volume or len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
        if volume and affine is not None:
            spacing_mm = tuple(float(n) for n in np.linalg.norm(affine[:3, :3], axis=0))
        measures = measure(array, unit, 3 if volume else 2)
        row = measured_row(array.shape, spacing_mm, affine if volume else None, measures)
        scans = _scans(measures, unit, "volume" if volume else "image")
        return cls(scans, ScanMeasures.of([row]), array, affine if volume else None)

    def measures(self, rows: Sequence[int] | np.ndarray, anchored: bool = True) -> ScanMeasures:
        """Return what was measured."""
        return self.measured.take(np.asarray(rows, np.int64))

    def array(self, row: int, box: np.ndarray | None = None) -> np.ndarray:
        """Return the pixels."""
        return self.pixels

    def affine(self, row: int) -> np.ndarray | None:
        """Return the affine of a volume."""
        return self.to_world

    def mask(self, row: int) -> np.ndarray | None:
        """Return the label mask, if there is one."""
        return self.labels

    def valid(self, row: int) -> np.ndarray | None:
        """Return the boolean mask of measured voxels; None when every voxel counts as measured."""
        return self.measured_voxels


def _scans(measures: Measures, unit: str, kind: str) -> pd.DataFrame:
    row = {
        "scan": "s-0",
        "kind": kind,
        "unit": unit,
        "fingerprint": np.uint64(measures.fingerprint),
        "lo": measures.lo,
        "hi": measures.hi,
        "noise": measures.noise,
    }
    return pd.DataFrame([row])
