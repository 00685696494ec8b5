"""Opening a file, or a member of a zip or tar as if it were a file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from medcl.archive.flags import quarantined
from medcl.archive.storage.compression import gunzip_whole, is_gzip
from medcl.archive.storage.containers import container_kind, read_members
from medcl.archive.storage.remote import open_file, status


@dataclass(frozen=True)
class SourceFile:
    """A file, or a member of a zip or tar, as the formats read it. Equal source files have equal content.

    Attributes:
        path: Path or URL of the file, or of the container of a member; private. A format that is written to
            several files finds the others beside it.
        member: Number and name of a member in its container; empty for a file on its own; private.
        size: Length in bytes.
        mtime_ns: Time of the last change of the file on disk.
        stream: The content where it is open already; otherwise `open` opens it.
        follow_links: Whether files beside it may be links to files elsewhere. They may for a file of a
            catalog, whose scan has checked it.
    """

    path: str = field(repr=False)
    member: str = field(repr=False)
    size: int
    mtime_ns: int
    stream: BinaryIO | None = field(default=None, repr=False)
    follow_links: bool = True

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Return the content at its start, for a `with` statement; raises as `open_part`."""
        if self.stream is not None:
            self.stream.seek(0)
            yield self.stream
            return
        with open_part(self.path, self.member) as stream:
            yield stream


def open_part(container: str, member: str) -> BinaryIO:
    """Open a file on disk or in object storage, or a member of it by number and name.

    Raises:
        OSError: The file is gone or may not be read.
        Rejected: CHANGED, MISSING or DAMAGED, for a member.
    """
    if not member:
        return open_file(container)
    return io.BytesIO(member_bytes(container, [member])[member])


def member_bytes(container: str, keys: Iterable[str]) -> dict[str, bytes]:
    """Return the content of some members, read from their container in one pass; raises as `open_part`."""
    with open_file(container) as stream:
        kind = container_kind(stream)
        if kind is None:
            raise quarantined("CHANGED")
        return read_members(stream, kind, status(container)[0], keys)


def open_dicom(container: str, member: str) -> BinaryIO:
    """Open a DICOM file or member as `open_part` does, unpacked where it is gzipped."""
    return without_gzip(open_part(container, member))


def without_gzip(stream: BinaryIO) -> BinaryIO:
    """Return a stream at its start; one that is gzipped is closed and its content returned instead.

    Raises:
        Rejected: TRUNCATED, DAMAGED or BOMB.
    """
    if not is_gzip(stream):
        return stream
    with stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        return io.BytesIO(gunzip_whole(stream, size))
