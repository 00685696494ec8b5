"""Rows of the catalog from outcomes of files: groups series, holds back flagged scans, gives pseudonyms."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from medcl.archive import dicom
from medcl.archive.dicom import PixelSums, Stack
from medcl.archive.flags import explain, held_back
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.sidecar import Sidecar
from medcl.archive.ledger.datasets import flagged
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.mask_rows import add_masks, grids, is_mask
from medcl.archive.ledger.metadata_files import Metadata, is_metadata
from medcl.archive.ledger.tables import ScanRow, Tables
from medcl.archive.mask_grid import FileGrid
from medcl.archive.patients import (
    LAYOUTS,
    BidsOriginals,
    Evidence,
    Patient,
    is_derivative,
    matched_patient,
    patient_of_path,
)
from medcl.archive.privacy import pseudonym
from medcl.archive.storage.links import link_target
from medcl.archive.storage.open_file import open_dicom

Pattern = re.Pattern[str] | None

DATA_SETS: frozenset[Evidence] = frozenset({"BIDS", "nnU-Net", "Decathlon"})
"""Layouts that are sure enough to name the patient of a file outside of the archive."""

UNMASKED = frozenset({"DERIVED", "PROBABILITY_MAP"})
"""Scans with one of these flags are not what a mask was drawn on."""


def gather(
    groups: Iterable[Sequence[FileOutcome]],
    metadata_files: Callable[[], Iterable[FileOutcome]],
    accept: str,
    pattern: Pattern = None,
) -> Tables:
    """Return the rows of catalog, ledger and locator.

    Args:
        groups: Outcomes of files; the files of a study are in one group.
        metadata_files: Gives the outcomes of sidecars and descriptions of data sets, which `groups` has, too.
        accept: Which flagged scans are used: `strict`, `default` or `lenient`.
        pattern: Pattern of the user for the patient in a path.
    """
    tables, metadata, originals = Tables(), Metadata(metadata_files()), BidsOriginals()
    masks: list[FileOutcome] = []
    derivatives: list[FileOutcome] = []
    images: list[FileGrid] = []
    for outcomes in groups:
        outcomes_by_file, scan_by_file = _add_stacks(outcomes, accept, tables, pattern, originals)
        for number, plain in enumerate(outcomes):
            outcome = metadata.described(plain)
            if is_metadata(outcome):
                continue
            if is_mask(outcome):
                masks.append(outcome)
            elif outcome.header is not None:
                tables.add_file(outcomes_by_file[number], scan_by_file.get(number))
            elif not outcome.scans:
                tables.add_file(outcome, None)
            elif is_derivative(outcome.place):
                derivatives.append(outcome)
            else:
                originals.add(outcome.place)
                images += _add_single(outcome, accept, tables, pattern)
    for outcome in derivatives:
        repeated = flagged(outcome, "DERIVED") if originals.has(outcome.place) else outcome
        images += _add_single(repeated, accept, tables, pattern)
    add_masks(
        masks,
        images,
        metadata.images_of_label,
        tables,
        lambda mask: _add_single(mask, accept, tables, pattern),
    )
    for outcome in metadata_files():
        tables.add_file(metadata.judged(outcome), None)
    return tables


def _add_stacks(
    outcomes: Sequence[FileOutcome],
    accept: str,
    tables: Tables,
    pattern: Pattern,
    originals: BidsOriginals,
) -> tuple[dict[int, FileOutcome], dict[int, str | None]]:
    """Group DICOM files into scans and add these.

    Returns:
        The final outcome of each DICOM file, and the scan of each that is in one scan alone, both by number.
    """
    headers = [(number, o.header) for number, o in enumerate(outcomes) if o.header is not None]
    tables.missing_decoders(dicom.missing_decoders(header for _, header in headers))
    sums = PixelSums(lambda n: open_dicom(outcomes[n].entry.path, outcomes[n].member))
    stacks, verdicts = dicom.group(headers, sums)
    stacks = _flag_truncated(stacks, {outcome.truncated_series for outcome in outcomes})
    outcomes_by_file = {n: replace(outcomes[n], state="quarantined", code="BAD_HEADER") for n, _ in headers}
    for number, (state, reason) in verdicts.items():
        outcomes_by_file[number] = replace(outcomes[number], state=state, code=reason)
    scan_by_file: dict[int, str | None] = {}
    for stack in stacks:
        code = held_back(stack.flags, accept)
        place = outcomes[stack.files[0]].place
        originals.add(place)
        row = _stack_row(stack, place, pattern)
        for number in stack.files:
            flags = tuple(sorted({*outcomes_by_file[number].flags, *stack.flags}))
            if code is None:
                outcomes_by_file[number] = replace(
                    outcomes_by_file[number], state="used", code="", flags=flags
                )
                scan_by_file[number] = None if number in scan_by_file else row.scan
            elif number not in scan_by_file:
                outcomes_by_file[number] = replace(
                    outcomes_by_file[number], state="quarantined", code=code, flags=flags
                )
        if code is None:
            part = json.dumps({"frames": stack.frames, "key": stack.stack_key})
            tables.add_scan(row, [(outcomes[n], part, order) for order, n in enumerate(stack.files)])
    return outcomes_by_file, scan_by_file


def _flag_truncated(stacks: Sequence[Stack], truncated_series: set[str]) -> list[Stack]:
    """Return stacks, with TRUNCATED_SLICE on the volumes of series that have truncated slices."""
    truncated_series = truncated_series - {""}
    return [
        replace(stack, flags=tuple(sorted({*stack.flags, "TRUNCATED_SLICE"})))
        if stack.kind == "volume" and stack.series_uid in truncated_series
        else stack
        for stack in stacks
    ]


def _stack_row(stack: Stack, place: str, pattern: Pattern) -> ScanRow:
    """Return the catalog row of a DICOM stack, whose identifiers are pseudonyms already."""
    study, series = stack.study_uid, stack.series_uid
    patient, evidence = _patient_of_stack(stack, place, pattern)
    return ScanRow(
        scan=pseudonym("scan", f"{stack.patient_id}|{study}|{series}|{stack.stack_key}"),
        patient=patient,
        patient_evidence=evidence,
        study=study or None,
        series=series or None,
        site=stack.site or None,
        modality=stack.modality,
        kind=stack.kind,
        body_part=stack.body_part,
        manufacturer=stack.manufacturer,
        shape=tuple(stack.shape),
        spacing_mm=None if stack.spacing_mm is None else tuple(stack.spacing_mm),
        unit=stack.unit,
        source="dicom",
        n_files=len(stack.files),
        flags=_with_evidence(stack.flags, evidence),
    )


def _add_single(outcome: FileOutcome, accept: str, tables: Tables, pattern: Pattern) -> list[FileGrid]:
    """Add the scans of a file that `accept` lets through, and the file, which is used when there are any.

    Returns:
        The grids with which masks are paired.
    """
    passed = [info for info in outcome.scans if held_back(info.flags, accept) is None]
    if not passed:
        code = held_back(outcome.scans[0].flags, accept) or ""
        tables.add_file(replace(outcome, state="quarantined", code=code), None)
        for data in _data_files(outcome, outcome.scans[0]):
            tables.add_data_file(data, None)
        return []
    rows = [_row(outcome, info, pattern) for info in passed]
    for order, (row, info) in enumerate(zip(rows, passed, strict=True)):
        places = [(file, "", order + 1) for file in _data_files(outcome, info)]
        tables.add_scan(row, [(outcome, info.part, order), *places])
    scan = rows[0].scan if len(rows) == 1 else None
    tables.add_file(outcome, scan)
    for file in _data_files(outcome, passed[0]):
        tables.add_data_file(file, scan)
    return [] if UNMASKED & set(outcome.flags) else grids(outcome, passed)


def _data_files(outcome: FileOutcome, info: ScanInfo) -> list[FileOutcome]:
    """Return the file of the voxels of a header that is a file of its own, else nothing."""
    if info.data is None:
        return []
    entry = replace(outcome.entry, path=info.data.path, size=info.data.size, mtime_ns=info.data.mtime_ns)
    return [FileOutcome(entry, info.data.member, info.data.size, "dropped", "DATA_FILE", head=info.data.head)]


def _row(outcome: FileOutcome, info: ScanInfo, pattern: Pattern) -> ScanRow:
    """Return the catalog row of one scan in a file."""
    # The scans of one file are of one patient, but those of an npz with splits need not be.
    part = info.part if info.source_split is not None else ""
    patient, evidence = _patient_of_file(outcome, part, pattern)
    row = ScanRow(
        scan=pseudonym("scan", f"{outcome.key}|{info.part}"),
        patient=patient,
        patient_evidence=evidence,
        series=pseudonym("series", outcome.key) if info.kind == "volume" else None,
        kind=info.kind,
        shape=info.shape,
        spacing_mm=info.spacing_mm,
        unit=info.unit,
        source=info.source,
        source_split=info.source_split,
        source_label=info.source_label,
        n_files=1 if info.data is None else 2,
        flags=_with_evidence(info.flags, evidence),
    )
    return row if outcome.sidecar is None else _with_sidecar(row, outcome.sidecar)


def _with_sidecar(row: ScanRow, sidecar: Sidecar) -> ScanRow:
    """Return a row with the metadata of the file's sidecar; whether a CT is in HU is seen when it is read."""
    return replace(
        row,
        modality=sidecar.modality,
        body_part=sidecar.body_part,
        manufacturer=sidecar.manufacturer,
        flags=tuple(sorted({*row.flags, "SIDECAR_USED"})),
    )


