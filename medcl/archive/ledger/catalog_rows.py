"""From the findings of files to scans: series are put together, the policy applied, pseudonyms given."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from medcl.archive import dicom
from medcl.archive.dicom import PixelSums, Stack
from medcl.archive.flags import held_back
from medcl.archive.formats.scan_info import ScanInfo
from medcl.archive.formats.sidecar import Sidecar, shared_name
from medcl.archive.ledger.examine import FileOutcome
from medcl.archive.ledger.tables import ScanRow, Tables
from medcl.archive.masks import NiftiGrid, pair
from medcl.archive.patients import LAYOUTS, Evidence, matched_patient, patient_of_path
from medcl.archive.privacy import pseudonym
from medcl.archive.storage.open_file import open_part

Pattern = re.Pattern[str] | None


def gather(groups: Iterable[Sequence[FileOutcome]], policy: str, pattern: Pattern = None) -> Tables:
    """Return the rows of catalog, ledger and locator.

    Args:
        groups: Outcomes of files; the files of a series are in one group.
        policy: Which flagged scans are accepted.
        pattern: Pattern of the user for the patient in a path.
    """
    tables = Tables()
    masks: list[FileOutcome] = []
    images: list[NiftiGrid] = []
    for outcomes in groups:
        became, scan_of = _stacked(outcomes, policy, tables, pattern)
        for number, outcome in enumerate(_with_sidecars(outcomes)):
            if outcome.labels is not None or "LABEL_MAP" in outcome.flags:
                masks.append(outcome)
            elif outcome.header is not None:
                tables.add_file(became[number], scan_of.get(number))
            elif outcome.scans:
                images += _add_single(outcome, policy, tables, pattern)
            else:
                tables.add_file(outcome, None)
    _add_masks(masks, images, policy, tables, pattern)
    return tables


def _with_sidecars(outcomes: Sequence[FileOutcome]) -> Iterator[FileOutcome]:
    """Yield outcomes, NIfTI with what the JSON of the same name says."""
    said = {shared_name(outcome.place): outcome.sidecar for outcome in outcomes if outcome.sidecar}
    for outcome in outcomes:
        nifti = any(scan.kind == "volume" for scan in outcome.scans)
        beside = said.get(shared_name(outcome.place)) if said and nifti else None
        yield outcome if beside is None else replace(outcome, sidecar=beside)


def _add_masks(
    masks: Sequence[FileOutcome], images: Sequence[NiftiGrid], policy: str, tables: Tables, pattern: Pattern
) -> None:
    """Add label maps and label objects, each with the scans that it may belong to."""
    maps = {_named(outcome).scan: outcome for outcome in masks if outcome.scans}
    pairs, refused = pair([_named(outcome) for outcome in maps.values()], images)
    for mask, outcome in maps.items():
        flagged = _flagged(outcome, "MASK_MISMATCH") if mask in refused else outcome
        _add_single(flagged, policy, tables, pattern)
    for mask, scan in pairs:
        tables.add_mask(mask, [scan], maps[mask].scans[0].source)
    objects = [outcome for outcome in masks if outcome.labels is not None]
    volumes = tables.volumes_by_series() if objects else {}
    for outcome in objects:
        labels = outcome.labels
        scans = [scan for series in labels.series for scan in volumes.get(series, [])] if labels else []
        if labels is None or not scans:
            tables.add_file(replace(outcome, state="quarantined", code="MASK_ORPHAN"), None)
            continue
        tables.add_mask(pseudonym("mask", outcome.key), scans, labels.kind, outcome)
        tables.add_file(outcome, scans[0] if len(scans) == 1 else None)


def _flagged(outcome: FileOutcome, flag: str) -> FileOutcome:
    found = tuple(replace(f, flags=tuple(sorted({*f.flags, flag}))) for f in outcome.scans)
    return replace(outcome, scans=found, flags=tuple(sorted({*outcome.flags, flag})))


def _named(outcome: FileOutcome) -> NiftiGrid:
    """Return a NIfTI of one frame by its place and grid."""
    found = outcome.scans[0]
    scan = pseudonym("scan", f"{outcome.key}|{found.part}")
    return NiftiGrid(scan, outcome.place, found.shape, found.affine or ())


def _stacked(
    outcomes: Sequence[FileOutcome], policy: str, tables: Tables, pattern: Pattern
) -> tuple[dict[int, FileOutcome], dict[int, str | None]]:
    """Put DICOM files together; return what became of each by its number, and the scan that it is in."""
    headers = [(number, o.header) for number, o in enumerate(outcomes) if o.header is not None]
    tables.missing_decoders(dicom.missing_decoders(header for _, header in headers))
    sums = PixelSums(lambda n: open_part(outcomes[n].entry.path, outcomes[n].member))
    stacks, verdicts = dicom.group(headers, sums)
    stacks = _lacking(stacks, {outcome.lacking for outcome in outcomes})
    became = {n: replace(outcomes[n], state="quarantined", code="BAD_HEADER") for n, _ in headers}
    for number, (state, reason) in verdicts.items():
        became[number] = replace(outcomes[number], state=state, code=reason)
    scan_of: dict[int, str | None] = {}
    for stack in stacks:
        code = held_back(stack.flags, policy)
        row = _stack_row(stack, outcomes[stack.files[0]].place, pattern)
        for number in stack.files:
            flags = tuple(sorted({*became[number].flags, *stack.flags}))
            if code is None:
                became[number] = replace(became[number], state="used", code="", flags=flags)
                scan_of[number] = None if number in scan_of else row.scan
            elif number not in scan_of:
                became[number] = replace(became[number], state="quarantined", code=code, flags=flags)
        if code is None:
            part = json.dumps({"frames": stack.frames, "key": stack.stack_key})
            tables.add_scan(row, [(outcomes[n], part, order) for order, n in enumerate(stack.files)])
    return became, scan_of


def _lacking(stacks: Sequence[Stack], series: set[str]) -> list[Stack]:
    """Return stacks, with a flag on those whose series lacks slices that were cut off."""
    cut = series - {""}
    return [
        replace(stack, flags=tuple(sorted({*stack.flags, "TRUNCATED_SLICE"})))
        if stack.kind == "volume" and stack.series_uid in cut
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


def _add_single(outcome: FileOutcome, policy: str, tables: Tables, pattern: Pattern) -> list[NiftiGrid]:
    """Add the scans that stand in one file, which is used when at least one passes; return what masks fit."""
    passed = [found for found in outcome.scans if held_back(found.flags, policy) is None]
    if not passed:
        code = held_back(outcome.scans[0].flags, policy) or ""
        tables.add_file(replace(outcome, state="quarantined", code=code), None)
        return []
    rows = [_row(outcome, found, pattern) for found in passed]
    for order, (row, found) in enumerate(zip(rows, passed, strict=True)):
        tables.add_scan(row, [(outcome, found.part, order)])
    tables.add_file(outcome, rows[0].scan if len(rows) == 1 else None)
    return [_named(outcome)] if [found.part for found in passed if found.affine] == [""] else []


def _row(outcome: FileOutcome, found: ScanInfo, pattern: Pattern) -> ScanRow:
    """Return the catalog row of one scan in a file."""
    # The volumes of one file are of one patient; the pictures of one npz need not be.
    part = found.part if found.kind == "picture" else ""
    patient, evidence = _patient_of_file(outcome, part, pattern)
    row = ScanRow(
        scan=pseudonym("scan", f"{outcome.key}|{found.part}"),
        patient=patient,
        patient_evidence=evidence,
        series=pseudonym("series", outcome.key) if found.kind == "volume" else None,
        kind=found.kind,
        shape=found.shape,
        spacing_mm=found.spacing_mm,
        unit=found.unit,
        source=found.source,
        source_split=found.source_split,
        source_label=found.source_label,
        flags=_with_evidence(found.flags, evidence),
    )
    return row if outcome.sidecar is None else _described(row, outcome.sidecar)


def _described(row: ScanRow, said: Sidecar) -> ScanRow:
    """Return a row with what the file's sidecar says; NIfTI of a CT are in HU by convention."""
    return replace(
        row,
        modality=said.modality,
        body_part=said.body_part,
        manufacturer=said.manufacturer,
        unit="HU" if said.modality == "CT" else row.unit,
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
    named = None if part else patient_of_path(outcome.place, pattern)
    if named is None:
        return pseudonym("patient", f"{outcome.key}|{part}"), "unknown"
    return pseudonym("patient", named.value), named.evidence


def _with_evidence(flags: Iterable[str], evidence: Evidence) -> tuple[str, ...]:
    """Return flags, sorted, with the one that says how far the patient is known."""
    known = (
        ()
        if evidence in ("pattern", "PatientID", "BIDS")
        else (("PATIENT_FROM_LAYOUT",) if evidence in LAYOUTS else ("PATIENT_UNKNOWN",))
    )
    return tuple(sorted({*flags, *known}))


def reasons(tables: Tables) -> str:
    """Return the commonest reasons for which files were not used, as `12 TRUNCATED, 3 EMPTY_FILE`."""
    counted = Counter(reason for reason in tables.ledger()["reason"].to_pylist() if reason)
    return ", ".join(f"{count} {code}" for code, count in counted.most_common(3))
