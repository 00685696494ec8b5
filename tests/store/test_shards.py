"""Shards: which scans are in each, and faults that cost one scan."""

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
from medcl.store.shards import shard_plan, write_shard


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
