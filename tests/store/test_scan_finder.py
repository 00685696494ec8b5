"""Which scans a key of a label table names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from medcl.archive import patient_identifier, pseudonym
from medcl.store.scan_finder import scan_finder


def catalog_of(scans: dict[str, tuple[str, str]]) -> Any:
    """Return a stand-in of a catalog: by scan, its patient's identifier and its path."""
    table = pd.DataFrame(
        [(scan, pseudonym("patient", patient_identifier(patient))) for scan, (patient, _) in scans.items()],
        columns=["scan", "patient"],
    )
    locations = pd.DataFrame([(scan, path) for scan, (_, path) in scans.items()], columns=["scan", "path"])
    return SimpleNamespace(scans=table, locations=lambda: locations)


ARCHIVE = {
    "s1": ("P1", "/data/a/left/chest.nii.gz"),
    "s2": ("P1", "/data/b/left/chest.nii.gz"),
    "s3": ("P2", "/data/b/right/head.nii.gz"),
}


def test_a_scan_names_itself() -> None:
    find = scan_finder(catalog_of(ARCHIVE), "scan")
    assert (find("s1"), find("s9")) == (["s1"], [])


def test_a_file_is_named_by_name_stem_or_end_of_its_path() -> None:
    find = scan_finder(catalog_of(ARCHIVE), "file")
    for name in ("head.nii.gz", "head.nii", "head", "right/head.nii.gz", "data/b/right/head.nii.gz"):
        assert find(name) == ["s3"]
    assert find("left/chest.nii.gz") == ["s1", "s2"]
    assert find("a/left/chest.nii.gz") == ["s1"]
    assert find("ead.nii.gz") == find("right") == []


def test_a_file_with_several_scans_names_each_once() -> None:
    catalog = catalog_of({"s1": ("P1", "x/set.npz"), "s2": ("P2", "x/set.npz")})
    assert scan_finder(catalog, "file")("set.npz") == ["s1", "s2"]


def test_a_patient_is_named_by_the_identifier_of_the_header() -> None:
    find = scan_finder(catalog_of(ARCHIVE), "patient")
    assert find(" P1 ") == ["s1", "s2"]
    assert find("P3") == []


def test_a_bids_subject_is_named_with_and_without_its_prefix() -> None:
    subjects = {
        "s1": ("A", "set/sub-01/anat/sub-01_T1w.nii.gz"),
        "s2": ("A", "set/sub-01/anat/sub-01_T2w.nii.gz"),
        "s3": ("B", "set/sub-02/anat/sub-02_T1w.nii.gz"),
    }
    find = scan_finder(catalog_of(subjects), "patient")
    assert find("sub-01") == find("01") == ["s1", "s2"]
    assert find("02") == ["s3"]


def test_a_subject_of_two_data_sets_names_nobody() -> None:
    subjects = {
        "s1": ("A", "one/sub-01/anat/sub-01_T1w.nii.gz"),
        "s2": ("B", "two/sub-01/anat/sub-01_T1w.nii.gz"),
    }
    assert scan_finder(catalog_of(subjects), "patient")("01") == []
