"""Files that exist in memory alone, as the formats read them."""

from __future__ import annotations

import io

from medcl.archive.storage.open_file import SourceFile


def in_memory(content: bytes, size: int | None = None) -> SourceFile:
    """Return a file with this content; `size` lets it claim another length."""
    return SourceFile("", "", len(content) if size is None else size, 0, io.BytesIO(content))
