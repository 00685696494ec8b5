"""`medcl scan`: walk, read headers, put series together, write the catalogue and the ledger."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from medcl.archive.catalog import Catalog
from medcl.archive.examine import Outcome, examine_all
from medcl.archive.flags import check_policy, explain, held_back
from medcl.archive.found import Found
from medcl.archive.privacy import pseudonym
from medcl.archive.records import ScanRow, Tables
from medcl.archive.sources import Entry, check_roots, walk
from medcl.errors import UsageError
from medcl.files import new_folder
from medcl.progress import track

if TYPE_CHECKING:
    from medcl.archive.dicom import Stack

BATCH = 256
SUBJECT = re.compile(r"^(?P<dataset>.*/)?sub-(?P<subject>[A-Za-z0-9]+)(?=[/_.])")


def scan_archive(archives: Sequence[Path], out: Path, policy: str = "default", workers: int = 1) -> Catalog:
    """Find every scan under `archives` and account for every file.

    Args:
        archives: folders or files, in any order; the same file is taken once.
        out: a new folder for `catalog.parquet`, `ledger.parquet` and `summary.json`.
        policy: what may pass, see `medcl.archive.flags`.
        workers: processes that read headers.

    Raises:
        UsageError: a missing or empty archive, one without a readable image, a used `out`; then nothing is
            written.
    """
    check_policy(policy)
    roots = check_roots([Path(archive) for archive in archives])
    new_folder(out, "catalogue")
    entries = list(walk(roots))
    named = ", ".join(str(archive) for archive in archives)
    if not entries:
        raise UsageError(f"{named}: no files; name the folder that holds the scans")
    outcomes = list(track(examined(entries, workers), "scan", total=len(entries), unit="file"))
    tables = gather(outcomes, policy)
    if not tables.scans:
        raise UsageError(f"{named}: no readable image in {len(entries)} files ({_reasons(tables)})")
    return Catalog.write(out, tables, policy)


def examined(entries: Sequence[Entry], workers: int) -> Iterator[Outcome]:
    """Yield the outcomes of all entries, in their order whatever the number of workers."""
    batches = _batches(entries)
    if workers <= 1 or len(entries) <= BATCH:
        for batch in batches:
            yield from examine_all(batch)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for outcomes in pool.map(examine_all, batches):
            yield from outcomes


def _batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    remaining = iter(entries)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def gather(outcomes: Sequence[Outcome], policy: str) -> Tables:
    """Put series together, apply the policy, and return the rows of catalogue, ledger and locator."""
    tables = Tables()
    stacked = _dicom(outcomes, policy, tables)
    for number, outcome in enumerate(outcomes):
        if outcome.header is not None:
            outcome = stacked[number]
        elif outcome.scans:
            outcome = _single(outcome, policy, tables)
        tables.add_file(outcome)
    return tables


def _dicom(outcomes: Sequence[Outcome], policy: str, tables: Tables) -> dict[int, Outcome]:
    """Put the DICOM files together and return what became of each, by its number."""
    headers = [(number, o.header) for number, o in enumerate(outcomes) if o.header is not None]
    if not headers:
        return {}
    from medcl.archive import dicom

    stacks, verdicts = dicom.group(headers)
    became = {
        number: replace(outcomes[number], state="quarantined", code="BAD_HEADER") for number, _ in headers
    }
    for number, (state, code) in verdicts.items():
        became[number] = replace(outcomes[number], state=state, code=code)
    for stack in stacks:
        code = held_back(stack.flags, policy)
        for number in stack.files:
            flags = tuple(sorted({*became[number].flags, *stack.flags}))
            if code is None:
                became[number] = replace(became[number], state="used", code="", flags=flags)
            elif became[number].state != "used" or became[number].code == "BAD_HEADER":
                became[number] = replace(became[number], state="quarantined", code=code, flags=flags)
        if code is None:
            part = json.dumps({"frames": stack.frames, "key": stack.stack_key})
            parts = [(outcomes[number], part, order) for order, number in enumerate(stack.files)]
            tables.add_scan(_stack_row(stack), parts)
    return became


def _stack_row(stack: Stack) -> ScanRow:
    """Return the catalogue row of a DICOM stack; the raw identifiers end here."""
    patient = stack.patient_id.strip()
    study, series = stack.study_uid.strip(), stack.series_uid.strip()
    own = f"study|{study}" if study else f"series|{series}"
    return ScanRow(
        scan=pseudonym("scan", f"{patient}|{study}|{series}|{stack.stack_key}"),
        patient=pseudonym("patient", patient or own),
        patient_known=bool(patient),
        study=pseudonym("study", study) if study else None,
        series=pseudonym("series", series) if series else None,
        site=pseudonym("site", stack.site) if stack.site else None,
        modality=stack.modality,
        kind=stack.kind,
        body_part=stack.body_part,
        manufacturer=stack.manufacturer,
        shape=tuple(stack.shape),
        spacing_mm=None if stack.spacing_mm is None else tuple(stack.spacing_mm),
        unit=stack.unit,
        source="dicom",
        source_split=None,
        source_label=None,
        n_files=len(stack.files),
        flags=tuple(sorted({*stack.flags, *([] if patient else ["PATIENT_UNKNOWN"])})),
    )


def _single(outcome: Outcome, policy: str, tables: Tables) -> Outcome:
    """Add the scans that stand in one file; the file is used when at least one of them passes."""
    held = [held_back(found.flags, policy) for found in outcome.scans]
    if all(held):
        return replace(outcome, state="quarantined", code=held[0] or "", scans=())
    patient, known = _patient(outcome.key)
    for order, (found, code) in enumerate(zip(outcome.scans, held, strict=True)):
        if code is None:
            tables.add_scan(_row(outcome, found, patient, known), [(outcome, found.part, order)])
    return outcome


def _row(outcome: Outcome, found: Found, patient: str, known: bool) -> ScanRow:
    """Return the catalogue row of one scan in a file."""
    own = pseudonym("patient", f"{outcome.key}|{found.part}") if found.source == "npz" else patient
    flags = set(found.flags) if known else {*found.flags, "PATIENT_UNKNOWN"}
    return ScanRow(
        scan=pseudonym("scan", f"{outcome.key}|{found.part}"),
        patient=own,
        patient_known=known,
        study=None,
        series=pseudonym("series", outcome.key) if found.source == "nifti" else None,
        site=None,
        modality="unknown",
        kind=found.kind,
        body_part=None,
        manufacturer=None,
        shape=found.shape,
        spacing_mm=found.spacing_mm,
        unit=found.unit,
        source=found.source,
        source_split=found.source_split,
        source_label=found.source_label,
        n_files=1,
        flags=tuple(sorted(flags)),
    )


def _patient(key: str) -> tuple[str, bool]:
    """Return the patient of a file: its BIDS subject within its data set, else a patient of its own."""
    named = SUBJECT.match(key)
    if named is None:
        return pseudonym("patient", key), False
    return pseudonym("patient", f"{named['dataset'] or ''}sub-{named['subject']}"), True


def _reasons(tables: Tables) -> str:
    counted = Counter(row["reason"] for row in tables.files if row["reason"])
    return "; ".join(f"{count} {code}: {explain(code)}" for code, count in counted.most_common(3))
