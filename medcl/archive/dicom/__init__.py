"""DICOM: headers, grouping into scans, and assembly; the door of the modules named `dicom_*`.

Source of the rules: DICOM PS3.3, PS3.5 and PS3.10 of 2024.
"""

from medcl.archive.dicom.header.model import DicomHeader
from medcl.archive.dicom.header.read import read_header
from medcl.archive.dicom.pixels.codecs import installed, missing_decoders
from medcl.archive.dicom.series.assemble import assemble
from medcl.archive.dicom.series.duplicates import PixelSums
from medcl.archive.dicom.series.stacks import Stack, group

__all__ = [
    "DicomHeader",
    "PixelSums",
    "Stack",
    "assemble",
    "group",
    "installed",
    "missing_decoders",
    "read_header",
]
