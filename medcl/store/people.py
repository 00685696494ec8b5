"""Which scans may be of one person although their patients have different names, or none.

Patients are one person when two of their scans share

- all pixels, whoever the patients are;
- all pixels of a drawn mask that is not trivial (see `medcl.store.measure`). A mask that more than two known
  patients or more than `MOST_SCANS` scans share is taken for a template, such as the brain of an atlas;
- an unusual grid (shape and affine), if the patient of a scan is not known. A grid is unusual when it is
  oblique, or when at least two coordinates of its origin are neither multiples of half a millimeter nor
  centered. A grid that several known patients or more than `MOST_SCANS` scans share is taken for that of an
  atlas or a protocol.

So sets that were registered to an atlas (BraTS, MNI) are not merged, as their grids are axis-aligned with a
round origin. The rules have limits: scans of one unknown patient on two grids, or on a usual one, still count
as strangers, and over `MOST_SCANS` scans of one unknown patient do. Naming the patients is the only sure way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

MOST_SCANS = 30
"""More scans with one mask or one grid are a template or a protocol, not one person."""

KNOWN_BY_MASK, KNOWN_BY_GRID = 2, 1
"""Known patients with one mask or one grid, at most, who are one person."""

OBLIQUE_DEGREES = 0.1
ROUND_MM, TOLERANCE_MM = 0.5, 0.002


def assign_people(scans: pd.DataFrame) -> np.ndarray:
    """Return a person number per row.

    Args:
        scans: Columns `patient`, `patient_evidence`, `fingerprint`, `mask_fingerprint` (0 without a mask that
            counts), `shape` and `affine` (flat, None for an image).
    """
    known = patient_is_known(scans)
    mask = scans["mask_fingerprint"].astype(str).where(scans["mask_fingerprint"] != 0, None)
    grid = _unusual_grids(scans)
    keys = (
        scans["fingerprint"].astype(str).to_numpy(),
        _shared(mask, scans["patient"], known, KNOWN_BY_MASK),
        _shared(grid, scans["patient"], known, KNOWN_BY_GRID),
    )
    patients = pd.factorize(scans["patient"])[0]
    rows, nodes, count = [], [], int(patients.max()) + 1
    for key in keys:
        codes = pd.factorize(key)[0]  # -1 where there is no key
        rows.append(patients[codes >= 0])
        nodes.append(count + codes[codes >= 0])
        count += int(codes.max()) + 1
    row, node = np.concatenate(rows), np.concatenate(nodes)
    edges = coo_array((np.ones(len(row)), (row, node)), shape=(count, count))
    people: np.ndarray = connected_components(edges, directed=False)[1][patients]
    return people


def unite_patients(scans: pd.DataFrame) -> pd.Series:
    """Return the patient of each row, one name for all patients who may be one person: the first of theirs.

    Args:
        scans: Rows in fingerprint order with the columns of `assign_people`.
    """
    people = pd.Series(assign_people(scans), scans.index)
    return scans["patient"].groupby(people).transform("first")


def patient_is_known(scans: pd.DataFrame) -> pd.Series:
    """Return, per row, whether a header, a layout, a pattern or a table says who the patient is."""
    return ~scans["patient_evidence"].isin(["unknown", "study"])


def _shared(key: pd.Series, patient: pd.Series, known: pd.Series, most_known: int) -> np.ndarray:
    """Return the keys whose scans are one person, and None for the others."""
    groups = pd.DataFrame({"key": key, "patient": patient.where(known)}).groupby("key")
    few = (groups.size() <= MOST_SCANS) & (groups["patient"].nunique() <= most_known)
    linking: np.ndarray = key.where(key.isin(few.index[few]), None).to_numpy(object)
    return linking


def _unusual_grids(scans: pd.DataFrame) -> pd.Series:
    """Return a text for each unusual grid, and None for a usual grid or an image."""
    pairs = zip(scans["affine"], scans["shape"], strict=True)
    return pd.Series([_grid_key(affine, shape) for affine, shape in pairs], scans.index, dtype=object)


def _grid_key(affine: Any, shape: Any) -> str | None:
    if affine is None or np.ndim(affine) == 0:  # pandas reads a missing affine as None or NaN
        return None
    matrix = np.asarray(affine, float).reshape(4, 4)
    size = np.asarray(shape, int)[:3]
    if not is_unusual(matrix, size):
        return None
    directions, origin = np.round(matrix[:3, :3], 4) + 0.0, np.round(matrix[:3, 3], 2) + 0.0
    return repr((size.tolist(), directions.tolist(), origin.tolist()))


def is_unusual(affine: np.ndarray, shape: np.ndarray) -> bool:
    """Return whether two people hardly have a grid in common by chance or by convention.

    Args:
        affine: (4, 4) from voxel index to millimeters.
        shape: Number of voxels along each of the three axes.
    """
    axes, origin = affine[:3, :3], affine[:3, 3]
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(affine).all() or (lengths == 0).any():
        return False
    if (np.abs(axes / lengths).max(axis=0) < np.cos(np.radians(OBLIQUE_DEGREES))).any():
        return True
    is_round = np.abs(origin / ROUND_MM - np.round(origin / ROUND_MM)) * ROUND_MM < TOLERANCE_MM
    voxel = np.abs(axes).max(axis=1)
    extent = np.abs(axes @ (shape - 1))
    is_centered = np.abs(np.abs(origin) - extent / 2) <= voxel / 2 + TOLERANCE_MM
    return int((~is_round & ~is_centered).sum()) >= 2
