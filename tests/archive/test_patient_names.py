"""Names of patients, as data sets write them, and names that only look like them."""

from __future__ import annotations

import pytest

from medcl.archive.patient_names import NAMED_IMAGE, PERSON, SEQUENCES, VIEWS


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("patient00012", "patient00012"),
        ("Subject-3_followup", "Subject-3"),
        ("p10000032", "p10000032"),
        ("ADNI_002_S_0295_MR", "002_S_0295"),
        ("OAS30001_MR_d0129", "OAS30001"),
        ("TCGA-02-0047", "TCGA-02-0047"),
        ("LIDC-IDRI-0001", "LIDC-IDRI-0001"),
    ],
)
def test_a_name_of_a_patient_is_found(name: str, person: str) -> None:
    found = PERSON.search(name)
    assert found is not None
    assert found[1] == person


@pytest.mark.parametrize("name", ["patients", "p10", "outpatient12", "patient_data_2020", "subjects", "pt"])
def test_a_name_that_only_looks_like_one_is_not(name: str) -> None:
    assert PERSON.search(name) is None


def test_the_number_of_an_image_is_not_the_patient() -> None:
    first, second = (NAMED_IMAGE.fullmatch(name) for name in ("00000013_005", "00000013_026"))
    assert first is not None
    assert second is not None
    assert first[1] == second[1] == "00000013"
    assert NAMED_IMAGE.fullmatch("IMG_0001") is None


def test_a_sequence_is_no_view() -> None:
    assert not SEQUENCES & VIEWS
