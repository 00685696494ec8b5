"""Frames of enhanced objects (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydicom.multival import MultiValue

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes, Frame
from medcl.archive.dicom.header.real_world import real_world_value
from medcl.archive.dicom.header.values import direction, finite_number, finite_vector, sizes
from medcl.archive.dicom.tags import FRAME_GROUPS, SHARED_GROUPS
from medcl.archive.flags import quarantined

FUNCTIONAL = (SHARED_GROUPS, FRAME_GROUPS)
POSITION = ("PlanePositionSequence", "ImagePositionPatient")
ORIENTATION = ("PlaneOrientationSequence", "ImageOrientationPatient")
VOLUME_POSITION = ("PlanePositionVolumeSequence", "ImagePositionVolume")
VOLUME_ORIENTATION = ("PlaneOrientationVolumeSequence", "ImageOrientationVolume")
"""The plane in a frame of reference of the volume's own, as ultrasound volumes state it (PS3.3 C.8.24.3)."""
FURTHER_KEYS = (
    ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    ("MRVelocityEncodingSequence", "VelocityEncodingDirection"),
    ("ImageDataTypeSequence", "DataType"),
    ("TemporalPositionSequence", "TemporalPositionTimeOffset"),
)
"""What else may tell apart two frames at one place, before the indices of the dimensions."""


def functional_frames(elements: Elements, shared: Attributes) -> tuple[tuple[Frame, ...], tuple[str, ...]]:
    """Return the frames of an enhanced object in stored order, and flags.

    Raises:
        Rejected: BAD_HEADER where the frames described are not those stored.
    """
    common: Any = next(iter(elements.items(SHARED_GROUPS)), {})
    per_frame: list[Any] = elements.items(FRAME_GROUPS)
    if per_frame and len(per_frame) != shared.n_frames:
        raise quarantined("BAD_HEADER")
    groups = [_FunctionalGroups(group, common) for group in per_frame or [{}] * shared.n_frames]
    try:
        frames = tuple(
            replace(_frame(number, group, shared), subset=stack)
            for number, (group, stack) in enumerate(zip(groups, _stacks(groups), strict=True))
        )
        flags = {"XFORM_UNKNOWN"} if any(group.get(*VOLUME_POSITION) for group in groups) else set()
    except (AttributeError, TypeError, ValueError, IndexError):
        raise quarantined("BAD_HEADER") from None
    if len({frame.subset for frame in frames}) > 1:
        flags.add("SPLIT")
    return frames, tuple(flags)


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

    def sequence(self, sequence: str) -> Any:
        """Return the items of a group, or None."""
        return next((items for groups in self.levels if (items := groups.get(sequence))), None)

    def inner(self, sequence: str, nested: str, name: str) -> Any:
        """Return an attribute of a sequence inside a group's first item, or None."""
        items = self.get(sequence, nested)
        return items[0].get(name) if items else None


def _stacks(groups: Sequence[_FunctionalGroups]) -> list[str]:
    """Return the stack of each frame (StackID); empty where nearly every frame claims one of its own."""
    stacks = [str(group.get("FrameContentSequence", "StackID") or "") for group in groups]
    return stacks if 2 * len(set(stacks)) <= len(groups) else [""] * len(groups)


def _frame(number: int, groups: _FunctionalGroups, shared: Attributes) -> Frame:
    value = groups.get("PixelValueTransformationSequence", "RescaleSlope")
    offset = groups.get("PixelValueTransformationSequence", "RescaleIntercept")
    kind = groups.get("PixelValueTransformationSequence", "RescaleType")
    mapping = real_world_value(groups.sequence("RealWorldValueMappingSequence"))
    if value is None and shared.slope is None and mapping is not None:
        value, offset, kind = mapping
    thickness = finite_number(groups.get("PixelMeasuresSequence", "SliceThickness"))
    return Frame(
        index=number,
        position=finite_vector(groups.get(*POSITION) or groups.get(*VOLUME_POSITION), 3),
        orientation=direction(finite_vector(groups.get(*ORIENTATION) or groups.get(*VOLUME_ORIENTATION), 6)),
        spacing=sizes(finite_vector(groups.get("PixelMeasuresSequence", "PixelSpacing"), 2))
        or shared.pixel_spacing,
        thickness=thickness if thickness and thickness > 0 else shared.thickness,
        slope=(finite_number(value) or None) if value is not None else shared.slope,
        intercept=finite_number(offset) if offset is not None else shared.intercept,
        rescale_type=str(kind or shared.rescale_type),
        keys=_keys(groups, shared),
        dimensions=_dimensions(groups.get("FrameContentSequence", "DimensionIndexValues")),
    )


def _dimensions(value: Any) -> tuple[int, ...]:
    several = value if isinstance(value, (list, MultiValue)) else [value]
    return tuple(int(number) for number in several if number is not None)


def _keys(groups: _FunctionalGroups, shared: Attributes) -> tuple[Any, ...]:
    """Return the values of `SPLIT_KEYS` for a frame, then those of `FURTHER_KEYS` and its dimensions."""
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
        finite_number(groups.get("MREchoSequence", "EffectiveEchoTime")),
        "",
        finite_number(groups.get("MRDiffusionSequence", "DiffusionBValue")),
        finite_vector(
            groups.inner(
                "MRDiffusionSequence", "DiffusionGradientDirectionSequence", "DiffusionGradientOrientation"
            ),
            3,
        ),
        finite_number(groups.get("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime")),
        "",
        str(groups.get("CTReconstructionSequence", "ConvolutionKernel") or ""),
        kind,
        finite_number(groups.get("PixelMeasuresSequence", "SliceThickness")) or shared.thickness,
        str(groups.get("CTReconstructionSequence", "ReconstructionAlgorithm") or ""),
        str(groups.get("CTReconstructionSequence", "ImageFilter") or ""),
        finite_number(groups.get("CTReconstructionSequence", "ReconstructionDiameter")),
        finite_number(groups.get("CTXRayDetailsSequence", "KVP")),
        str(groups.get("MRModifierSequence", "InversionTimes") or ""),
        str(groups.get("MRImageFrameTypeSequence", "ComplexImageComponent") or ""),
        finite_number(groups.get("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase")),
        "",
        str(groups.get(content, "FrameAcquisitionDateTime") or ""),
        *(str(groups.get(*names) or "") for names in FURTHER_KEYS),
        *_dimensions(groups.get(content, "DimensionIndexValues")),
    )