def _patient_of_stack(stack: Stack, place: str, pattern: Pattern) -> tuple[str, Evidence]:
    """Return the pseudonym of a stack's patient by pattern, PatientID or path, else by its study."""
    if (matched := matched_patient(pattern, place)) is not None:
        return pseudonym("patient", matched.value), matched.evidence
    if stack.patient_id:
        return stack.patient_id, "PatientID"
    if (named := patient_of_path(place)) is not None:
        return pseudonym("patient", named.value), named.evidence
    return pseudonym(
        "patient", stack.study_uid or stack.series_uid
    ), "study" if stack.study_uid else "unknown"


def _patient_of_file(outcome: FileOutcome, part: str, pattern: Pattern) -> tuple[str, Evidence]:
    """Return the pseudonym of the patient of a file, or of one image of a file that holds many patients."""
    named = None if part else patient_of_path(outcome.place, pattern) or _patient_of_target(outcome)
    if named is None:
        return pseudonym("patient", f"{outcome.key}|{part}"), "unknown"
    return pseudonym("patient", named.value), named.evidence


def _patient_of_target(outcome: FileOutcome) -> Patient | None:
    """Return the patient whom a data set names to which a link leads, where the link names none."""
    root = outcome.entry.root
    if not root.follow_links or not (target := link_target(outcome.entry.path)):
        return None
    named = patient_of_path(root.name + target.removeprefix(root.path))
    return named if named is not None and named.evidence in DATA_SETS else None


def _with_evidence(flags: Iterable[str], evidence: Evidence) -> tuple[str, ...]:
    """Return flags, sorted, with the one that says how far the patient is known."""
    known = (
        ()
        if evidence in ("pattern", "PatientID", "BIDS")
        else (("PATIENT_FROM_LAYOUT",) if evidence in LAYOUTS else ("PATIENT_UNKNOWN",))
    )
    return tuple(sorted({*flags, *known}))


def reasons(tables: Tables) -> str:
    """Return all reasons for which files were not used, the commonest first, each with its explanation."""
    counts = Counter(reason for reason in tables.ledger()["reason"].to_pylist() if reason)
    return "; ".join(f"{count} {code} ({explain(code)})" for code, count in counts.most_common())
