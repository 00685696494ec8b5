"""The header stage: what one file is, without decoding its pixels. Runs in worker processes."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import BinaryIO

from medcl.archive import dicom
from medcl.archive.dicom.header.model import Attributes, DicomHeader
from medcl.archive.dicom.labels.rtstruct import LabelHeader, describe
from medcl.archive.flags import Rejected, State, dropped, quarantined
from medcl.archive.formats.registry import SIGNATURES, ZIP_SUFFIXES, Format, find_format
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.sidecar import Sidecar, sidecar
from medcl.archive.masks import is_label_map, looks_like_labels
from medcl.archive.privacy import pseudonym, silenced_loggers
from medcl.archive.storage.compression import gunzip_head
from medcl.archive.storage.containers import Member, container_kind, content, members
from medcl.archive.storage.open_file import SourceFile
from medcl.archive.storage.remote import open_file
from medcl.archive.storage.sniff import HEAD_BYTES, head_hash, sniff
from medcl.archive.storage.walk import Entry


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file, or of one member of a zip or tar.

    Attributes:
        entry: the file on disk.
        member: number and name inside it, empty for the file itself; private.
        size: bytes of the file or member.
        state: ledger state so far; DICOM may still change it when series are put together.
        code: ledger reason when it is not used.
        flags: seen in the header.
        head: hash of the first block.
        scans: for NIfTI, pictures and npz.
        header: for DICOM images.
        labels: for DICOM objects that hold labels.
        sidecar: for JSON files that describe an image.
        lacking: series of a slice that is cut off; raw until it is veiled.
    """

    entry: Entry
    member: str = field(repr=False)
    size: int
    state: State
    code: str = ""
    flags: tuple[str, ...] = ()
    head: str = ""
    scans: tuple[ScanInfo, ...] = ()
    header: DicomHeader | None = None
    labels: LabelHeader | None = None
    sidecar: Sidecar | None = None
    lacking: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """The value behind the pseudonym of the file; private."""
        return f"{self.entry.key}!{self.member}" if self.member else self.entry.key

    @property
    def place(self) -> str:
        """Root name and path, going on inside a container as if it were a folder; private."""
        name = self.member.partition(":")[2]
        return f"{self.entry.key}/{name}" if name else self.entry.key


def examine_all(entries: Sequence[Entry]) -> list[list[FileOutcome]]:
    """Examine a batch of files, quietly."""
    with silenced_loggers():
        return [examine(entry) for entry in entries]


def crashed(entry: Entry) -> FileOutcome:
    """Return the outcome of a file that ended every process which opened it."""
    return FileOutcome(entry, "", entry.size, "quarantined", "CRASHED")


def examine(entry: Entry) -> list[FileOutcome]:
    """Return what one file holds; whatever is wrong with it becomes its ledger reason, never an exception."""
    blank = FileOutcome(entry, "", entry.size, "used")
    if entry.fault:
        state: State = "dropped" if entry.fault in ("SYMLINK", "SPECIAL_FILE") else "quarantined"
        return [replace(blank, state=state, code=entry.fault)]
    try:
        with open_file(entry.path) as stream:
            kind = container_kind(stream, SIGNATURES, ZIP_SUFFIXES)
            if kind is not None:
                return _contained(blank, stream, kind)
            return [judged(blank, stream)]
    except OSError:
        return [replace(blank, state="quarantined", code="UNREADABLE")]


def _contained(blank: FileOutcome, stream: BinaryIO, kind: str) -> list[FileOutcome]:
    """Return the outcome of a container, then those of its members."""
    blank = replace(blank, head=head_hash(stream.read(HEAD_BYTES)))
    stream.seek(0)
    outcomes: list[FileOutcome] = []
    try:
        for member in members(stream, kind, blank.size):
            outcomes.append(_member(blank, member))
    except Rejected as verdict:
        blank = replace(blank, state=verdict.state, code=verdict.code)
    if not any(outcome.state == "used" for outcome in outcomes) and not blank.code:
        blank = replace(blank, state="dropped", code="CONTAINER_EMPTY")
    return [blank, *outcomes]


