"""The header stage: what one file is, without decoding its pixels. Runs in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from medcl.archive import images, nifti, npz
from medcl.archive.compression import gunzip_head
from medcl.archive.flags import Rejected, State, dropped, quarantined
from medcl.archive.found import Found
from medcl.archive.privacy import hushed
from medcl.archive.sources import HEAD_BYTES, Entry, head_hash, sniff

if TYPE_CHECKING:
    from medcl.archive.dicom import DicomHeader


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file, or of one member of a zip or tar.

    Attributes:
        entry: the file on disk.
        member: name inside it, empty for the file itself; private.
        size: bytes of the file or member.
        state: ledger state so far; DICOM may still change it when series are put together.
        code: ledger reason when it is not used.
        flags: seen in the header.
        head: hash of the first block.
        scans: for NIfTI, pictures and npz.
        header: for DICOM.
    """

    entry: Entry
    member: str
    size: int
    state: State
    code: str = ""
    flags: tuple[str, ...] = ()
    head: str = ""
    scans: tuple[Found, ...] = ()
    header: DicomHeader | None = None

    @property
    def key(self) -> str:
        """The value behind the pseudonym of the file; private."""
        return f"{self.entry.key}!{self.member}" if self.member else self.entry.key


def examine_all(entries: Sequence[Entry]) -> list[Outcome]:
    """Examine a batch of files, quietly."""
    with hushed():
        return [outcome for entry in entries for outcome in examine(entry)]


def examine(entry: Entry) -> list[Outcome]:
    """Return what one file holds; whatever is wrong with it becomes its ledger reason, never an exception."""
    blank = Outcome(entry, "", entry.size, "used")
    if entry.fault:
        state: State = "dropped" if entry.fault in ("SYMLINK", "SPECIAL_FILE") else "quarantined"
        return [replace(blank, state=state, code=entry.fault)]
    try:
        with open(entry.path, "rb") as stream:
            return [judged(blank, stream)]
    except OSError:
        return [replace(blank, state="quarantined", code="UNREADABLE")]


def judged(blank: Outcome, stream: BinaryIO) -> Outcome:
    """Fill in `blank` from the content of its file."""
    head = stream.read(HEAD_BYTES)
    blank = replace(blank, head=head_hash(head))
    stream.seek(0)
    try:
        return _content(blank, stream, head)
    except Rejected as verdict:
        return replace(blank, state=verdict.state, code=verdict.code, flags=verdict.flags)
    except OSError:
        return replace(blank, state="quarantined", code="UNREADABLE")
    except Exception:  # one malformed file, in whatever way, must never end the run of a million
        return replace(blank, state="quarantined", code="BAD_HEADER")


def _content(blank: Outcome, stream: BinaryIO, head: bytes) -> Outcome:
    kind = sniff(head)
    if kind in ("dicom", "maybe-dicom"):
        try:
            from medcl.archive import dicom
        except ImportError:
            raise dropped("UNSUPPORTED_FORMAT") from None
        header = dicom.read_header(stream, blank.size)
        if header is None:
            raise dropped("UNKNOWN_FORMAT")
        return replace(blank, header=header)
    if kind == "gzip":
        kind = f"gzip-{sniff(gunzip_head(stream, HEAD_BYTES))}"
        stream.seek(0)
    found = _scans(kind, stream, blank.size)
    return replace(blank, scans=tuple(found), flags=tuple(sorted({f for scan in found for f in scan.flags})))


def _scans(kind: str, stream: BinaryIO, size: int) -> list[Found]:
    if kind in ("nifti", "gzip-nifti"):
        return nifti.inspect(stream, size, zipped=kind == "gzip-nifti")
    if kind in ("png", "jpeg"):
        return images.inspect(stream, size)
    if kind == "zip" and npz.is_npz(stream):
        stream.seek(0)
        return npz.inspect(stream)
    if kind in ("analyze", "gzip-analyze"):
        raise quarantined("ANALYZE")
    raise dropped(
        {"empty": "EMPTY_FILE", "text": "NOT_AN_IMAGE", "other-image": "UNSUPPORTED_FORMAT"}.get(
            kind, "UNKNOWN_FORMAT"
        )
    )
