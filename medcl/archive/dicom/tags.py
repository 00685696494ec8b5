"""DICOM tags by their keyword in pydicom's dictionary, and the private tags that medcl reads."""

from __future__ import annotations

from pydicom.datadict import tag_for_keyword


def tag(keyword: str) -> int:
    """Return the tag of a keyword of the standard (PS3.6), such as `PatientID`.

    Raises:
        KeyError: The standard has no such keyword.
    """
    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return int(number)


SOP_CLASS_UID = tag("SOPClassUID")
SOP_INSTANCE_UID = tag("SOPInstanceUID")
MEDIA_STORAGE_SOP_CLASS_UID = tag("MediaStorageSOPClassUID")
SERIES_INSTANCE_UID = tag("SeriesInstanceUID")
STUDY_INSTANCE_UID = tag("StudyInstanceUID")
INSTANCE_NUMBER = tag("InstanceNumber")
IMAGE_POSITION = tag("ImagePositionPatient")

FLOAT_PIXEL_DATA = tag("FloatPixelData")
DOUBLE_FLOAT_PIXEL_DATA = tag("DoubleFloatPixelData")
PIXEL_DATA = tag("PixelData")
PIXELS = {
    FLOAT_PIXEL_DATA: "FloatPixelData",
    DOUBLE_FLOAT_PIXEL_DATA: "DoubleFloatPixelData",
    PIXEL_DATA: "PixelData",
}
"""Tags that hold pixels, with their keywords."""

MODALITY_LUT = tag("ModalityLUTSequence")
VOI_LUT = tag("VOILUTSequence")
WINDOW_CENTER = tag("WindowCenter")
WINDOW_WIDTH = tag("WindowWidth")
VOI_LUT_FUNCTION = tag("VOILUTFunction")
PALETTE_COLORS = ("Red", "Green", "Blue")
PALETTE_DESCRIPTORS = tuple(tag(f"{color}PaletteColorLookupTableDescriptor") for color in PALETTE_COLORS)
PALETTE_TABLES = tuple(tag(f"{color}PaletteColorLookupTableData") for color in PALETTE_COLORS)
PALETTE_SEGMENTED = tuple(tag(f"Segmented{color}PaletteColorLookupTableData") for color in PALETTE_COLORS)

SHARED_GROUPS = tag("SharedFunctionalGroupsSequence")
FRAME_GROUPS = tag("PerFrameFunctionalGroupsSequence")
DETECTORS = tag("DetectorInformationSequence")
DIMENSION_ORGANIZATION = tag("DimensionOrganizationType")
RADIOPHARMACEUTICAL = tag("RadiopharmaceuticalInformationSequence")
ULTRASOUND_REGIONS = tag("SequenceOfUltrasoundRegions")

SEGMENTATION_TYPE = tag("SegmentationType")
MAXIMUM_FRACTION = tag("MaximumFractionalValue")
REFERENCED_SERIES = tag("ReferencedSeriesSequence")
REFERENCED_FRAMES_OF_REFERENCE = tag("ReferencedFrameOfReferenceSequence")

# Private elements stand where their maker reserved a block (PS3.5 section 7.8.1), usually block 0x10.
SIEMENS_CSA = 0x00291010
SIEMENS_IMAGES_IN_MOSAIC = 0x0019100A
SIEMENS_B_VALUE, SIEMENS_GRADIENT = 0x0019100C, 0x0019100E
GE_B_VALUE, GE_GRADIENT = 0x00431039, (0x001910BB, 0x001910BC, 0x001910BD)
GE_COMPLEX_PART = 0x0043102F
UIH_SLICES, UIH_SLICE_SEQUENCE = 0x00651050, 0x00651051
PHILIPS_B_VALUE, PHILIPS_GRADIENT = 0x20011003, (0x200510B0, 0x200510B1, 0x200510B2)
PHILIPS_SCALE_SLOPE = 0x2005100E
GE_SCAN_TIME = 0x0009100D
PHILIPS_SUV_FACTOR, PHILIPS_ACTIVITY_FACTOR = 0x70531000, 0x70531009
UIH_B_VALUE, UIH_GRADIENT = 0x00651009, 0x00651037
BLOCK_9, BLOCK_19, BLOCK_43, BLOCK_65 = 0x00090010, 0x00190010, 0x00430010, 0x00650010
BLOCK_2001, BLOCK_2005, BLOCK_7053 = 0x20010010, 0x20050010, 0x70530010
"""Names of the makers that reserved block 0x10 of these groups."""
