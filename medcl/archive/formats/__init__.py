"""Image formats beside DICOM, one module each; `registry` is the list of them."""

from medcl.archive.formats.registry import (
    FORMATS,
    FORMATS_BY_NAME,
    SIGNATURES,
    ZIP_SUFFIXES,
    Format,
    find_format,
)
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.sidecar import Sidecar, read_sidecar, shared_name

__all__ = [
    "FORMATS",
    "FORMATS_BY_NAME",
    "SIGNATURES",
    "ZIP_SUFFIXES",
    "Format",
    "ScanInfo",
    "Sidecar",
    "find_format",
    "read_sidecar",
    "shared_name",
]
