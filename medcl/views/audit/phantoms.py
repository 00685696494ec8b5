"""Scans whose every sample is known, for holding views against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medcl.store.columns import ScanMeasures, measured_row
from medcl.store.measure import Measures
from medcl.views.policy import Policy

CANARY = "p-canary-of-a-person"
"""Stands where a patient would; it must not appear in anything that is written."""


@dataclass(frozen=True)
class Phantoms:
    """A store of phantoms (see `medcl.views.sampling.scan_geometry.ScanSource`)."""

    scans: pd.DataFrame
    measured: ScanMeasures
    arrays: Sequence[np.ndarray]
    to_world: np.ndarray | None
    labels: np.ndarray | None = None

    def measures(self, rows: Sequence[int] | np.ndarray, anchored: bool = True) -> ScanMeasures:
        """Return what is known of the phantoms."""
        return self.measured.take(np.asarray(rows, np.int64))

    def array(self, row: int, box: np.ndarray | None = None) -> np.ndarray:
        """Return the pixels."""
        return self.arrays[row]

    def affine(self, row: int) -> np.ndarray | None:
        """Return the affine of volumes."""
        return self.to_world

    def mask(self, row: int) -> np.ndarray | None:
        """Return the mask, if there is one."""
        return self.labels

    def valid(self, row: int) -> np.ndarray | None:
        """Return None: all of a phantom is measured."""
        return None


@dataclass(frozen=True)
class PhantomGrid:
    """The grid that phantoms are sampled on.

    Attributes:
        name: `image`, `slices` (2-D views of a volume) or `volume` (3-D views).
        shape: samples along each axis.
        spacing: millimeters per sample.
        dims: of the views.
    """

    name: str
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    dims: int

    @property
    def affine(self) -> np.ndarray | None:
        """RAS+ affine of volumes, centered."""
        if len(self.shape) == 2:
            return None
        affine = np.diag([*self.spacing, 1.0])
        affine[:3, 3] = -np.array(self.spacing) * (np.array(self.shape) - 1) / 2
        return affine

    def positions_mm(self) -> np.ndarray:
        """Return millimeters from the first sample, (*shape, axes)."""
        axes = [np.arange(n) * step for n, step in zip(self.shape, self.spacing, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def phantoms(
        self,
        arrays: Sequence[np.ndarray],
        fingerprints: np.ndarray,
        unit: str = "a.u.",
        limits: tuple[float, float] | None = None,
        noise: float = 0.0,
        mask: np.ndarray | None = None,
    ) -> Phantoms:
        """Return a store of `arrays`; equal fingerprints are shown through equal views."""
        anchors = np.random.Generator(np.random.Philox(key=11)).integers(0, self.shape, (64, len(self.shape)))
        box = tuple(bound for n in self.shape for bound in (0, n))
        rows, measured = [], []
        for array, fingerprint in zip(arrays, fingerprints, strict=True):
            low, high = limits or (float(array.min()), float(array.max()))
            known = Measures(int(fingerprint), low, high, noise, box, tuple(anchors.ravel()))
            measured.append(measured_row(self.shape, self.spacing, self.affine, known))
            rows.append(
                {
                    "scan": "s-phantom",
                    "patient": CANARY,
                    "kind": "image" if len(self.shape) == 2 else "volume",
                    "unit": unit,
                    "fingerprint": np.uint64(fingerprint),
                    "lo": low,
                    "hi": high,
                    "noise": noise,
                }
            )
        return Phantoms(pd.DataFrame(rows), ScanMeasures.of(measured), arrays, self.affine, mask)


def phantom_grids(policy: Policy) -> list[PhantomGrid]:
    """Return the grids to audit a policy on, as fine as its modality is sampled; volumes are 1 x 1 x 5."""
    step = policy.max_px_mm
    image = PhantomGrid("image", (150, 170), (step, step), 2)
    if policy.modalities[0] not in ("CT", "MR", "PT", "unknown"):
        return [image]
    shape, spacing = (150, 160, 32), (step, step, 5 * step)
    return [image, PhantomGrid("slices", shape, spacing, 2), PhantomGrid("volume", shape, spacing, 3)]


def ramps(grid: PhantomGrid) -> list[np.ndarray]:
    """Return one array an axis whose value is the sample's own index along it."""
    indices = np.indices(grid.shape).astype(np.float32)
    return list(indices)
