"""DICOM: headers, grouping into scans, and assembly; the door of the modules named `dicom_*`.

Source of the rules: DICOM PS3.3, PS3.5 and PS3.10 of 2024.
"""

from medcl.archive.dicom_assemble import assemble
from medcl.archive.dicom_codecs import installed, missing_decoders
from medcl.archive.dicom_file import read_header
from medcl.archive.dicom_group import Stack, group
from medcl.archive.dicom_header import DicomHeader
from medcl.archive.dicom_same import PixelSums

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
