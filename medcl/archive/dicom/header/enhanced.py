"""Frames of enhanced objects (PS3.3 C.7.6.16) and of nuclear medicine reconstructions (PS3.3 C.8.4.15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from pydicom.multival import MultiValue

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes, Frame, plain_frame
from medcl.archive.dicom.header.values import Vector, direction, place, sizes
from medcl.archive.dicom.tags import DETECTORS, FRAME_GROUPS, IMAGE_POSITION, SHARED_GROUPS
from medcl.archive.flags import quarantined

FUNCTIONAL = (SHARED_GROUPS, FRAME_GROUPS, DETECTORS)


def functional_frames(elements: Elements, shared: Attributes) -> tuple[Frame, ...]:
    """Return the frames of an enhanced object in stored order.

    Raises:
        Rejected: BAD_HEADER where the frames described are not those stored.
    """
    common: Any = next(iter(elements.items(SHARED_GROUPS)), {})
    per_frame: list[Any] = elements.items(FRAME_GROUPS)
    if per_frame and len(per_frame) != shared.n_frames:
        raise quarantined("BAD_HEADER")
    groups = per_frame or [{}] * shared.n_frames
    try:
        return tuple(
            _frame(number, _FunctionalGroups(group, common), shared) for number, group in enumerate(groups)
        )
    except (AttributeError, TypeError, ValueError, IndexError):
        raise quarantined("BAD_HEADER") from None


class _FunctionalGroups:
    """The functional groups of one frame: those of the frame first, then the shared ones."""

    def __init__(self, per_frame: Any, common: Any) -> None:
        self.levels = (per_frame, common)

    def get(self, sequence: str, name: str) -> Any:
        """Return an attribute of a group's first item, or None."""
        for groups in self.levels:
            items = groups.get(sequence)
            if items:
                value = items[0].get(name)
                if value is not None:
                    return value
        return None

    def inner(self, sequence: str, nested: str, name: str) -> Any:
        """Return an attribute of a sequence inside a group's first item, or None."""
        items = self.get(sequence, nested)
        return items[0].get(name) if items else None


def _frame(number: int, groups: _FunctionalGroups, shared: Attributes) -> Frame:
    value = groups.get("PixelValueTransformationSequence", "RescaleSlope")
    offset = groups.get("PixelValueTransformationSequence", "RescaleIntercept")
    thickness = _number(groups.get("PixelMeasuresSequence", "SliceThickness"))
    return Frame(
        index=number,
        position=_vector(groups.get("PlanePositionSequence", "ImagePositionPatient"), 3),
        orientation=direction(_vector(groups.get("PlaneOrientationSequence", "ImageOrientationPatient"), 6)),
        spacing=sizes(_vector(groups.get("PixelMeasuresSequence", "PixelSpacing"), 2))
        or shared.pixel_spacing,
        thickness=thickness if thickness and thickness > 0 else shared.thickness,
        slope=(_number(value) or None) if value is not None else shared.slope,
        intercept=_number(offset) if offset is not None else shared.intercept,
        rescale_type=str(
            groups.get("PixelValueTransformationSequence", "RescaleType") or shared.rescale_type
        ),
        keys=_keys(groups, shared),
        dimensions=_dimensions(groups.get("FrameContentSequence", "DimensionIndexValues")),
    )


def _dimensions(value: Any) -> tuple[int, ...]:
    several = value if isinstance(value, (list, MultiValue)) else [value]
    return tuple(int(number) for number in several if number is not None)


def _keys(groups: _FunctionalGroups, shared: Attributes) -> tuple[Any, ...]:
    """Return the values of `SPLIT_KEYS` for a frame."""
    content = "FrameContentSequence"
    stack = groups.get(content, "StackID")
    kind = next(
        (
            tuple(value)
            for name in ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
            if (value := groups.get(name, "FrameType"))
        ),
        shared.image_type,
    )
    return (
        f"{groups.get(content, 'FrameAcquisitionNumber') or ''}/{stack or ''}",
        str(groups.get(content, "TemporalPositionIndex") or ""),
        _number(groups.get("MREchoSequence", "EffectiveEchoTime")),
        "",
        _number(groups.get("MRDiffusionSequence", "DiffusionBValue")),
        _vector(
            groups.inner(
                "MRDiffusionSequence", "DiffusionGradientDirectionSequence", "DiffusionGradientOrientation"
            ),
            3,
        ),
        _number(groups.get("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime")),
        "",
        str(groups.get("CTReconstructionSequence", "ConvolutionKernel") or ""),
        kind[2:],
    )


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    number = float(value)
    if not np.isfinite(number):
        raise ValueError
    return number


def _vector(value: Any, length: int) -> Vector | None:
    if value is None or isinstance(value, str) or len(value) != length:
        return None
    vector = tuple(float(part) for part in value)
    if not np.isfinite(vector).all():
        raise ValueError
    return vector


def nuclear_frames(elements: Elements, shared: Attributes) -> tuple[Frame, ...]:
    """Return the slices of a reconstructed nuclear medicine volume; empty for anything else.

    The detector sequence holds the position of the first slice; the others follow along the normal.
    """
    detectors = elements.items(DETECTORS)
    if "RECON TOMO" not in shared.image_type or len(detectors) != 1 or shared.spacing_between is None:
        return ()
    corner = _vector(detectors[0].get("ImagePositionPatient"), 3) or place(
        elements.values.get(IMAGE_POSITION)
    )
    axes = direction(_vector(detectors[0].get("ImageOrientationPatient"), 6)) or shared.orientation
    if corner is None or axes is None:
        return ()
    step = shared.spacing_between * np.cross(axes[:3], axes[3:])
    plain = replace(plain_frame(shared, None), orientation=axes)
    return tuple(
        replace(plain, index=number, position=tuple(map(float, np.array(corner) + number * step)))
        for number in range(shared.n_frames)
    )
