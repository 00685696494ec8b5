"""From any folder of scans to a catalog, a ledger of every file, and scans with their geometry."""

from medcl.archive.catalog import ArchiveError, Catalog
from medcl.archive.convert import convert
from medcl.archive.explain import explain_scan
from medcl.archive.read import read, read_all, read_mask
from medcl.archive.scan import Scan
from medcl.archive.scanning import scan_archive

__all__ = [
    "ArchiveError",
    "Catalog",
    "Scan",
    "convert",
    "explain_scan",
    "read",
    "read_all",
    "read_mask",
    "scan_archive",
]
