"""The part of a header that files of a series share: which elements it is made of, and how they are read.

Files of a series agree in most values, so equal raw values are parsed once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from medcl.archive.dicom.header.elements import Elements
from medcl.archive.dicom.header.model import Attributes
from medcl.archive.dicom.header.private import PRIVATE, maker_facts
from medcl.archive.dicom.header.values import (
    decimal,
    decimals,
    direction,
    double,
    doubles,
    identifier,
    integer,
    short,
    single,
    sizes,
    stored_value,
    strings,
    text,
)
from medcl.archive.dicom.tags import (
    IMAGE_POSITION,
    INSTANCE_NUMBER,
    SIEMENS_CSA,
    SIEMENS_IMAGES_IN_MOSAIC,
    SOP_INSTANCE_UID,
    tag,
)
from medcl.archive.vocabulary import body_part, manufacturer, modality

Parser = Callable[[bytes, bool], Any]
SHARED: dict[int, tuple[str, Parser]] = {
    tag("ImageType"): ("image_type", strings),
    tag("SOPClassUID"): ("sop_class", text),
    tag("AcquisitionTime"): ("acquisition_time", text),
    tag("Modality"): ("modality", lambda raw, _: modality(text(raw))),
    tag("ConversionType"): ("conversion", text),
    tag("PresentationIntentType"): ("presentation", text),
    tag("Manufacturer"): ("manufacturer", lambda raw, _: manufacturer(text(raw))),
    tag("InstitutionName"): ("site", identifier),
    tag("PatientID"): ("patient_id", identifier),
    tag("ContrastBolusAgent"): ("contrast", identifier),
    tag("SequenceName"): ("sequence", identifier),
    tag("KVP"): ("kvp", decimal),
    tag("InversionTime"): ("inversion_time", decimal),
    tag("ProtocolName"): ("protocol", identifier),
    tag("CardiacNumberOfImages"): ("n_phases", integer),
    tag("ReconstructionDiameter"): ("diameter", decimal),
    tag("FilterType"): ("filter", identifier),
    tag("ComplexImageComponent"): ("complex_part", text),
    tag("SeriesNumber"): ("series_number", text),
    tag("NominalPercentageOfCardiacPhase"): ("cardiac_phase", single),
    tag("BodyPartExamined"): ("body_part", lambda raw, _: body_part(text(raw))),
    tag("SliceThickness"): ("thickness", decimal),
    tag("EchoTime"): ("echo_time", decimal),
    tag("EchoNumbers"): ("echo", text),
    tag("SpacingBetweenSlices"): ("spacing_between", decimal),
    tag("TriggerTime"): ("trigger", decimal),
    tag("EstimatedRadiographicMagnificationFactor"): ("magnification", decimal),
    tag("GantryDetectorTilt"): ("tilt", decimal),
    tag("ImagerPixelSpacing"): ("imager_spacing", decimals),
    tag("ConvolutionKernel"): ("kernel", identifier),
    tag("NominalScannedPixelSpacing"): ("nominal_spacing", decimals),
    tag("DiffusionBValue"): ("b_value", double),
    tag("DiffusionGradientOrientation"): ("gradient", doubles),
    tag("StudyInstanceUID"): ("study_uid", text),
    tag("SeriesInstanceUID"): ("series_uid", text),
    tag("AcquisitionNumber"): ("acquisition", text),
    tag("ImageOrientationPatient"): ("orientation", decimals),
    tag("FrameOfReferenceUID"): ("frame_of_reference", text),
    tag("TemporalPositionIdentifier"): ("temporal", text),
    tag("ConcatenationUID"): ("concatenation", text),
    tag("SamplesPerPixel"): ("samples", short),
    tag("PhotometricInterpretation"): ("photometric", text),
    tag("PlanarConfiguration"): ("planar", short),
    tag("NumberOfFrames"): ("n_frames", integer),
    tag("Rows"): ("rows", short),
    tag("Columns"): ("columns", short),
    tag("PixelSpacing"): ("pixel_spacing", decimals),
    tag("PixelAspectRatio"): ("aspect", decimals),
    tag("BitsAllocated"): ("bits_allocated", short),
    tag("BitsStored"): ("bits_stored", short),
    tag("HighBit"): ("high_bit", short),
    tag("PixelRepresentation"): ("signed", lambda raw, little: short(raw, little) == 1),
    tag("PixelPaddingValue"): ("padding", stored_value),
    tag("PixelPaddingRangeLimit"): ("padding_limit", stored_value),
    tag("FloatPixelPaddingValue"): ("float_padding", single),
    tag("DoubleFloatPixelPaddingValue"): ("double_padding", double),
    tag("BurnedInAnnotation"): ("burned_in", text),
    tag("RescaleIntercept"): ("intercept", decimal),
    tag("RescaleSlope"): ("slope", decimal),
    tag("RescaleType"): ("rescale_type", text),
    tag("LossyImageCompression"): ("lossy", lambda raw, _: text(raw) == "01"),
    tag("PresentationLUTShape"): ("presentation_shape", text),
}
PER_FILE = frozenset(
    {SOP_INSTANCE_UID, INSTANCE_NUMBER, IMAGE_POSITION, SIEMENS_IMAGES_IN_MOSAIC, SIEMENS_CSA}
)
WANTED = frozenset(SHARED) | PRIVATE | PER_FILE
_SHARED_TAGS = (*SHARED, *sorted(PRIVATE))


def attributes(elements: Elements) -> Attributes:
    """Return the shared part of a header; equal raw values give the same object."""
    values = elements.values
    return _attributes(tuple([values.get(tag) for tag in _SHARED_TAGS]), elements.little)


@lru_cache(maxsize=256)
def _attributes(raws: tuple[bytes | None, ...], little: bool) -> Attributes:
    values: dict[str, Any] = maker_facts(dict(zip(_SHARED_TAGS, raws, strict=True)), little)
    bad = False
    for raw, (name, parse) in zip(raws, SHARED.values(), strict=False):
        if not raw:
            continue
        try:
            value = parse(raw, little)
        except (ValueError, OverflowError):
            bad = True
            continue
        if value is not None:
            values[name] = value
    values["bad_values"] = bad
    return _sane(Attributes(**values))


def _sane(shared: Attributes) -> Attributes:
    """Drop vectors of a wrong length or without direction, sizes that are not positive, and zero slopes."""
    return replace(
        shared,
        orientation=direction(shared.orientation),
        pixel_spacing=sizes(shared.pixel_spacing),
        imager_spacing=sizes(shared.imager_spacing),
        nominal_spacing=sizes(shared.nominal_spacing),
        aspect=sizes(shared.aspect),
        magnification=shared.magnification if (shared.magnification or 0) > 0 else None,
        thickness=shared.thickness if (shared.thickness or 0) > 0 else None,
        slope=shared.slope or None,
        scale_slope=shared.scale_slope or None,
        high_bit=shared.high_bit or max(shared.bits_stored - 1, 0),
        n_frames=max(shared.n_frames, 1),
    )
