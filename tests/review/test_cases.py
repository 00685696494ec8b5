"""What the cases page shows of one scan, and of which scans it shows no picture."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medcl.review.cases import (
    BURNED_IN,
    NOT_IN_STORE,
    ScanPicture,
    case_heading,
    find_scan,
    predictions_table,
)
from medcl.review.study import load_study
from medcl.views.sampling.scan_geometry import SIDES_UNKNOWN
from tests.review import fake_study


def store_of(scans: pd.DataFrame, array: np.ndarray, affine: np.ndarray | None, mask: Any = None) -> Any:
    return SimpleNamespace(
        scans=scans,
        array=lambda _: array,
        affine=lambda _: affine,
        mask=lambda _: mask,
        measures=lambda _: SimpleNamespace(spacing_mm=np.array([[*scans["spacing_mm"][0], np.nan]])),
    )


def row(**values: object) -> pd.DataFrame:
    return pd.DataFrame([{"scan": "s-1", "modality": "CT", "flags": "", "spacing_mm": (0.5, 1.0)} | values])


def test_a_heading_names_truth_outcome_and_patient_without_markup() -> None:
    case = pd.Series({"case": "<b>s-1", "truth": "abnormal", "outcome": "FN", "patient": "p-1"})
    heading = case_heading(case)
    assert "&lt;b&gt;s-1" in heading
    assert "Truth: <b>abnormal</b>. False negative (missed)." in heading
    assert "Patient p-1" in heading


def test_every_arm_says_its_probability_and_its_class(tmp_path: Path) -> None:
    study = load_study(fake_study.write_study(tmp_path))
    scan = study.panel.scan[3]
    html = predictions_table(study, scan, "5/class", 1, lambda cell: 2.0 if cell[0] == "supervised" else 0.0)
    rows = html.split("<tbody>")[1].split("</tr>")[:-1]
    assert len(rows) == 3
    for line in rows:
        arm = line.split("<td>")[1].removesuffix("</td>")
        assert f"<td>{study.probability(arm, '5/class', 1)[3]:.3f}</td>" in line
        assert line.endswith("<td>healthy</td>" if arm == "supervised" else "<td>abnormal</td>")
        assert ("left:100.0%" if arm == "supervised" else "left:0.0%") in line


@pytest.mark.parametrize(
    ("scan", "flags", "found"),
    [
        ("s-1", "", 0),
        ("s-1", "TILT;LOSSY", 0),
        ("s-2", "", NOT_IN_STORE),
        ("s-1", "LOSSY;BURNED_IN_RISK", BURNED_IN),
    ],
)
def test_a_scan_with_text_in_its_pixels_is_never_shown(scan: str, flags: str, found: int | str) -> None:
    store = store_of(row(flags=flags), np.zeros((4, 4), np.uint8), None)
    assert find_scan(store, scan) == found


def test_a_volume_is_shown_slice_by_slice_with_letters_and_scale() -> None:
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    picture = ScanPicture.read(store_of(row(), np.zeros((40, 40, 3), np.int16), affine), 0)
    assert picture.slices == 3
    assert not picture.in_color
    html = picture.html(1, (-100, 100), outline=False)
    assert "CT, slice 2 of 3" in html
    assert [
        html.count(f'class="letter {side}">{letter}<')
        for side, letter in (("left", "R"), ("right", "L"), ("top", "A"), ("bottom", "P"))
    ] == [1] * 4


@pytest.mark.parametrize("flag", sorted(SIDES_UNKNOWN))
def test_letters_are_left_out_where_sides_are_not_known(flag: str) -> None:
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    store = store_of(row(flags=flag), np.zeros((8, 8, 3), np.int16), affine)
    html = ScanPicture.read(store, 0).html(0, (0, 1), outline=False)
    assert "left and right not known" in html
    assert 'class="letter' not in html


def test_an_image_has_its_spacing_or_says_that_it_is_unknown() -> None:
    pixels = np.zeros((40, 40), np.uint8)
    known = ScanPicture.read(store_of(row(), pixels, None), 0)
    assert (known.slices, known.plane) == (1, None)
    assert "CT, orientation as stored" in known.html(0, (0, 255), outline=False)
    assert "mm" in known.html(0, (0, 255), outline=False).split("scale")[-1]
    unknown = ScanPicture.read(store_of(row(spacing_mm=(np.nan, np.nan)), pixels, None), 0)
    assert "spacing unknown" in unknown.html(0, (0, 255), outline=False)


def test_color_images_need_no_window() -> None:
    color = np.zeros((4, 4, 3), np.uint8)
    assert ScanPicture.read(store_of(row(), color, None), 0).in_color
    assert not ScanPicture.read(store_of(row(), color.astype(np.int16), np.eye(4)), 0).in_color


def test_the_mask_is_outlined_if_wanted() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 1
    picture = ScanPicture.read(store_of(row(), np.zeros((20, 20), np.uint8), None, mask), 0)
    assert picture.html(0, (0, 255), outline=True) != picture.html(0, (0, 255), outline=False)
