"""Images without a place in space: projections, ultrasound, captures. What their pixels measure."""

from __future__ import annotations

from medcl.archive.dicom.header.model import DicomHeader, Region
from medcl.archive.dicom.header.values import Vector


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
    if is_inverted(header):
        flags.add("MONO1_INVERTED")
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
    """Return whether high stored values are dark: MONOCHROME1, or a presentation LUT shape that inverts.

    The two say the same thing, and a file with both is inverted once (PS3.3 C.11.6.1.2).
    """
    shared = header.shared
    return shared.photometric == "MONOCHROME1" or (
        shared.presentation_shape == "INVERSE" and shared.photometric == "MONOCHROME2"
    )


def image_unit(header: DicomHeader) -> str:
    """Return `display` for plain 8-bit images, else `a.u.`."""
    shared = header.shared
    plain = shared.bits_allocated == 8 and not header.modality_lut and shared.slope in (None, 1.0)
    return "display" if plain and shared.intercept in (None, 0.0) else "a.u."
