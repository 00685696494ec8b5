"""Scans for view tests: analytic phantoms and images, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from medcl.store.columns import ScanMeasures, measured_row
from medcl.store.measure import measure


class MemoryStore:
    """The part of `medcl.store.Store` that views read, over arrays in memory."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.arrays: list[np.ndarray] = []
        self.affines: list[np.ndarray | None] = []
        self.masks: list[np.ndarray | None] = []
        self.validity: list[np.ndarray | None] = []
        self.measured: list[dict[str, Any]] = []

    def add(
        self,
        array: np.ndarray,
        affine: np.ndarray | None = None,
        spacing: tuple[float, ...] | None = None,
        unit: str = "a.u.",
        modality: str = "MR",
        mask: np.ndarray | None = None,
        valid: np.ndarray | None = None,
        patient: str | None = None,
        label: str | None = None,
    ) -> MemoryStore:
        """Add a scan; with an affine it is a volume."""
        spatial = 3 if affine is not None else 2
        if affine is not None:
            spacing = tuple(float(n) for n in np.linalg.norm(affine[:3, :3], axis=0))
        measures = measure(array, unit, spatial, valid, mask)
        row = len(self.rows)
        self.rows.append(
            {
                "scan": f"s-{row:016x}",
                "patient": patient or f"p-{row:016x}",
                "kind": "volume" if affine is not None else "image",
                "unit": unit,
                "modality": modality,
                "label": label,
                "fingerprint": np.uint64(measures.fingerprint),
                "lo": measures.lo,
                "hi": measures.hi,
                "noise": measures.noise,
            }
        )
        self.arrays.append(array)
        self.affines.append(affine)
        self.masks.append(mask)
        self.validity.append(valid)
        self.measured.append(measured_row(array.shape, spacing, affine, measures, valid))
        return self

    @property
    def scans(self) -> pd.DataFrame:
        table = pd.DataFrame(self.rows)
        table["fingerprint"] = table["fingerprint"].astype(np.uint64)
        return table

    def measures(self, rows: Sequence[int] | np.ndarray, anchored: bool = True) -> ScanMeasures:
        return ScanMeasures.of(self.measured).take(np.asarray(rows, np.int64))

    def array(self, row: int, box: np.ndarray | None = None) -> np.ndarray:
        return self.arrays[row]

    def affine(self, row: int) -> np.ndarray | None:
        return self.affines[row]

    def mask(self, row: int) -> np.ndarray | None:
        return self.masks[row]

    def valid(self, row: int) -> np.ndarray | None:
        return self.validity[row]


def smooth_phantom(world: np.ndarray) -> np.ndarray:
    """A smooth asymmetric function of RAS+ millimeters (..., 3), from 0 to 1000."""
    x, y, z = np.moveaxis(world, -1, 0)
    return 500 + 250 * np.sin(x / 23 + 0.3) * np.cos(y / 31) + 200 * np.sin(z / 19 + y / 47) + x / 4


def phantom_volume(shape: tuple[int, int, int], affine: np.ndarray) -> np.ndarray:
    """Sample the phantom on a grid."""
    index = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    return smooth_phantom(index @ affine[:3, :3].T + affine[:3, 3]).astype(np.float32)


def grid_affine(spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> np.ndarray:
    """RAS+ affine of a grid centered on the origin."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -np.array(spacing) * (np.array(shape) - 1) / 2
    return affine


def anisotropic_store() -> MemoryStore:
    """Volumes of 1 x 1 x 5 mm, and one cut coronally."""
    store = MemoryStore()
    for shape, spacing in (
        ((120, 110, 24), (1.0, 1.0, 5.0)),
        ((100, 120, 26), (1.2, 0.9, 4.0)),
        ((110, 22, 100), (1.0, 5.0, 1.1)),
    ):
        affine = grid_affine(spacing, shape)
        store.add(phantom_volume(shape, affine), affine)
    return store


def image_store(
    count: int = 12, shape: tuple[int, int] = (64, 64), spacing: float | None = None
) -> MemoryStore:
    """Random images with some structure, uint8."""
    store = MemoryStore()
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(20, 230, (shape[0] // 4 + 1, shape[1] // 4 + 1))
        image = np.kron(coarse, np.ones((4, 4)))[: shape[0], : shape[1]] + rng.normal(0, 6, shape)
        known = None if spacing is None else (spacing, spacing)
        store.add(np.clip(image, 0, 255).astype(np.uint8), spacing=known, modality="CR")
    return store
