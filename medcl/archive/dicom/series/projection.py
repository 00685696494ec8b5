"""Images without a place in space: projections, ultrasound, captures. What their pixels measure."""

from __future__ import annotations

from medcl.archive.dicom.header.model import DicomHeader, Region
from medcl.archive.dicom.header.values import Vector
from medcl.archive.dicom.pixels.square import square_shape

MEASURED = frozenset({"PT", "NM"})
MAX_ASPECT = 10.0
"""Pixels longer than this are a fault of the tag."""


def image_spacing(header: DicomHeader, region: Region | None = None) -> Vector | None:
    """Return mm between rows and between columns in the patient's plane, or None; never a guess.

    Order: PixelSpacing, ImagerPixelSpacing (divided by the magnification when it is stated),
    NominalScannedPixelSpacing, ultrasound regions. Source: PS3.3 C.8.11.3, 10.7.1.3.
    """
    shared = header.shared
    if region is not None and region.spacing is not None:
        return region.spacing
    if shared.pixel_spacing is not None:
        return shared.pixel_spacing
    if shared.imager_spacing is not None:
        return tuple(mm / (shared.magnification or 1.0) for mm in shared.imager_spacing)
    return shared.nominal_spacing


def image_flags(header: DicomHeader, region: Region | None = None) -> set[str]:
    """Return what an image's header says about its geometry and meaning."""
    shared = header.shared
    flags = {"NO_GEOM"}
    if image_spacing(header, region) is None:
        flags.add("SPACING_UNKNOWN")
    elif (region is None or region.spacing is None) and _at_detector(header):
        flags.add("SPACING_AT_DETECTOR")
    flags |= inversion_flags(header)
    if is_stretched(header, region):
        flags.add("ASPECT_CORRECTED")
    if shared.samples > 1 and shared.bits_stored > 8:
        flags.add("DEPTH_REDUCED")
    if shared.photometric == "PALETTE COLOR":
        flags.add("PALETTE")
    if header.modality_lut:
        flags.add("LUT_APPLIED")
    if "LOCALIZER" in shared.image_type:
        flags.add("SCOUT")
    return flags


def _at_detector(header: DicomHeader) -> bool:
    """Return whether the spacing is known at the detector only (stated so, or equal to the imager's)."""
    shared = header.shared
    if shared.imager_spacing is None:
        return False
    return (shared.pixel_spacing or shared.imager_spacing) == shared.imager_spacing and not (
        shared.pixel_spacing is None and shared.magnification
    )


def is_inverted(header: DicomHeader) -> bool:
    """Return whether bright and dark are exchanged when the pixels are read."""
    return _is_dark_high(header) and not _is_measurement(header)


def inversion_flags(header: DicomHeader) -> set[str]:
    """Return the flag of a file in which high stored values are dark."""
    if not _is_dark_high(header):
        return set()
    return {"MONO1_KEPT" if _is_measurement(header) else "MONO1_INVERTED"}


def _is_dark_high(header: DicomHeader) -> bool:
    """Return whether high stored values are dark: MONOCHROME1, or a presentation LUT shape that inverts.

    The two say the same thing, and a file with both is inverted once (PS3.3 C.11.6.1.2).
    """
    shared = header.shared
    return shared.photometric == "MONOCHROME1" or (
        shared.presentation_shape == "INVERSE" and shared.photometric == "MONOCHROME2"
    )


def _is_measurement(header: DicomHeader) -> bool:
    """True when values measure something (HU, activity, counts), however they are shown."""
    if header.shared.modality != "CT":
        return header.shared.modality in MEASURED
    return header.modality_lut or any(
        frame.slope is not None and frame.intercept is not None for frame in header.frames
    )


def image_shape(header: DicomHeader, region: Region | None = None) -> tuple[int, int]:
    """Return rows and columns of an image as it is read: its region of the frame, in square pixels."""
    rows, columns = header.matrix
    if region is not None:
        rows, columns = region.bottom - region.top, region.right - region.left
    if header.shared.aspect is None or not is_stretched(header, region):
        return rows, columns
    return square_shape(rows, columns, header.shared.aspect[0] / header.shared.aspect[1])


def is_stretched(header: DicomHeader, region: Region | None = None) -> bool:
    """Return whether the shape of the pixels is known and not square, while their size is not known."""
    if header.shared.aspect is None or image_spacing(header, region) is not None:
        return False
    height, width = header.shared.aspect
    return height != width and 1 / MAX_ASPECT <= height / width <= MAX_ASPECT


def image_unit(header: DicomHeader) -> str:
    """Return `display` for color and plain 8-bit images, else `a.u.`."""
    shared = header.shared
    if shared.samples > 1 or shared.photometric == "PALETTE COLOR":
        return "display"
    plain = shared.bits_allocated == 8 and not header.modality_lut and shared.slope in (None, 1.0)
    return "display" if plain and shared.intercept in (None, 0.0) else "a.u."
