"""The page of a tissue study: its answer, its limits, its numbers, and nothing that is loaded."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from medcl.evaluate.tissue.evaluate import MAP_METRICS, TissueEvaluation, evaluate_tissue
from medcl.evaluate.tissue.report import _caveats, _pairs, answer, write_tissue_report
from tests.evaluate.tissue.samples import write_study


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> TissueEvaluation:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder, 0.3)
    return evaluate_tissue(folder)


def with_difference(result: TissueEvaluation, **values: float) -> TissueEvaluation:
    return replace(result, differences=result.differences.assign(**values))


def test_the_answer_names_both_means_and_the_verdict(result: TissueEvaluation) -> None:
    base = {"mean": 0.1, "better": 3, "patients": 3, "p": 0.25}
    equal = answer(with_difference(result, low=-0.1, high=0.3, **base))
    assert re.match(
        r"When 1 patient has a mask, the map of an unseen patient has Dice 0\.\d{3} with better and 0\.\d{3} "
        r"with supervised\. The difference is not significant: \+0\.100 \(−0\.100 to 0\.300; higher in 3 of "
        r"3 patients, p = 0\.250\)\.$",
        equal,
    )
    assert " better is better: +" in answer(with_difference(result, low=0.05, high=0.3, **base))
    worse = base | {"mean": -0.1}
    assert " better is worse: −" in answer(with_difference(result, low=-0.3, high=-0.05, **worse))


def test_an_arm_is_not_compared_with_itself(result: TissueEvaluation) -> None:
    primary = result.record.primary.model_copy(update={"arm": "supervised"})
    text = answer(replace(result, record=result.record.model_copy(update={"primary": primary})))
    assert text.endswith("with supervised and " + text.split("with supervised and ")[1])
    assert "higher in" not in text


def test_few_patients_and_boxes_are_limits_of_the_evidence(result: TissueEvaluation) -> None:
    few, lesions, primary = _caveats(replace(result, record=result.record.model_copy(update={"patients": 3})))
    assert few.startswith("3 patients: intervals are wide, and p cannot be below 0.25.")
    assert lesions.startswith("3 lesions in total (components of the mask of at least 3 mm diameter)")
    assert primary == (
        "Stated before the run: better against supervised, Dice, 1 patient with a mask. Everything else is "
        "exploratory."
    )
    many = result.record.model_copy(update={"patients": 20, "scans": 20, "boxes": 7})
    assert [caveat.split(" ")[0] for caveat in _caveats(replace(result, record=many))] == [
        "3",
        "The",
        "Stated",
    ]
    assert "The masks of 7 of 20 scans are boxes" in _caveats(replace(result, record=many))[1]


def test_further_pairs_have_a_line_of_every_budget(result: TissueEvaluation) -> None:
    record = result.record.model_copy(update={"pairs": [("better", "supervised")]})
    (line,) = _pairs(replace(result, record=record))
    assert re.match(r"better against supervised, Dice: 1 with a mask [+−]0\.\d{3} \(.*higher in 3 of 3", line)
    assert _pairs(result) == []


def test_the_page_is_self_contained_and_its_tables_are_csv(result: TissueEvaluation, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture of a")
    pictures = {"patient-a": tmp_path / "a.png", "patient-<b>": None}
    write_tissue_report(tmp_path, result, pictures)
    page = (tmp_path / "report.html").read_text()
    assert answer(result).replace("'", "&#39;") in page
    assert base64.b64encode(b"picture of a").decode() in page
    assert "patient-&lt;b&gt;" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "<script" not in page
    for name in ("patients", "froc", "summary", "differences"):
        assert len(pd.read_csv(tmp_path / "tables" / f"{name}.csv")) == len(getattr(result, name))
    assert all(label in page for label in MAP_METRICS.values())
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["tissue.png", "tissue.svg"]
