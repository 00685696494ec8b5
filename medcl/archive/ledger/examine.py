"""The header stage: what one file is, without decoding its pixels. Runs in worker processes."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import BinaryIO

from medcl.archive import dicom
from medcl.archive.derived_maps import is_map_name
from medcl.archive.dicom import Attributes, DicomHeader, LabelHeader, read_label_header
from medcl.archive.flags import Rejected, State, dropped
from medcl.archive.formats.dataset_json import DatasetDescription, read_dataset
from medcl.archive.formats.refused import refusal, refusal_by_name
from medcl.archive.formats.registry import FORMATS_BY_NAME, SIGNATURES, ZIP_SUFFIXES, Format, find_format
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.sidecar import Sidecar, read_sidecar
from medcl.archive.label_evidence import (
    Verdict,
    judge_image,
    judge_volume,
    looks_like_labels,
)
from medcl.archive.patients import patient_identifier
from medcl.archive.privacy import pseudonym, silenced_loggers
from medcl.archive.storage.compression import gunzip_head
from medcl.archive.storage.containers import Member, container_kind, content, members
from medcl.archive.storage.links import is_annexed
from medcl.archive.storage.monotonous import is_monotonous
from medcl.archive.storage.open_file import SourceFile, without_gzip
from medcl.archive.storage.remote import open_file
from medcl.archive.storage.sniff import HEAD_BYTES, head_hash, sniff
from medcl.archive.storage.walk import Entry
from medcl.archive.storage.zip_kinds import zip_refusal


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """Result of examining one file, or one member of a zip or tar.

    Attributes:
        entry: The file on disk.
        member: Number and name in it, empty for the file itself; private.
        size: Length of the file or member in bytes.
        state: State in the ledger; that of a DICOM file may still change when series are grouped.
        code: Reason in the ledger when the file is not used.
        flags: Flags of the file's header.
        head: Hash of the first block.
        scans: Scans of a file of one of the registered formats.
        header: Header of a DICOM image.
        labels: Header of a DICOM object that holds labels.
        sidecar: Metadata of an image in a JSON file.
        dataset: Description of a data set in a JSON file.
        truncated_series: Series of a truncated DICOM slice; an identifier until it is pseudonymized.
        truncated_study: Study of that series; likewise.
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
    dataset: DatasetDescription | None = None
    truncated_series: str = field(default="", repr=False)
    truncated_study: str = field(default="", repr=False)

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
    """Return the outcome of a file and of its members; faults become ledger reasons, never exceptions."""
    blank = FileOutcome(entry, "", entry.size, "used")
    if entry.fault and not _stands_for_a_copy(entry):
        state: State = "quarantined" if entry.fault.startswith("UNREADABLE") else "dropped"
        return [replace(blank, state=state, code=entry.fault)]
    try:
        with open_file(entry.path) as stream:
            kind = container_kind(stream, SIGNATURES, ZIP_SUFFIXES)
            if kind == "zip" and (code := zip_refusal(stream, entry.path, entry.size)) is not None:
                return [replace(blank, state="dropped", code=code)]
            if kind is not None:
                return _examine_container(blank, stream, kind)
            return [examine_stream(blank, stream)]
    except OSError:
        return [replace(blank, state="quarantined", code="UNREADABLE")]


def _stands_for_a_copy(entry: Entry) -> bool:
    """Return whether a further link to one content says something of its own by its name and folder.

    Git-annex keeps equal files once: the sidecars, headers and empty masks of two subjects are one object.
    """
    is_metadata = re.search(r"\.(json|n?hdr|mhd)$", entry.path, re.IGNORECASE) is not None
    return (
        entry.fault == "LINK_REPEATED"
        and (is_metadata or looks_like_labels(entry.key))
        and is_annexed(entry.path)
    )


