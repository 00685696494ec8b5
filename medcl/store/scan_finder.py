"""Finding the scans that a key of a label table names: a file, a patient or a scan's pseudonym."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from medcl.archive import Catalog, bids_subject, patient_identifier, pseudonym
from medcl.text import printable


def scan_finder(catalog: Catalog, key: str) -> Callable[[str], list[str]]:
    """Return a function from a value of the key column to the scans that it names.

    Args:
        catalog: Scans to find.
        key: `file`, `patient` or `scan`.
    """
    if key == "scan":
        scans = set(catalog.scans["scan"])
        return lambda value: [value] if value in scans else []
    if key == "patient":
        by_patient = catalog.scans.groupby("patient")["scan"].apply(list).to_dict()
        subjects = _scans_by_bids_subject(catalog)
        return lambda value: (
            by_patient.get(pseudonym("patient", patient_identifier(value))) or subjects.get(value.strip(), [])
        )
    by_file = _scans_by_file(catalog)
    return lambda value: by_file.get(value) or by_file.get(unicodedata.normalize("NFC", value), [])


def _scans_by_bids_subject(catalog: Catalog) -> dict[str, list[str]]:
    """Map BIDS subjects, with and without `sub-`, to their scans, except subjects of two data sets."""
    subjects: dict[str, list[str]] = {}
    locations = catalog.locations()
    for scan, path in zip(locations["scan"], locations["path"], strict=True):
        if subject := bids_subject(Path(path).as_posix()):
            for name in (subject, subject[4:]):
                subjects.setdefault(name, []).append(scan)
    patient = catalog.scans.set_index("scan")["patient"]
    return {name: scans for name, scans in subjects.items() if len(set(patient[scans])) == 1}


def _scans_by_file(catalog: Catalog) -> dict[str, list[str]]:
    """Map each file's name, stem and path (up to six levels) to the scans that are in it."""
    by_file: dict[str, list[str]] = {}
    locations = catalog.locations()
    for scan, path in zip(locations["scan"], locations["path"], strict=True):
        parts = PurePosixPath(Path(path).as_posix()).parts
        tails = {"/".join(parts[start:]) for start in range(max(0, len(parts) - 6), len(parts))}
        for name in tails | {PurePosixPath(parts[-1]).stem, parts[-1].split(".")[0]}:
            for spelling in _spellings(name):
                if scan not in by_file.setdefault(spelling, []):
                    by_file[spelling].append(scan)
    return by_file


def _spellings(name: str) -> set[str]:
    """Return a name, as it is printed, with composed accents (a Mac stores them decomposed), and stripped."""
    return {spelling.strip() for spelling in (name, printable(name), unicodedata.normalize("NFC", name))}
