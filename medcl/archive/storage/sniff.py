"""The kind of a file by its first bytes, never by its name."""

from __future__ import annotations

import hashlib

HEAD_BYTES = 4096


def head_hash(head: bytes) -> str:
    """Return a hash of a file's first block, by which a changed file is known."""
    return hashlib.blake2b(head, digest_size=8).hexdigest()


def sniff(head: bytes) -> str:
    """Return the kind of a file by its first bytes (never by its name).

    Returns:
        `dicom`, `nifti`, `gzip`, `png`, `jpeg`, `zip`, `tar`, `analyze`, `other-image`, `other-archive`,
        `maybe-dicom` (binary that may be DICOM without its preamble), `text`, `empty` or `unknown`.
    """
    if not head:
        return "empty"
    if head[128:132] == b"DICM":
        return "dicom"
    for kind, start, magics in _MAGICS:
        if any(head.startswith(magic, start) for magic in magics):
            return kind
    if head[:4] in (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c") and len(head) >= 348:
        return "analyze"
    if head[:1] in _GROUPS and head[1:2] in _GROUPS and len(head) >= 16:
        return "maybe-dicom"
    return "text" if _is_text(head) else "unknown"


_MAGICS: tuple[tuple[str, int, tuple[bytes, ...]], ...] = (
    ("nifti", 344, (b"n+1\0",)),
    ("nifti", 4, (b"n+2\0\r\n\x1a\n",)),
    ("analyze", 344, (b"ni1\0",)),
    ("analyze", 4, (b"ni2\0\r\n\x1a\n",)),
    ("gzip", 0, (b"\x1f\x8b",)),
    ("png", 0, (b"\x89PNG\r\n\x1a\n",)),
    ("jpeg", 0, (b"\xff\xd8\xff",)),
    ("zip", 0, (b"PK\x03\x04", b"PK\x05\x06")),
    ("tar", 257, (b"ustar",)),
    ("other-archive", 0, (b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd")),
    ("other-image", 0, (b"II*\0", b"MM\0*", b"BM", b"GIF8", b"\0\0\0\x0cjP  ", b"NRRD", b"RIFF")),
)


# A DICOM file without preamble begins with a tag of a low group, little or big endian.
_GROUPS = {bytes([value]) for value in range(0x11)}


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and sum(byte < 9 for byte in head[:512]) == 0
