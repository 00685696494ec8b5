"""Experiment cells: whom pretraining sees, and one row per map."""

from __future__ import annotations

from pathlib import Path

from medcl.config import validate
from medcl.files import read_json
from medcl.store import Store
from medcl.tissue import TissueConfig
from medcl.tissue.experiment_cells import RECORD, CellRecord, MapRecord, map_table


def test_pretraining_sees_training_patients_only(study: tuple[TissueConfig, Path], store: Store) -> None:
    _, out = study
    for folder in (out / "folds").iterdir():
        pool = Store.open(folder / "patches")
        seen = set(pool.scans["owner"].iloc[pool.rows("train")])
        (val,) = set(pool.scans["owner"].iloc[pool.rows("val")])
        assert seen == set(store.scans["patient"]) - {folder.name, val}


def cell(arm: str, scans: dict[str, str]) -> CellRecord:
    return CellRecord(
        arm=arm,
        budget=1,
        patient="p",
        seed=0,
        train_seconds=1.5,
        map_seconds=0.5,
        selected={"C": 0.1},
        maps=tuple(MapRecord(scan=scan, split=split) for scan, split in scans.items()),
    )


def test_the_table_has_a_row_per_map() -> None:
    table = map_table([cell("a", {"s1": "val", "s2": "test"}), cell("b", {"s1": "val"})])
    assert table["file"].tolist() == [
        "folds/p/a_1/val-s1.nii.gz",
        "folds/p/a_1/test-s2.nii.gz",
        "folds/p/b_1/val-s1.nii.gz",
    ]
    assert table["split"].tolist() == ["val", "test", "val"]
    assert "selected" not in table
    assert (table["train_seconds"] == 1.5).all()


def test_every_cell_on_disk_says_what_it_is(study: tuple[TissueConfig, Path]) -> None:
    config, out = study
    cells = [validate(read_json(path), CellRecord, "cell") for path in out.glob(f"folds/*/*/{RECORD}")]
    assert len(cells) == 4 * len(config.arms)
    for record in cells:
        assert [one.split for one in record.maps] == ["val", "test"]
        assert record.map_seconds >= 0
        assert record.selected
