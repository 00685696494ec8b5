"""Files beside images that are not read, and the reason that the ledger gives for each kind.

Content decides. A name counts only for a kind without any magic bytes. HDF5 is refused because no convention
says which of its data sets are images and where they are in space; MINC 2, which has one, has a converter.
"""

from __future__ import annotations

import re

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SIGNATURES = (
    *(("HDF5", offset, HDF5_MAGIC) for offset in (0, 512, 1024, 2048)),
    ("MATLAB", 0, b"MATLAB "),
    ("MINC", 0, b"CDF\1"),
    ("MINC", 0, b"CDF\2"),
    ("PDF", 0, b"%PDF-"),
    ("SPLIT_ARCHIVE", 0, b"PK\x07\x08"),
    ("SYSTEM_FILE", 0, b"\0\5\x16\7"),
    ("SYSTEM_FILE", 0, b"\0\5\x16\0"),
    ("SYSTEM_FILE", 0, b"\0\0\0\1Bud1"),
    ("BZIP2", 0, b"BZh"),
    ("VIDEO", 4, b"ftypmp4"),
    ("VIDEO", 4, b"ftypiso"),
    ("VIDEO", 4, b"ftypqt"),
    ("VIDEO", 4, b"ftypM4V"),
    ("VIDEO", 4, b"ftypavc"),
    ("VIDEO", 4, b"ftyp3g"),
    ("VIDEO", 4, b"moov"),
    ("VIDEO", 4, b"mdat"),
    ("VIDEO", 8, b"AVI "),
    ("VIDEO", 0, b"\x1aE\xdf\xa3"),
    ("VIDEO", 0, b"\0\0\1\xba"),
    ("VIDEO", 0, b"\0\0\1\xb3"),
    ("VIDEO", 0, b"FLV\1"),
    ("VIDEO", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("PICKLE", 0, b"\x80\2"),
    ("PICKLE", 0, b"\x80\3"),
    ("PICKLE", 0, b"\x80\4"),
    ("PICKLE", 0, b"\x80\5"),
    ("UNSUPPORTED_FORMAT", 4, b"ftypheic"),
    ("UNSUPPORTED_FORMAT", 4, b"ftypavif"),
    ("UNSUPPORTED_FORMAT", 0, b"SIMPLE  ="),
    ("UNSUPPORTED_FORMAT", 0, b"8BPS"),
)
TEXTS = (
    ("ANNEX_NOT_FETCHED", re.compile(rb"\A(/|(\.\./)*\.git/)annex/objects/")),
    ("LFS_NOT_FETCHED", re.compile(rb"\Aversion https://(git-lfs\.github\.com|hawser\.github\.com)/spec/")),
    (
        "DVC_POINTER",
        re.compile(rb"\A(md5: [0-9a-f]+\s+(frozen: \w+\s+)?)?outs:\s+- (md5|etag|hash|size|path): "),
    ),
    ("VTK", re.compile(rb"\A# vtk DataFile|\A\s*(<\?xml[^>]*>\s*)?<VTKFile")),
    ("PAR_REC", re.compile(rb"\A#[^\n]*DATA DESCRIPTION FILE")),
    ("AFNI", re.compile(rb"\A\s*type\s*=\s*(string|integer|float)-attribute")),
)
NAMES = (
    ("CLOUD_PLACEHOLDER", re.compile(r"(^|/)\.[^/]+\.icloud$", re.IGNORECASE)),
    ("MATLAB", re.compile(r"\.mat$", re.IGNORECASE)),
    ("PAR_REC", re.compile(r"\.rec$", re.IGNORECASE)),
    ("AFNI", re.compile(r"\.brik$", re.IGNORECASE)),
    ("DATA_WITHOUT_HEADER", re.compile(r"\.(raw|zraw|img)(\.gz)?$", re.IGNORECASE)),
)
SLIDES = re.compile(r"\.(svs|ndpi|scn|mrxs|bif|vms|vmu)$", re.IGNORECASE)
"""Suffixes of whole slide images."""


def refusal(head: bytes, name: str) -> str | None:
    """Return the reason of a file that is not read, or None for an unknown one.

    Args:
        head: First block of the file.
        name: Name of the file.
    """
    for code, offset, magic in SIGNATURES:
        if head.startswith(magic, offset):
            return "MINC" if code == "HDF5" and b"minc-2.0" in head else code
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "SYSTEM_FILE" if name.lower().endswith("thumbs.db") else "OFFICE_DOCUMENT"
    return next((code for code, pattern in TEXTS if pattern.search(head)), None)


def refusal_by_name(name: str) -> str | None:
    """Return the reason of a file without known magic bytes, or None when its name says nothing either."""
    return next((code for code, pattern in NAMES if pattern.search(name)), None)
