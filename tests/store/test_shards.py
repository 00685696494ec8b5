"""Shards: which scans are in each, the smallest exact type, and faults that cost one scan."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from medcl.archive import scan_archive
from medcl.store import shards
from medcl.store.columns import read_arrow
from medcl.store.form import StoreForm
from medcl.store.labels import read_labels
from medcl.store.shards import shard_plan, stored_type, write_shard


@pytest.mark.parametrize(
    ("values", "given", "stored"),
    [
        ([0, 255], "int64", "uint8"),
        ([-1, 255], "int64", "int16"),
        ([0, 40000], "int32", "uint16"),
        ([-1, 40000], "int32", "float32"),
        ([0, 255], "int16", "int16"),
        ([False, True], "bool", "uint8"),
        ([0.5, 1.5], "float64", "float32"),
        ([0.5, 1.5], "float32", "float32"),
        ([], "int64", "float32"),
    ],
)
def test_values_are_kept_in_the_smallest_type(values: list[float], given: str, stored: str) -> None:
    array = np.array(values, given)
    result = stored_type(array)
    assert result.dtype.name == stored
    np.testing.assert_array_equal(result, array)


def test_shards_are_bounded_by_count_and_by_size_and_keep_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = ["10x10", "10x10", "10x10", "50x10", "100x10", "1x1"]
    scans = pd.DataFrame({"scan": list("abcdef"), "shape": shapes})
    assert shard_plan(scans) == [list("abcdef")]
    monkeypatch.setattr(shards, "LEAST_SCANS", 2)
    assert shard_plan(scans) == [["a", "b"], ["c", "d"], ["e", "f"]]
    monkeypatch.setattr(shards, "LEAST_SCANS", 9)
    monkeypatch.setattr(shards, "LEAST_VOXELS", 500)
    assert shard_plan(scans) == [["a", "b", "c"], ["d"], ["e"], ["f"]]
    assert shard_plan(scans.head(0)) == []


def test_a_shard_names_its_faults_and_leaves_its_own_files_alone(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    for number in range(3):
        voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4) + 100 * number
        nib.Nifti1Image(voxels, np.eye(4)).to_filename(archive / f"v{number}.nii")
    catalog = scan_archive([archive], tmp_path / "catalog")
    scans, path = list(catalog.scans["scan"]), tmp_path / "arrays" / "0000007"
    path.parent.mkdir()
    write_shard(catalog, scans, read_labels(catalog, None), path, StoreForm(), frozenset(scans[1:2]))
    rows = read_arrow(path.with_suffix(".arrow")).to_pylist()
    assert [row["scan"] for row in rows] == scans
    assert [row["fault_code"] for row in rows] == ["", "CRASHED", ""]
    assert scans[1] in rows[1]["fault"]
    assert {row["kind"] for row in rows if not row["fault"]} == {"volume"}
    assert catalog.summary()["reasons"]["CRASHED"] == 1
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["0000007.arrow", "0000007.bin", "0000007.blocks.npy"]
