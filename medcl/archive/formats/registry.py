"""The image formats that can be read beside DICOM: the one place that names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from medcl.archive.formats import images, metaimage, mgh, nifti, npy, npz, nrrd, pairs
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.scan import Scan
from medcl.archive.storage.containers import zip_suffix
from medcl.archive.storage.open_file import SourceFile
from medcl.archive.storage.sniff import Signature


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        name: Name in the catalog's column `source`.
        magic: The bytes by which files are recognized, each with its offset in bytes.
        inspect: Checks a file without decoding its pixels and returns the scans in it, at least one. Faults
            of the file are raised as `Rejected`.
        load: Reads one scan of a file; its second argument is the scan's `ScanInfo.part`. A format with
            several scans in a file keeps the last file that it read.
        gzipped: Whether a file of this format may be gzipped as a whole.
        zip_suffix: For a format that is a zip file, the suffix of all of its members.
    """

    name: str
    magic: tuple[tuple[int, bytes], ...]
    inspect: Callable[[SourceFile], list[ScanInfo]]
    load: Callable[[SourceFile, str], Scan]
    gzipped: bool = False
    zip_suffix: str = ""


FORMATS: tuple[Format, ...] = (
    Format("nifti", nifti.MAGIC, nifti.inspect, nifti.load, gzipped=True),
    Format("pair", pairs.MAGIC, pairs.inspect, pairs.load, gzipped=True),
    Format("metaimage", metaimage.MAGIC, metaimage.inspect, metaimage.load),
    Format("nrrd", nrrd.MAGIC, nrrd.inspect, nrrd.load),
    Format("mgh", mgh.MAGIC, mgh.inspect, mgh.load, gzipped=True),
    Format("npy", npy.MAGIC, npy.inspect, npy.load),
    Format("image", images.MAGIC, images.inspect, images.load),
    Format("npz", (), npz.inspect, npz.load, zip_suffix=".npy"),
)
FORMATS_BY_NAME = {entry.name: entry for entry in FORMATS}
SIGNATURES: tuple[Signature, ...] = tuple(
    (entry.name, offset, magic) for entry in FORMATS for offset, magic in entry.magic
)
ZIP_SUFFIXES = tuple(entry.zip_suffix for entry in FORMATS if entry.zip_suffix)


def find_format(kind: str, stream: BinaryIO) -> Format | None:
    """Return the format of a file, or None when it has none.

    Args:
        kind: Kind of the file as `sniff` returns it, with `gzip-` before the kind of gzipped content.
        stream: The file at its start, where it is left.
    """
    if kind == "zip":
        suffix = zip_suffix(stream, ZIP_SUFFIXES)
        return next((entry for entry in FORMATS if suffix and entry.zip_suffix == suffix), None)
    name = kind.removeprefix("gzip-")
    entry = FORMATS_BY_NAME.get(name)
    return entry if entry is not None and (entry.gzipped or name == kind) else None
