"""The record of a tissue study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from medcl.archive import scan_archive
from medcl.evaluate import TissueRecord
from medcl.evaluate.study_record import read_record
from medcl.runs.folder import hash_file
from medcl.store import prepare
from medcl.store.columns import read_arrow, write_arrow
from medcl.tissue import TissueConfig, run_tissue
from medcl.tissue.study_record import _comparisons
from tests.tissue.samples import BALLS, SPACING, settings, write_archive


def test_the_record_says_what_was_compared_and_what_was_not_done(study: tuple[TissueConfig, Path]) -> None:
    config, out = study
    record = read_record(out / "study.json", TissueRecord)
    assert (record.patients, record.scans, record.boxes) == (4, 4, 0)
    assert (record.primary.arm, record.primary.baseline, record.edge_mm) == ("simclr-probe", "supervised", 9)
    assert record.pairs == [("simclr-segment", "supervised-segment")]
    assert record.modality == "MR"
    assert len(record.pretrain_seconds) == 4
    text = " ".join(record.done)
    assert "There is one seed (0)" in text
    assert "never saw the test patient" in text
    assert "A patch is a square of one slice of 9 mm, abnormal from 50% of mask, healthy up to 0%" in text
    assert "trained on regions of 36 mm around the same patches" in text
    hashes = {"study.yaml": hash_file(out / "study.yaml"), "store": hash_file(config.store / "scans.arrow")}
    assert record.provenance == hashes


@pytest.mark.parametrize(
    ("arms", "baseline", "pairs"),
    [
        (["simclr-segment", "supervised-segment", "supervised"], "supervised", 1),
        (["simclr-segment", "supervised-segment"], "supervised-segment", 0),
        (["simclr-segment", "supervised"], "supervised", 0),
    ],
)
def test_segmentation_has_a_comparison_of_its_own_unless_it_is_the_primary_one(
    tmp_path: Path, arms: list[str], baseline: str, pairs: int
) -> None:
    primary = {"arm": "simclr-segment", "baseline": baseline, "budget": 1}
    assert len(_comparisons(settings(tmp_path, arms=arms, primary=primary))) == pairs


def test_a_study_of_boxes_and_of_unknown_patients_says_so(tmp_path: Path) -> None:
    table = pd.read_csv(write_archive(tmp_path, masks=False))
    for path in (tmp_path / "archive").glob("*/seg.nii.gz"):
        path.unlink()
    ends = [(np.array(ball) * SPACING - 6, np.array(ball) * SPACING + 6) for ball in BALLS]
    table["box"] = [" ".join(map(str, [*low, *high])) for low, high in ends]
    table.to_csv(tmp_path / "boxes.csv", index=False)
    catalog = scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    store = prepare(catalog, tmp_path / "store", tmp_path / "boxes.csv")
    scans = read_arrow(store.folder / "scans.arrow")
    unknown = pa.array(["unknown"] * len(store), pa.large_string())
    place = scans.column_names.index("patient_evidence")
    write_arrow(scans.set_column(place, "patient_evidence", unknown), store.folder / "scans.arrow")
    only = "random-probe"
    primary = {"arm": only, "baseline": only, "budget": 1}
    run_tissue(settings(store.folder, arms=[only], budgets=[1], primary=primary), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The masks of 4 of 4 scans are boxes of the label table" in page
    assert "4 of 4 scans have no known patient" in page
