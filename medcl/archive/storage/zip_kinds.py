"""Zip files that are no containers of images: documents, PyTorch files, parts of a split archive."""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO

DOCUMENTS = re.compile(
    r"\[content_types\]\.xml"  # Word, Excel, PowerPoint, XPS
    r"|mimetype|meta-inf/(manifest|container)\.xml"  # OpenDocument, EPUB, OpenRaster
    r"|index/document\.iwa"  # Pages, Numbers, Keynote
    r"|meta-inf/manifest\.mf|androidmanifest\.xml|classes\.dex"  # Java, Android
    r"|payload/[^/]+\.app/.*|[^/]+\.dist-info/wheel",  # iOS, Python
    re.IGNORECASE,
)
"""Names of members that documents and programs have."""
DOCUMENT_NAMES = re.compile(
    r"\.(docx|docm|dotx|pptx|pptm|ppsx|xlsx|xlsm|vsdx|xps|od[tspg]|epub|pages|numbers|key|jar|war|apk|ipa|whl)$",
    re.IGNORECASE,
)
END = b"PK\5\6"
TAIL_BYTES = 1 << 16


def zip_refusal(stream: BinaryIO, name: str, size: int) -> str | None:
    """Return the reason for which a zip file is not opened, or None; the stream is left at its start.

    Args:
        stream: The file at its start.
        name: Name of the file; it counts only where the directory of the zip cannot be read.
        size: Length of the file in bytes.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
        return _by_members(names)
    except Exception:  # zipfile raises a dozen kinds on malformed files
        return _without_directory(stream, name, size)
    finally:
        stream.seek(0)


def _by_members(names: list[str]) -> str | None:
    if any(DOCUMENTS.fullmatch(name) for name in names):
        return "OFFICE_DOCUMENT"
    if any(re.fullmatch(r"([^/]+/)?(data\.pkl|constants\.pkl)", name) for name in names):
        return "PYTORCH"
    return None


def _without_directory(stream: BinaryIO, name: str, size: int) -> str | None:
    stream.seek(max(0, size - TAIL_BYTES))
    tail = stream.read(TAIL_BYTES)
    end = tail.rfind(END)
    disk = int.from_bytes(tail[end + 4 : end + 6], "little") if end >= 0 else 0
    if 0 < disk < 0xFFFF or re.search(r"\.(z\d\d|zip\.\d{3})$", name, re.IGNORECASE):
        return "SPLIT_ARCHIVE"
    if DOCUMENT_NAMES.search(name):
        return "OFFICE_DOCUMENT"
    return "PYTORCH" if re.search(r"\.(pt|pth|ckpt)$", name, re.IGNORECASE) else None
