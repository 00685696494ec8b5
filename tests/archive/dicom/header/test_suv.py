"""SUV where tags agree, and the stored unit where they are missing, implausible or contradict each other."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medcl.archive.dicom.header.read import read_header
from medcl.testing.phantom import encoded, image, put

F18, ZR89, I124, CU64, GA68, RB82 = 6586.2, 282_276.0, 360_806.0, 45_723.0, 4062.6, 76.38
NOON = {
    "SeriesDate": "20240110",
    "SeriesTime": "120000",
    "AcquisitionDate": "20240110",
    "AcquisitionTime": "120000",
}


def activity(
    injected: str = "20240110110000", half_life: Any = F18, dose: Any = 400e6, drug: Any = (), **tags: Any
) -> tuple[str, float]:
    """Return unit and factor of a PET slice of a patient of 80 kg, scanned at noon."""
    item = put(
        Dataset(),
        RadionuclideTotalDose=dose,
        RadionuclideHalfLife=half_life,
        RadiopharmaceuticalStartDateTime=injected or None,
        **dict(drug),
    )
    ds = _slice()
    put(
        ds,
        **{
            "Units": "BQML",
            "CorrectedImage": ["ATTN", "DECY"],
            "DecayCorrection": "START",
            "PatientWeight": 80,
            "RadiopharmaceuticalInformationSequence": Sequence([item]),
            **NOON,
            **tags,
        },
    )
    return unit_of(ds)


def _slice() -> Dataset:
    ds = image(np.ones((8, 8), np.uint16), modality="PT")
    return put(ds, RescaleSlope=1, RescaleIntercept=0)


def unit_of(ds: Dataset) -> tuple[str, float]:
    content = encoded(ds)
    header = read_header(io.BytesIO(content), len(content))
    assert header is not None
    return header.activity


def factor(hours: float, half_life: float, weight: float = 80, dose: float = 400e6) -> float:
    return weight * 1000 / (dose * 2 ** (-hours * 3600 / half_life))


@pytest.mark.parametrize(
    ("half_life", "injected", "hours"),
    [
        (F18, "20240110110000", 1),
        (ZR89, "20240105110000", 5 * 24 + 1),
        (ZR89, "20240110110000", 1),
        (I124, "20240108123000.5", 47.5 - 0.5 / 3600),
        (CU64, "20240109130000", 23),
        (GA68, "202401101115", 0.75),
        (RB82, "20240110115930", 30 / 3600),
    ],
)
def test_dates_and_times_count(half_life: float, injected: str, hours: float) -> None:
    assert activity(injected, half_life) == ("SUV", pytest.approx(factor(hours, half_life)))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 20 * 24 * 60))
def test_every_delay_of_a_slow_nuclide_counts(minutes: int) -> None:
    day, rest = divmod(12 * 60 - minutes, 24 * 60)
    injected = f"202401{30 + day:02d}{rest // 60:02d}{rest % 60:02d}00"
    tags = dict.fromkeys(("SeriesDate", "AcquisitionDate"), "20240130")
    assert activity(injected, ZR89, **tags) == ("SUV", pytest.approx(factor(minutes / 60, ZR89)))


def test_across_midnight() -> None:
    night = {
        "SeriesDate": "20240111",
        "SeriesTime": "003000",
        "AcquisitionDate": "20240111",
        "AcquisitionTime": "003000",
    }
    assert activity("20240110233000", **night)[1] == pytest.approx(factor(1, F18))
    assert activity("", drug={"RadiopharmaceuticalStartTime": "233000"}, **night)[1] == pytest.approx(
        factor(1, F18)
    )


def test_a_time_without_a_date_serves_short_half_lives_alone() -> None:
    drug = {"RadiopharmaceuticalStartTime": "110000"}
    assert activity("", F18, drug=drug) == ("SUV", pytest.approx(factor(1, F18)))
    for slow in (ZR89, I124, CU64):
        assert activity("", slow, drug=drug) == ("Bq/ml", 1.0)
    assert activity("20240108", ZR89, drug=drug) == ("SUV", pytest.approx(factor(49, ZR89)))
    assert activity("19000101110000", F18) == ("SUV", pytest.approx(factor(1, F18)))
    assert activity("19000101110000", ZR89) == ("Bq/ml", 1.0)
    later = {"SeriesDate": None, "AcquisitionDate": None}
    assert activity("20240105110000", ZR89, **later) == ("Bq/ml", 1.0)
    assert activity("20240105110000", ZR89, SeriesDate=None)[0] == "SUV"


def test_offsets_from_utc() -> None:
    assert activity("20240110100000+0000", TimezoneOffsetFromUTC="+0100")[1] == pytest.approx(factor(1, F18))
    assert activity("20240109230000-1200", ZR89, TimezoneOffsetFromUTC="+0000")[1] == pytest.approx(
        factor(1, ZR89)
    )
    assert activity("20240110110000+0100")[1] == pytest.approx(factor(1, F18))


def test_decay_corrected_to_the_injection() -> None:
    assert activity("", None, DecayCorrection="ADMIN") == ("SUV", 80_000 / 400e6)


@pytest.mark.parametrize(
    "tags",
    [
        {"DecayCorrection": "NONE"},
        {"DecayCorrection": None},
        {"CorrectedImage": ["ATTN"]},
        {"CorrectedImage": ["DECY"]},
        {"SeriesTime": None},
        {"SeriesTime": "130000"},  # computed after the acquisition
        {"SeriesDate": "20240111"},
        {"SeriesDate": "20240107"},  # three days before the acquisition
        {"SeriesTime": "12"},
        {"injected": "20240110130000"},  # after the scan
        {"injected": "20240101110000"},  # nothing of F-18 would be left
        {"injected": ""},
        {"drug": {"RadiopharmaceuticalStartTime": "093000"}},  # contradicts the date-time
        {"half_life": 0},
        {"half_life": None},
        {"half_life": 109.77},  # minutes
        {"half_life": 78.41, "injected": "20240105110000"},  # hours
        {"half_life": 20.36},
        {"dose": 400},  # MBq
        {"dose": 400_000},  # kBq
        {"dose": 10.8},  # mCi
        {"dose": 0},
        {"dose": None},
        {"PatientWeight": None},
        {"PatientWeight": 0},
        {"PatientWeight": 1},
        {"PatientWeight": -80},
        {"PatientWeight": 80_000},  # grams
        {"PatientWeight": 800},
        {"PatientWeight": 0.08},
        {"PatientWeight": 176, "PatientSize": 1.8},  # pounds
        {"PatientWeight": 12.6, "PatientSize": 1.8},  # stones
        {"RadiopharmaceuticalInformationSequence": None},
        {"RadiopharmaceuticalInformationSequence": Sequence([Dataset(), Dataset()])},
    ],
)
def test_whatever_is_missing_implausible_or_contradicted_gives_no_suv(tags: dict[str, Any]) -> None:
    assert activity(**tags) == ("Bq/ml", 1.0)


@pytest.mark.parametrize(
    ("weight", "size"),
    [(3.4, 0.5), (12, 0.85), (45, 1.5), (80, None), (80, 180), (80, 0), (160, 2.0), (120, 1.7)],
)
def test_plausible_weights(weight: float, size: float | None) -> None:
    assert activity(PatientWeight=weight, PatientSize=size)[1] == pytest.approx(factor(1, F18, weight))


def test_the_half_life_is_that_of_the_stated_nuclide() -> None:
    zirconium = Sequence(
        [put(Dataset(), CodeValue="C-168A4", CodingSchemeDesignator="SRT", CodeMeaning="^89^Zirconium")]
    )
    drug = {"RadionuclideCodeSequence": zirconium}
    assert activity("20240105110000", ZR89, drug=drug)[0] == "SUV"
    assert activity(half_life=F18, drug=drug) == ("Bq/ml", 1.0)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"Units": "GML"}, ("SUV", 1.0)),
        ({"Units": "GML", "SUVType": "BW"}, ("SUV", 1.0)),
        ({"Units": "GML", "SUVType": "LBM"}, ("a.u.", 1.0)),
        ({"Units": "CM2ML", "SUVType": "BSA"}, ("a.u.", 1.0)),
        ({"Units": "CNTS"}, ("a.u.", 1.0)),
        ({"Units": "PROPCPS"}, ("a.u.", 1.0)),
        ({"Units": None}, ("a.u.", 1.0)),
    ],
)
def test_units(tags: dict[str, Any], expected: tuple[str, float]) -> None:
    assert activity(**tags) == expected


def philips(
    suv: str | None, becquerels: str | None, creator: str = "Philips PET Private Group", **tags: Any
) -> Any:
    ds = put(_slice(), Units="CNTS", CorrectedImage=["ATTN", "DECY"], DecayCorrection="START", **NOON, **tags)
    block = ds.private_block(0x7053, creator, create=True)
    for element, value in ((0x00, suv), (0x09, becquerels)):
        if value is not None:
            block.add_new(element, "DS", value)
    return unit_of(ds)


def test_counts_of_philips() -> None:
    assert philips("0.000551", "2.71") == ("SUV", 0.000551)
    assert philips("0", "2.71") == ("Bq/ml", 2.71)
    assert philips(None, "2.71") == ("Bq/ml", 2.71)
    assert philips("0", "0") == ("a.u.", 1.0)
    assert philips("-1", None) == ("a.u.", 1.0)
    assert philips("0.000551", "2.71", creator="SOMEBODY ELSE") == ("a.u.", 1.0)
    assert philips("0.000551", "2.71", PatientWeight=80_000) == ("Bq/ml", 2.71)


def test_counts_of_philips_become_suv_by_dose_and_weight() -> None:
    item = put(Dataset(), RadionuclideTotalDose=400e6, RadionuclideHalfLife=F18,
               RadiopharmaceuticalStartDateTime="20240110110000")  # fmt: skip
    tags = {"PatientWeight": 80, "RadiopharmaceuticalInformationSequence": Sequence([item])}
    assert philips("0", "2.71", **tags) == ("SUV", pytest.approx(2.71 * factor(1, F18)))


def test_ge_states_the_start_of_a_series_that_was_computed_later() -> None:
    ds = put(_slice(), Units="BQML", CorrectedImage=["ATTN", "DECY"], DecayCorrection="START",
             PatientWeight=80, **{**NOON, "SeriesTime": "150000"})  # fmt: skip
    item = put(Dataset(), RadionuclideTotalDose=400e6, RadionuclideHalfLife=F18,
               RadiopharmaceuticalStartDateTime="20240110110000")  # fmt: skip
    ds.RadiopharmaceuticalInformationSequence = Sequence([item])
    assert unit_of(ds) == ("Bq/ml", 1.0)
    ds.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20240110120000.00")
    assert unit_of(ds) == ("SUV", pytest.approx(factor(1, F18)))