def _member(container: FileOutcome, member: Member) -> FileOutcome:
    blank = replace(container, member=member.key, size=member.size)
    try:
        if member.fault is not None:
            raise member.fault
        stream = io.BytesIO(content(member))
        if container_kind(stream, SIGNATURES, ZIP_SUFFIXES) is not None:
            raise dropped("CONTAINER_NESTED")
    except Rejected as verdict:
        return replace(blank, state=verdict.state, code=verdict.code)
    return judged(blank, stream)


def judged(blank: FileOutcome, stream: BinaryIO) -> FileOutcome:
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


def _content(blank: FileOutcome, stream: BinaryIO, head: bytes) -> FileOutcome:
    kind = sniff(head, SIGNATURES)
    if kind in ("dicom", "maybe-dicom"):
        return _dicom(blank, stream)
    if kind == "gzip":
        kind = f"gzip-{sniff(gunzip_head(stream, HEAD_BYTES), SIGNATURES)}"
        stream.seek(0)
    if kind == "text" and (described := sidecar(stream, blank.size)) is not None:
        return replace(blank, state="dropped", code="SIDECAR", sidecar=described)
    file_format = _format(kind, stream)
    file = SourceFile(blank.entry.path, blank.member, blank.size, blank.entry.mtime_ns, stream)
    scans = file_format.inspect(file)
    if [scan.part for scan in scans if scan.kind == "volume"] == [""] and (
        looks_like_labels(blank.place) and is_label_map(file_format.load(file, "").array)
    ):
        scans = [replace(scans[0], flags=tuple(sorted({*scans[0].flags, "LABEL_MAP"})))]
    return replace(blank, scans=tuple(scans), flags=tuple(sorted({f for scan in scans for f in scan.flags})))


def _dicom(blank: FileOutcome, stream: BinaryIO) -> FileOutcome:
    try:
        header = dicom.read_header(stream, blank.size)
    except Rejected as verdict:
        labels = describe(stream) if verdict.code in ("SEG", "NO_PIXELS") else None
        if labels is not None:
            return replace(blank, labels=labels)
        if verdict.code != "TRUNCATED":
            raise
        return replace(blank, state=verdict.state, code=verdict.code, lacking=verdict.series)
    if header is None:
        raise dropped("UNKNOWN_FORMAT")
    return replace(blank, header=header)


def veiled(outcome: FileOutcome) -> FileOutcome:
    """Return an outcome with pseudonyms in place of identifiers and free text, which only serve as keys.

    The SOP instance UID stays: with it a scan's files are told apart again when they are read. The process
    that has the key does this; the workers, which may be other machines, have none.
    """
    if outcome.header is not None:
        shared = _veiled(outcome.header.shared, os.environ.get("MEDCL_HOME"))
        return replace(outcome, header=replace(outcome.header, shared=shared))
    if outcome.lacking:
        return replace(outcome, lacking=_veil("series", outcome.lacking))
    if outcome.labels is not None:
        series = tuple(sorted(_veil("series", uid) for uid in outcome.labels.series))
        return replace(outcome, labels=replace(outcome.labels, series=series))
    return outcome


@lru_cache(maxsize=256)
def _veiled(shared: Attributes, home: str | None) -> Attributes:
    """Return the shared part of a header under pseudonyms; another `home` has another key."""
    return replace(
        shared,
        patient_id=_veil("patient", shared.patient_id),
        study_uid=_veil("study", shared.study_uid),
        series_uid=_veil("series", shared.series_uid),
        frame_of_reference=_veil("space", shared.frame_of_reference),
        concatenation=_veil("concatenation", shared.concatenation),
        site=_veil("site", shared.site),
        contrast=_veil("text", shared.contrast),
        kernel=_veil("text", shared.kernel),
    )


def _veil(kind: str, value: str) -> str:
    value = value.strip()
    return pseudonym(kind, value) if value else ""


def _format(kind: str, stream: BinaryIO) -> Format:
    """Return the format of a file, or raise the reason for which it cannot be read."""
    file_format = find_format(kind, stream)
    if file_format is not None:
        return file_format
    if kind in ("analyze", "gzip-analyze"):
        raise quarantined("ANALYZE")
    raise dropped(_DROPPED.get(kind, "UNKNOWN_FORMAT"))


_DROPPED = {
    "empty": "EMPTY_FILE",
    "text": "NOT_AN_IMAGE",
    "other-image": "UNSUPPORTED_FORMAT",
    "other-archive": "UNSUPPORTED_ARCHIVE",
}
