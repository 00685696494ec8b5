"""From any folder of scans to a catalogue, a ledger of every file, and scans with their geometry."""

from medcl.archive.catalog import ArchiveError, Catalog
from medcl.archive.convert import convert
from medcl.archive.read import read, read_all, read_mask
from medcl.archive.scan import scan_archive
from medcl.archive.types import Scan

__all__ = ["ArchiveError", "Catalog", "Scan", "convert", "read", "read_all", "read_mask", "scan_archive"]