def _examine_container(blank: FileOutcome, stream: BinaryIO, kind: str) -> list[FileOutcome]:
    """Return the outcome of a container followed by those of its members."""
    blank = replace(blank, head=head_hash(stream.read(HEAD_BYTES)))
    stream.seek(0)
    outcomes: list[FileOutcome] = []
    try:
        for member in members(stream, kind, blank.size):
            outcomes.append(_examine_member(blank, member))
    except Rejected as verdict:
        blank = replace(blank, state=verdict.state, code=verdict.code)
    if not any(outcome.state == "used" for outcome in outcomes) and not blank.code:
        methods = {outcome.code for outcome in outcomes} & {"DEFLATE64", "ZIP_METHOD"}
        code = min(methods, default="CONTAINER_EMPTY")
        blank = replace(blank, state="dropped", code=code)
    return [blank, *outcomes]


def _examine_member(container: FileOutcome, member: Member) -> FileOutcome:
    blank = replace(container, member=member.key, size=member.size)
    try:
        if member.fault is not None:
            raise member.fault
        stream = io.BytesIO(content(member))
        kind = container_kind(stream, SIGNATURES, ZIP_SUFFIXES)
        if kind == "zip" and (code := zip_refusal(stream, member.name, member.size)) is not None:
            raise dropped(code)
        if kind is not None:
            raise dropped("CONTAINER_NESTED")
    except Rejected as verdict:
        return replace(blank, state=verdict.state, code=verdict.code)
    return examine_stream(blank, stream)


def examine_stream(blank: FileOutcome, stream: BinaryIO) -> FileOutcome:
    """Return `blank` filled in from the content of its file."""
    head = stream.read(HEAD_BYTES)
    blank = replace(blank, head=head_hash(head))
    stream.seek(0)
    try:
        return _examine_content(blank, stream, head)
    except Rejected as verdict:
        return replace(blank, state=verdict.state, code=verdict.code, flags=verdict.flags)
    except OSError:
        return replace(blank, state="quarantined", code="UNREADABLE")
    except Exception:  # one malformed file, in whatever way, must never end the run of a million
        return replace(blank, state="quarantined", code="BAD_HEADER")


def _examine_content(blank: FileOutcome, stream: BinaryIO, head: bytes) -> FileOutcome:
    kind = sniff(head, SIGNATURES)
    if kind == "dicom":
        return _examine_dicom(blank, stream)
    if kind not in FORMATS_BY_NAME and (code := refusal(head, blank.place)) is not None:
        raise dropped(code)
    if kind == "gzip":
        kind = f"gzip-{sniff(gunzip_head(stream, HEAD_BYTES), SIGNATURES)}"
        stream.seek(0)
    if kind in ("maybe-dicom", "gzip-dicom", "gzip-maybe-dicom"):
        return _examine_maybe_dicom(blank, stream)
    if kind == "text" and (dataset := read_dataset(stream, blank.size, blank.place)) is not None:
        return replace(blank, state="dropped", code="DATASET_JSON", dataset=dataset)
    if kind == "text" and (metadata := read_sidecar(stream, blank.size)) is not None:
        return replace(blank, state="dropped", code="SIDECAR", sidecar=metadata)
    file_format = _format(kind, stream, blank.place)
    follow_links = blank.entry.root.follow_links
    file = SourceFile(blank.entry.path, blank.member, blank.size, blank.entry.mtime_ns, stream, follow_links)
    scans = file_format.inspect(file)
    verdict: str = _label_verdict(file_format, file, blank.place, scans)
    if not verdict and is_map_name(blank.place, scans[0].kind == "volume"):
        verdict = "DERIVED"
    if verdict:
        scans = [replace(scan, flags=tuple(sorted({*scan.flags, verdict}))) for scan in scans]
    return replace(blank, scans=tuple(scans), flags=tuple(sorted({f for scan in scans for f in scan.flags})))


def _label_verdict(file_format: Format, file: SourceFile, place: str, scans: Sequence[ScanInfo]) -> Verdict:
    """Return what a file of volumes, or of one image, is by its name and values."""
    is_volume = scans[0].kind == "volume"
    if not is_volume and (len(scans) > 1 or scans[0].part):
        return ""
    if not looks_like_labels(place):
        if "LOSSY" in scans[0].flags:  # compressed values are never few
            return ""
        with file.open() as stream:
            likely = len(scans) == 1 and is_monotonous(stream, file.size, prod(scans[0].shape))
        if not likely:
            return ""
    judge = judge_volume if is_volume else judge_image
    verdicts: set[Verdict] = set()
    for scan in scans:
        verdicts.add(judge(file_format.load(file, scan.part).array, place))
        if len(verdicts) > 1 or "" in verdicts:
            return ""
    return verdicts.pop()


