"""Prediction of new scans: what is predicted, what is counted as left out, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from medcl import predict as module
from medcl.archive import ArchiveError, Catalog, read_all, scan_archive
from medcl.errors import UsageError
from medcl.finetune.model import ModelConfig
from medcl.predict import predict_archive
from medcl.pretrain import EncoderConfig, ViewsConfig
from tests.store.samples import write_images


def config(**changes: Any) -> ModelConfig:
    values: dict[str, Any] = {
        "encoder": EncoderConfig(),
        "views": ViewsConfig(policy="unknown", size_px=16),
        "names": ("healthy", "abnormal"),
        "threshold": 0.5,
        "units": ("a.u.", "display", "HU"),
        "modalities": ("unknown", "CT"),
        "arm": "supervised",
        "budget": "all",
        "seed": 3,
    }
    return ModelConfig(**values | changes)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model that predicts 0.4, 0.5, 0.6, ... in turn, for scans of any kind."""
    loaded = SimpleNamespace(config=config(), images=SimpleNamespace(volumes_only=False), classifier=None)
    monkeypatch.setattr(module.Model, "load", lambda _: loaded)
    monkeypatch.setattr(module, "predict", lambda _, store, rows, images: 0.4 + 0.1 * np.arange(len(rows)))
    return loaded


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three images, one of them twice, a volume, and a text file."""
    folder = write_images(tmp_path / "archive", {"a": 3})
    (folder / "copy.png").write_bytes((folder / "a" / "a0.png").read_bytes())
    voxels = np.random.default_rng(1).integers(0, 500, (9, 8, 7)).astype(np.int16)
    nib.Nifti1Image(voxels, np.eye(4)).to_filename(folder / "volume.nii")
    (folder / "notes.txt").write_text("not a scan")
    return folder


def test_every_scan_is_in_the_table_and_every_other_file_is_counted(
    model: Any, archive: Path, tmp_path: Path
) -> None:
    result = predict_archive(tmp_path / "run", [archive], tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table.columns) == [
        "scan",
        "patient",
        "site",
        "arm",
        "budget",
        "seed",
        "probability",
        "positive",
    ]
    np.testing.assert_allclose(table["probability"], [0.4, 0.5, 0.6, 0.7, 0.8])
    assert table["positive"].tolist() == [False, True, True, True, True]
    assert set(table["seed"]) == {3}
    assert not table["scan"].duplicated().any()
    assert result == {
        "scans": 5,
        "positive": 4,
        "left_out": {},
        "files_not_used": {"NOT_AN_IMAGE": 1},
        "model": "supervised at all",
        "out": str(tmp_path / "p.csv"),
    }


def test_scans_unlike_the_training_data_are_left_out_with_a_reason(
    model: Any, archive: Path, tmp_path: Path
) -> None:
    model.images.volumes_only = True
    result = predict_archive(tmp_path / "run", [archive], tmp_path / "p.parquet")
    assert (result["scans"], result["left_out"]) == (1, {"NOT_A_VOLUME": 4})
    assert len(pd.read_parquet(tmp_path / "p.parquet")) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"modalities": ("MR",)}, "OTHER_MODALITY"), ({"units": ("HU",)}, "OTHER_UNIT")],
)
def test_nothing_to_predict_says_why(
    model: Any, archive: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    model.config = config(**changes)
    with pytest.raises(UsageError) as caught:
        predict_archive(tmp_path / "run", [archive], tmp_path / "p.csv")
    line = str(caught.value)
    assert f"the model was trained on {', '.join(model.config.modalities)} in" in line
    assert f"5 {reason} (" in line
    assert not (tmp_path / "p.csv").exists()


def test_a_stated_modality_is_that_of_files_which_record_none(
    model: Any, archive: Path, tmp_path: Path
) -> None:
    model.config = config(modalities=("CT",))
    assert predict_archive(tmp_path / "run", [archive], tmp_path / "p.csv", "ct")["scans"] == 5
    with pytest.raises(UsageError, match="--modality potato: not a DICOM modality; write CT, MR"):
        predict_archive(tmp_path / "run", [archive], tmp_path / "q.csv", "potato")


def test_no_trace_of_the_files_is_left_and_an_earlier_catalog_of_them_stays_readable(
    model: Any, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "home"))
    predict_archive(tmp_path / "run", [archive], tmp_path / "p.csv")
    assert not Catalog.located()
    catalog = scan_archive([archive], tmp_path / "catalog")
    predict_archive(tmp_path / "run", [archive], tmp_path / "q.csv")
    assert Catalog.located() == {catalog.identity}
    assert [scan for _, scan in read_all(catalog) if isinstance(scan, ArchiveError)] == []


@pytest.mark.parametrize(
    ("name", "line"), [("p.xlsx", "name a .parquet or a .csv file"), ("there.csv", "already exists")]
)
def test_a_wrong_table_is_refused_before_the_model_is_read(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "there.csv").touch()
    with pytest.raises(UsageError, match=f"{name}:? {line}"):
        predict_archive(tmp_path / "nowhere", [tmp_path], tmp_path / name)
