"""Kinds of files by their first bytes."""

from __future__ import annotations

import pytest

from medcl.archive.storage.sniff import head_hash, sniff


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (bytes(128) + b"DICM", "dicom"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (bytes(257) + b"ustar", "tar"),
        (b"Rar!", "other-archive"),
        (b"\xfd7zXZ\0", "other-archive"),
        (b"\x08\0\x05\0UI" + bytes(20), "maybe-dicom"),
        (b"\0\x08\0\x05UI" + bytes(20), "maybe-dicom"),
        (b"\x08\0\x05\0", "unknown"),
        ("Patient: Müller\n".encode(), "text"),
        (b"text\0with a zero", "unknown"),
        (b"\xff\x01" * 40, "unknown"),
    ],
)
def test_content_decides(head: bytes, kind: str) -> None:
    assert sniff(head) == kind


def test_signatures_of_formats_come_first_but_after_dicom() -> None:
    own = [("mine", 0, b"PK"), ("later", 4, b"\x03")]
    assert sniff(b"PK\x03\x04", own) == "mine"
    assert sniff(b"\0\0\0\0\x03", own) == "later"
    assert sniff(b"PK" + bytes(126) + b"DICM", own) == "dicom"


def test_a_hash_changes_with_the_first_block() -> None:
    assert head_hash(b"a") == head_hash(b"a") != head_hash(b"b")
    assert len(head_hash(b"")) == 16
