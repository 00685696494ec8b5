"""Files as they are stored: folders, object storage, zip and tar, gzip, and kinds of files by content."""

from medcl.archive.storage.listing import Listing
from medcl.archive.storage.open_file import SourceFile, member_bytes, open_dicom, open_part, without_gzip
from medcl.archive.storage.sniff import HEAD_BYTES, head_hash
from medcl.archive.storage.walk import Entry, Root, check_roots

__all__ = [
    "HEAD_BYTES",
    "Entry",
    "Listing",
    "Root",
    "SourceFile",
    "check_roots",
    "head_hash",
    "member_bytes",
    "open_dicom",
    "open_part",
    "without_gzip",
]
