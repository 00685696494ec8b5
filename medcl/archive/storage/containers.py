"""Zip and tar files read member by member, without unpacking anything onto a disk.

The name of a member is only a key: it is never joined to a path. Containers that claim to unpack to absurd
sizes are refused by their directory, before anything is unpacked.
"""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from medcl.archive.flags import Rejected, dropped, quarantined
from medcl.archive.limits import is_bomb
from medcl.archive.storage.compression import gunzip_head
from medcl.archive.storage.sniff import HEAD_BYTES, Signature, sniff

MAX_MEMBER_BYTES = 1 << 30
MAX_TOTAL_RATIO = 1000
MAX_HEADER_BYTES = 1 << 20
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
DEFLATE64 = 9
"""Method of Windows Explorer for members above 2 GiB."""

EXTENDED = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
    | {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)


@dataclass(frozen=True)
class Member:
    """One file in a zip or tar.

    Attributes:
        number: Position in the container, by which it is found again.
        name: Name in the container; private.
        size: Unpacked length in bytes, as the container states it.
        fault: Reason for which it may not be read, or None.
        read: Function that returns its content.
    """

    number: int
    name: str
    size: int
    fault: Rejected | None
    read: Callable[[], bytes]

    @property
    def key(self) -> str:
        """Number and name: unique in the container even where names repeat."""
        return f"{self.number}:{self.name}"


def members(stream: BinaryIO, kind: str, size: int) -> Iterator[Member]:
    """Yield the files of a container.

    Args:
        stream: The container at its start; it must stay open while members are read.
        kind: `zip`, `tar` or `gzip-tar`.
        size: Length of the container in bytes.

    Raises:
        Rejected: DAMAGED, or BOMB for the container as a whole.
    """
    try:
        total = 0
        for member in _zip(stream) if kind == "zip" else _tar(stream, kind, size):
            total += member.size if member.fault is None else 0
            if total > MAX_TOTAL_RATIO * size and is_bomb(total, size):
                raise quarantined("BOMB")
            yield member
    except Rejected:
        raise
    except Exception:  # zipfile and tarfile raise a dozen kinds on malformed files, IndexError among them
        raise quarantined("DAMAGED") from None


def read_members(stream: BinaryIO, kind: str, size: int, keys: Iterable[str]) -> dict[str, bytes]:
    """Return the content of some members by key, read in the container's order.

    Raises:
        Rejected: As `members`; MISSING when there is no such key.
    """
    wanted_keys = set(keys)
    contents = {}
    for member in members(stream, kind, size):
        if member.key in wanted_keys:
            if member.fault is not None:
                raise member.fault
            contents[member.key] = content(member)
            if len(contents) == len(wanted_keys):
                return contents
    raise quarantined("MISSING")


def content(member: Member) -> bytes:
    """Return a member's bytes.

    Raises:
        Rejected: DAMAGED, TRUNCATED, or BOMB when it is longer than it claims.
    """
    try:
        unpacked = member.read()
    except Exception:  # as in `members`
        raise quarantined("DAMAGED") from None
    if len(unpacked) != member.size:
        raise quarantined("TRUNCATED" if len(unpacked) < member.size else "BOMB")
    return unpacked


def _zip(stream: BinaryIO) -> Iterator[Member]:
    archive = zipfile.ZipFile(stream)
    for number, info in enumerate(archive.infolist()):
        if info.is_dir():
            continue
        fault = _fault(info.filename, info.file_size, info.compress_size)
        if info.compress_type not in METHODS:
            fault = quarantined("DEFLATE64" if info.compress_type == DEFLATE64 else "ZIP_METHOD")
        if info.flag_bits & 0x1:
            fault = quarantined("ENCRYPTED")
        if stat.S_ISLNK(info.external_attr >> 16):
            fault = dropped("LINK_IN_CONTAINER")
        yield Member(number, info.filename, info.file_size, fault, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with archive.open(info) as member:
            return member.read(info.file_size + 1)

    return read


class _Header(tarfile.TarInfo):
    """A tar header; long names and extensions of absurd size, which tarfile reads whole, are refused."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:  # made to be overridden
        if self.type in EXTENDED and self.size > MAX_HEADER_BYTES:
            raise quarantined("BOMB")
        proceed: Callable[[tarfile.TarFile], tarfile.TarInfo] = super()._proc_member  # type: ignore[misc]
        return proceed(archive)


def _tar(stream: BinaryIO, kind: str, size: int) -> Iterator[Member]:
    archive = tarfile.open(  # noqa: SIM115
        fileobj=stream, mode="r:gz" if kind == "gzip-tar" else "r:", tarinfo=_Header
    )
    number = 0
    while (info := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # a million members would be kept
        number += 1
        if info.isdir():
            continue
        if not info.isfile():
            is_link = info.issym() or info.islnk()
            fault: Rejected | None = dropped("LINK_IN_CONTAINER" if is_link else "SPECIAL_FILE")
        else:
            fault = _fault(info.name, info.size, size)
        yield Member(number, info.name, info.size if info.isfile() else 0, fault, _tar_reader(archive, info))
        if fault is not None and fault.code in ("BOMB", "TOO_LARGE"):
            raise quarantined("BOMB")  # to reach the next member, all of this one would be unpacked


def _tar_reader(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        member = archive.extractfile(info)
        return member.read(info.size + 1) if member is not None else b""

    return read


def _fault(name: str, size: int, packed: int) -> Rejected | None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or name[1:2] == ":":
        return quarantined("PATH_UNSAFE")
    if is_bomb(size, packed):
        return quarantined("BOMB")
    if size > MAX_MEMBER_BYTES:
        return quarantined("TOO_LARGE")
    return None


def container_kind(
    stream: BinaryIO, signatures: Iterable[Signature] = (), zip_suffixes: Iterable[str] = ()
) -> str | None:
    """Return `zip`, `tar` or `gzip-tar` if a file is a container of files, and rewind it.

    Args:
        stream: The file at its start.
        signatures: Signatures of formats, whose files are no containers.
        zip_suffixes: Suffixes of the members of formats that are zip files, which are no containers either.
    """
    signatures = tuple(signatures)
    head = stream.read(HEAD_BYTES)
    kind = sniff(head, signatures)
    if kind == "gzip":
        try:
            kind = f"gzip-{sniff(gunzip_head(io.BytesIO(head), 512), signatures)}"
        except Rejected:
            kind = "gzip"
    if kind == "zip" and zip_suffix(stream, zip_suffixes) is not None:
        kind = "format"
    stream.seek(0)
    return kind if kind in ("zip", "tar", "gzip-tar") else None


def zip_suffix(stream: BinaryIO, suffixes: Iterable[str]) -> str | None:
    """Return the one of `suffixes` that all members of a zip file have, or None; rewind the stream."""
    try:
        with zipfile.ZipFile(stream) as archive:
            names = archive.namelist()
    except Exception:  # zipfile raises a dozen kinds on malformed files
        names = []
    stream.seek(0)
    for suffix in suffixes:
        if names and all(name.endswith(suffix) for name in names):
            return suffix
    return None