def _examine_maybe_dicom(blank: FileOutcome, stream: BinaryIO) -> FileOutcome:
    """Examine DICOM that is gzipped or lacks its preamble, or what only looks like it."""
    content = without_gzip(stream)
    size = blank.size if content is stream else content.seek(0, io.SEEK_END)
    content.seek(0)
    try:
        # The ledger states the size on disk; the header is checked against that of the content.
        return replace(_examine_dicom(replace(blank, size=size), content), size=blank.size)
    except Rejected as verdict:
        if verdict.code != "UNKNOWN_FORMAT":
            raise
        raise dropped(refusal_by_name(blank.place) or verdict.code) from None


def _examine_dicom(blank: FileOutcome, stream: BinaryIO) -> FileOutcome:
    try:
        header = dicom.read_header(stream, blank.size)
    except Rejected as verdict:
        labels = read_label_header(stream) if verdict.code in ("SEG", "NO_PIXELS") else None
        if labels is not None:
            return replace(blank, labels=labels)
        if verdict.code != "TRUNCATED":
            raise
        return replace(
            blank,
            state=verdict.state,
            code=verdict.code,
            truncated_series=verdict.series,
            truncated_study=verdict.study,
        )
    if header is None:
        raise dropped("UNKNOWN_FORMAT")
    return replace(blank, header=header)


def pseudonymized(outcome: FileOutcome) -> FileOutcome:
    """Return an outcome with pseudonyms in place of identifiers and free text, which only serve as keys.

    The SOP instance UID stays: it distinguishes the files of a scan when they are read. The process that has
    the key does this; the workers, which may be on other machines, have none.
    """
    if outcome.header is not None:
        shared = _pseudonymized_attributes(outcome.header.shared, os.environ.get("MEDCL_HOME"))
        return replace(outcome, header=replace(outcome.header, shared=shared))
    if outcome.truncated_series:
        return replace(
            outcome,
            truncated_series=_pseudonym_or_empty("series", outcome.truncated_series),
            truncated_study=_pseudonym_or_empty("study", outcome.truncated_study),
        )
    if outcome.labels is not None:
        series = tuple(sorted(_pseudonym_or_empty("series", uid) for uid in outcome.labels.series))
        return replace(outcome, labels=replace(outcome.labels, series=series))
    return outcome


@lru_cache(maxsize=256)
def _pseudonymized_attributes(shared: Attributes, home: str | None) -> Attributes:
    """Return the shared part of a header under pseudonyms; another `home` has another key."""
    return replace(
        shared,
        patient_id=_pseudonym_or_empty("patient", patient_identifier(shared.patient_id)),
        study_uid=_pseudonym_or_empty("study", shared.study_uid),
        series_uid=_pseudonym_or_empty("series", shared.series_uid),
        frame_of_reference=_pseudonym_or_empty("space", shared.frame_of_reference),
        concatenation=_pseudonym_or_empty("concatenation", shared.concatenation),
        site=_pseudonym_or_empty("site", shared.site),
        contrast=_pseudonym_or_empty("text", shared.contrast),
        kernel=_pseudonym_or_empty("text", shared.kernel),
        sequence=_pseudonym_or_empty("text", shared.sequence),
        filter=_pseudonym_or_empty("text", shared.filter),
        protocol=_pseudonym_or_empty("text", shared.protocol),
    )


def _pseudonym_or_empty(kind: str, value: str) -> str:
    value = value.strip()
    return pseudonym(kind, value) if value else ""


def _format(kind: str, stream: BinaryIO, name: str) -> Format:
    """Return the format of a file, or raise the reason for which it cannot be read."""
    file_format = find_format(kind, stream)
    if file_format is not None:
        return file_format
    raise dropped(_DROPPED.get(kind) or refusal_by_name(name) or "UNKNOWN_FORMAT")


_DROPPED = {
    "empty": "EMPTY_FILE",
    "text": "NOT_AN_IMAGE",
    "other-archive": "UNSUPPORTED_ARCHIVE",
}
