"""DICOM: headers, pixels, grouping of files into scans, and assembly of scans.

Source of the rules: DICOM PS3.3, PS3.5 and PS3.10 of 2024.
"""

from medcl.archive.dicom.header import Attributes, DicomHeader, Frame, Region, read_header
from medcl.archive.dicom.labels import LabelHeader, read_label_header, segments, structures
from medcl.archive.dicom.pixels import installed, missing_decoders
from medcl.archive.dicom.series import PixelSums, Stack, assemble, group

__all__ = [
    "Attributes",
    "DicomHeader",
    "Frame",
    "LabelHeader",
    "PixelSums",
    "Region",
    "Stack",
    "assemble",
    "group",
    "installed",
    "missing_decoders",
    "read_header",
    "read_label_header",
    "segments",
    "structures",
]
