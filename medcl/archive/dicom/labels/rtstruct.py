"""DICOM objects that hold labels, SEG and RTSTRUCT: what they are drawn on; and the contours of the latter.

Source: PS3.3 A.19 and A.51.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from pydicom import dcmread
from pydicom.uid import RTStructureSetStorage

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.parser import read_elements
from medcl.archive.dicom.header.read import SEGMENTATIONS
from medcl.archive.dicom.labels.seg import MAX_LABELS
from medcl.archive.dicom.tags import REFERENCED_FRAMES_OF_REFERENCE, REFERENCED_SERIES, SOP_CLASS_UID
from medcl.archive.flags import Rejected, quarantined
from medcl.archive.geometry import LPS_TO_RAS

KINDS = {**dict.fromkeys(SEGMENTATIONS, "seg"), RTStructureSetStorage: "rtstruct"}
REFERENCES = frozenset({REFERENCED_SERIES, REFERENCED_FRAMES_OF_REFERENCE})
OFF_PLANE = 0.3

CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
"""Contours that enclose an area; points and open lines do not."""


@dataclass(frozen=True, slots=True)
class LabelHeader:
    """Header of a label object: its kind, `seg` or `rtstruct`, and the series that it was drawn on."""

    kind: str
    series: tuple[str, ...]


def read_label_header(stream: BinaryIO) -> LabelHeader | None:
    """Return the kind of labels in a DICOM file and the series they refer to, or None for other files.

    Raises:
        Rejected: its references are malformed.
    """
    size = stream.seek(0, io.SEEK_END)
    elements = read_elements(stream, size, frozenset({SOP_CLASS_UID}), REFERENCES)
    sop_class = elements.values.get(SOP_CLASS_UID, b"") if elements is not None else b""
    kind = KINDS.get(sop_class.decode("ascii", "replace").strip("\0 "))
    if elements is None or kind is None:
        return None
    series = {str(item.SeriesInstanceUID).strip() for item in _referenced(elements)}
    return LabelHeader(kind, tuple(sorted(series - {""})))


def _referenced(elements: Elements) -> Iterator[Any]:
    yield from elements.items(REFERENCED_SERIES)
    for space in elements.items(REFERENCED_FRAMES_OF_REFERENCE):
        for study in space.get("RTReferencedStudySequence") or []:
            yield from study.get("RTReferencedSeriesSequence") or []


def structures(
    stream: BinaryIO, affine: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the contours of an RTSTRUCT filled in on a scan's grid: voxels whose center lies inside.

    Structures are numbered from 1 in the order of their ROI numbers; contours of one structure on one slice
    that lie in each other make holes. A structure is left out when it has points or open lines alone, or when
    one of its contours is malformed, lies in no slice of the scan or goes over a voxel beyond its edge; the
    others keep their numbers.

    Args:
        stream: the file.
        affine: of the scan, RAS+.
        shape: of the scan.

    Returns:
        The labels, and the numbers of the structures that were left out.

    Raises:
        Rejected: MASK_MISMATCH when no structure fits, TOO_LARGE over 255 structures.
    """
    stream.seek(0)
    rois = dcmread(stream, force=True).get("ROIContourSequence") or []
    if len(rois) > MAX_LABELS:
        raise quarantined("TOO_LARGE")
    labels = np.zeros(shape[:3], np.uint8)
    to_voxels = np.linalg.inv(affine) @ LPS_TO_RAS
    left_out: list[int] = []
    for number, roi in enumerate(sorted(rois, key=lambda roi: int(roi.ReferencedROINumber)), start=1):
        try:
            labels[_filled(roi, to_voxels, shape[:3])] = number
        except (Rejected, AttributeError, TypeError, ValueError):  # off the scan, or malformed
            left_out.append(number)
    if left_out and not labels.any():
        raise quarantined("MASK_MISMATCH")
    return labels, tuple(left_out)


def _filled(roi: Any, to_voxels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the voxels that the closed contours of a structure enclose; refuse one that has others alone."""
    inside = np.zeros(shape, bool)
    contours = roi.get("ContourSequence") or []
    closed = [contour for contour in contours if contour.ContourGeometricType in CLOSED]
    if contours and not closed:
        raise quarantined("MASK_MISMATCH")
    for contour in closed:
        points = np.reshape(np.asarray(contour.ContourData, np.float64), (-1, 3))
        _fill(inside, points @ to_voxels[:3, :3].T + to_voxels[:3, 3])
    return inside


def _fill(inside: np.ndarray, points: np.ndarray) -> None:
    """Turn over the voxels of one slice whose centers a polygon (in voxel coordinates) encloses."""
    axis = int(np.argmin(np.ptp(points, axis=0)))
    depth = points[:, axis]
    place = round(float(depth.mean()))
    if np.abs(depth - place).max() > OFF_PLANE or not 0 <= place < inside.shape[axis]:
        raise quarantined("MASK_MISMATCH")
    plane = inside.take(place, axis)
    flat = np.delete(points, axis, axis=1)
    if flat.min() < -1 or (flat > plane.shape).any():
        raise quarantined("MASK_MISMATCH")
    across, along = flat.T
    for row in range(max(0, int(np.ceil(across.min()))), min(plane.shape[0] - 1, int(across.max())) + 1):
        for start, end in _crossings(across - row, along):
            first, last = max(0, int(np.ceil(start))), min(plane.shape[1] - 1, int(np.floor(end)))
            plane[row, first : last + 1] ^= True
    inside[(slice(None),) * axis + (place,)] = plane


def _crossings(above: np.ndarray, along: np.ndarray) -> list[tuple[float, float]]:
    """Return where a line enters and leaves a closed polygon, in pairs (even-odd rule)."""
    next_above, next_along = np.roll(above, -1), np.roll(along, -1)
    cut = (above <= 0) != (next_above <= 0)
    share = above[cut] / (above[cut] - next_above[cut])
    places = np.sort(along[cut] + share * (next_along[cut] - along[cut]))
    return list(zip(places[::2].tolist(), places[1::2].tolist(), strict=True))
