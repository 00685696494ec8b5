"""The kind of a file by its first bytes, never by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

HEAD_BYTES = 4096
Signature = tuple[str, int, bytes]
"""A kind of file, and the bytes that it has at an offset."""


def head_hash(head: bytes) -> str:
    """Return a hash of a file's first block, by which a changed file is detected."""
    return hashlib.blake2b(head, digest_size=8).hexdigest()


def sniff(head: bytes, signatures: Iterable[Signature] = ()) -> str:
    """Return the kind of a file by its first bytes (never by its name).

    Args:
        head: The first `HEAD_BYTES` bytes of the file, or all of a shorter one.
        signatures: Signatures of the formats that can be read; they come before those of this module.

    Returns:
        The kind of a signature, or `dicom`, `gzip`, `zip`, `tar`, `other-archive`,
        `maybe-dicom` (binary that may be DICOM without its preamble), `text`, `empty` or `unknown`.
    """
    if not head:
        return "empty"
    if head[128:132] == b"DICM":
        return "dicom"
    for kind, offset, magic in (*signatures, *_SIGNATURES):
        if head.startswith(magic, offset):
            return kind
    if head[:1] in _LOW_GROUPS and head[1:2] in _LOW_GROUPS and len(head) >= 16:
        return "maybe-dicom"
    return "text" if _is_text(head) else "unknown"


_SIGNATURES: tuple[Signature, ...] = (
    ("gzip", 0, b"\x1f\x8b"),
    ("zip", 0, b"PK\x03\x04"),
    ("zip", 0, b"PK\x05\x06"),
    ("tar", 257, b"ustar"),
    *[
        ("other-archive", 0, magic)
        for magic in (b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd")
    ],
)


# A DICOM file without preamble begins with a tag of a low group, little or big endian.
_LOW_GROUPS = {bytes([value]) for value in range(0x11)}


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and sum(byte < 9 for byte in head[:512]) == 0
