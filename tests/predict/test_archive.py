"""Prediction of new scans: what is predicted, counted as left out and refused, and how a run resumes."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medcl.archive import ArchiveError, Catalog, read_all, scan_archive
from medcl.cli.app import _interrupt
from medcl.errors import Interrupted, UsageError
from medcl.finetune import Model, predict
from medcl.predict import archive as module
from medcl.predict import predict_archive, reading
from medcl.store import prepare
from tests import killable
from tests.predict.samples import config, write_archive, write_model
from tests.store.samples import write_images

COLUMNS = ["scan", "patient", "site", "arm", "budget", "seed", "probability", "positive"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_model(tmp_path / "run")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return write_archive(tmp_path / "archive")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCANS_PER_PART", 2)


def test_every_scan_is_in_the_table_and_every_other_file_is_counted(
    run: Path, archive: Path, tmp_path: Path
) -> None:
    result = predict_archive(run, [archive], tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv")
    assert list(table.columns) == COLUMNS
    assert set(table["seed"]) == {3}
    assert not table["scan"].duplicated().any()
    assert (table["positive"] == (table["probability"] >= 0.5)).all()
    assert result == {
        "scans": 5,
        "positive": int(table["positive"].sum()),
        "left_out": {},
        "files_not_used": {"NOT_AN_IMAGE": 1},
        "model": "supervised at all",
        "out": str(tmp_path / "p.csv"),
    }
    assert not (tmp_path / "p.csv.parts").exists()


FORMS = [{}, {"spacing_mm": 1.5, "crop_body": True}]


@pytest.mark.parametrize("form", FORMS, ids=["as they are", "cropped and resampled"])
def test_predictions_are_those_through_a_store(tmp_path: Path, form: dict[str, Any]) -> None:
    """Images, volumes with a mask, with padding and with tilted axes, and one that cannot be read."""
    archive, generator = write_archive(tmp_path / "archive"), np.random.default_rng(2)
    sheared = np.eye(4)
    sheared[1, 2] = 0.4
    for name, affine in {"masked": np.diag([1.0, 1.0, 3.0, 1.0]), "tilted": sheared}.items():
        voxels = generator.normal(100, 30, (12, 14, 10)).astype(np.float32)
        nib.Nifti1Image(voxels, affine).to_filename(archive / f"{name}.nii")
    nib.Nifti1Image((voxels > 140).astype(np.uint8), np.diag([1.0, 1.0, 3.0, 1.0])).to_filename(
        archive / "masked_seg.nii"
    )
    voxels[0, 0] = np.nan  # .6 % of the voxels
    nib.Nifti1Image(voxels, np.eye(4)).to_filename(archive / "padded.nii")
    nib.Nifti1Image(voxels * np.nan, np.eye(4)).to_filename(archive / "lost.nii")
    run = write_model(tmp_path / "run", store_form=form)
    result = predict_archive(run, [archive], tmp_path / "p.csv")
    table = pd.read_csv(tmp_path / "p.csv")
    model = Model.load(run)
    store = prepare(
        scan_archive([archive], tmp_path / "catalog"), tmp_path / "store", form=model.config.store_form
    )
    expected = predict(model.classifier, store, range(len(store)), model.images)
    assert table["scan"].tolist() == store.scans["scan"].tolist()
    assert table["patient"].tolist() == store.scans["patient"].tolist()
    np.testing.assert_allclose(table["probability"], expected, rtol=0, atol=1e-6)
    assert np.ptp(expected) > 0.01
    assert store.scans["mask_from"].ne("").sum() == 1
    assert result["left_out"] == {
        code: count for code, count in store.record["left_out"].items() if code != "EXACT_COPY"
    }
    ledger = Catalog.open(tmp_path / "catalog").ledger
    assert sum(result["files_not_used"].values()) == (ledger["state"] != "used").sum() >= 2


def test_a_scan_that_cannot_be_read_is_left_out_with_its_reason(
    run: Path, archive: Path, tmp_path: Path, small_parts: None
) -> None:
    nib.Nifti1Image(np.full((9, 8, 7), np.nan, np.float32), np.eye(4)).to_filename(archive / "lost.nii")
    result = predict_archive(run, [archive], tmp_path / "p.csv")
    assert (result["scans"], sum(result["left_out"].values())) == (5, 1)
    (reason,) = result["left_out"]
    assert result["files_not_used"] == {"NOT_AN_IMAGE": 1, reason: 1}


def test_scans_unlike_the_training_data_are_left_out_with_a_reason(archive: Path, tmp_path: Path) -> None:
    encoder = {"name": "resnet10", "width": 8, "spatial_dims": 3}
    run = write_model(tmp_path / "volumes", encoder=encoder)
    result = predict_archive(run, [archive], tmp_path / "p.parquet")
    assert (result["scans"], result["left_out"]) == (1, {"NOT_A_VOLUME": 4})
    assert len(pd.read_parquet(tmp_path / "p.parquet")) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"modalities": ("MR",)}, "OTHER_MODALITY"), ({"units": ("HU",)}, "OTHER_UNIT")],
)
def test_nothing_to_predict_says_why(
    archive: Path, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    settings = config(**changes)
    run = write_model(tmp_path / "other", **changes)
    with pytest.raises(UsageError) as caught:
        predict_archive(run, [archive], tmp_path / "p.csv")
    line = str(caught.value)
    assert f"the model was trained on {', '.join(settings.modalities)} in" in line
    assert f"5 {reason} (" in line
    assert not list(tmp_path.glob("p.csv*"))


def test_scans_of_another_modality_are_not_read(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_model(tmp_path / "other", modalities=("MR",))
    monkeypatch.setattr(reading, "stored_scan", lambda *_: pytest.fail("a scan was read"))
    with pytest.raises(UsageError, match="5 OTHER_MODALITY"):
        predict_archive(run, [archive], tmp_path / "p.csv")


def test_a_stated_modality_is_that_of_files_which_record_none(archive: Path, tmp_path: Path) -> None:
    run = write_model(tmp_path / "ct", modalities=("CT",))
    assert predict_archive(run, [archive], tmp_path / "p.csv", "ct")["scans"] == 5
    with pytest.raises(UsageError, match="--modality potato: not a DICOM modality; write CT, MR"):
        predict_archive(run, [archive], tmp_path / "q.csv", "potato")


def test_no_trace_of_the_files_is_left_and_a_catalog_of_them_stays_readable(
    run: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "home"))
    predict_archive(run, [archive], tmp_path / "p.csv")
    assert not Catalog.located()
    catalog = scan_archive([archive], tmp_path / "catalog")
    predict_archive(run, [archive], tmp_path / "q.csv")
    assert Catalog.located() == {catalog.identity}
    assert [scan for _, scan in read_all(catalog) if isinstance(scan, ArchiveError)] == []
    again = scan_archive([archive], tmp_path / "again")
    assert again.identity == catalog.identity


def test_a_catalog_that_is_made_while_a_run_is_interrupted_stays_readable(
    run: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None
) -> None:
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "home"))
    interrupted(run, archive, tmp_path / "p.csv", monkeypatch)
    assert len(Catalog.located()) == 1
    catalog = scan_archive([archive], tmp_path / "catalog")
    predict_archive(run, [archive], tmp_path / "p.csv")
    assert Catalog.located() == {catalog.identity}


def interrupted(run: Path, archive: Path, out: Path, monkeypatch: pytest.MonkeyPatch, after: int = 1) -> None:
    """Predict until a signal arrives while a part is scored, after some parts."""
    numbers = itertools.count()

    def stop(*args: Any) -> dict[str, float]:
        if next(numbers) == after:
            raise Interrupted("stopped", signal.SIGTERM)
        return score(*args)

    score = module.score
    with monkeypatch.context() as patch:
        patch.setattr(module, "score", stop)
        with pytest.raises(Interrupted):
            predict_archive(run, [archive], out)
    assert not out.exists()


def test_an_interrupted_run_reads_only_what_is_missing(
    run: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None
) -> None:
    result = predict_archive(run, [archive], tmp_path / "p.csv")
    interrupted(run, archive, tmp_path / "q.csv", monkeypatch)
    scans: list[str] = []
    stored = reading.stored_scan
    monkeypatch.setattr(reading, "stored_scan", lambda *args: scans.append(args[1]) or stored(*args))
    resumed = predict_archive(run, [archive], tmp_path / "q.csv")
    assert len(scans) == 3
    assert resumed == {**result, "out": str(tmp_path / "q.csv")}
    assert (tmp_path / "q.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()


def test_parts_of_another_model_or_a_changed_archive_are_refused_and_kept(
    run: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None
) -> None:
    out = tmp_path / "p.csv"
    interrupted(run, archive, out, monkeypatch)
    other = write_model(tmp_path / "other", threshold=0.9)
    for folders in ((other, archive), (run, write_archive(tmp_path / "more", 4))):
        with pytest.raises(UsageError, match=r"p\.csv\.parts: was begun with other arguments"):
            predict_archive(folders[0], [folders[1]], out)
    assert predict_archive(run, [archive], out)["scans"] == 5


def test_a_run_without_a_finished_part_begins_anew_whatever_the_model(
    run: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "home"))
    interrupted(run, archive, tmp_path / "p.csv", monkeypatch, after=0)
    other = write_model(tmp_path / "other", threshold=0.0)
    more = write_archive(tmp_path / "more", 4)
    assert predict_archive(other, [more], tmp_path / "p.csv")["positive"] == 6
    assert not Catalog.located()


def test_a_run_that_was_killed_after_its_table_was_complete_is_finished(
    run: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "home"))
    out = tmp_path / "p.csv"
    with monkeypatch.context() as patch:
        patch.setattr(module.Parts, "remove", lambda _: None)
        result = predict_archive(run, [archive], out)
    with pytest.raises(UsageError, match="already exists"):
        predict_archive(write_model(tmp_path / "other", threshold=0.9), [archive], out)
    assert predict_archive(run, [archive], out) == result
    assert not Catalog.located()
    assert sorted(path.name for path in tmp_path.glob("p.csv*")) == ["p.csv"]
    with pytest.raises(UsageError, match="already exists"):
        predict_archive(run, [archive], out)


def test_workers_change_nothing(run: Path, archive: Path, tmp_path: Path, small_parts: None) -> None:
    nib.Nifti1Image(np.full((9, 8, 7), np.nan, np.float32), np.eye(4)).to_filename(archive / "lost.nii")
    one = predict_archive(run, [archive], tmp_path / "one.parquet")
    two = predict_archive(run, [archive], tmp_path / "two.parquet", workers=2)
    assert {**one, "out": ""} == {**two, "out": ""}
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_a_killed_process_that_is_called_again_gives_the_same_table(run: Path, tmp_path: Path) -> None:
    archive, out = write_images(tmp_path / "images", {"a": 400}), tmp_path / "p.csv"
    killable.start_server()
    process = killable.start("predict", run, archive, "-o", out)
    while not list(tmp_path.glob("p.csv.parts/0000000.parquet")):
        assert process.is_alive()
        time.sleep(0.002)
    killable.kill(process)
    assert not out.exists()
    assert predict_archive(run, [archive], out)["scans"] == 400
    predict_archive(run, [archive], tmp_path / "q.csv")
    assert out.read_bytes() == (tmp_path / "q.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("?.csv*")) == ["p.csv", "q.csv"]


def test_a_signal_ends_a_run_that_can_be_resumed(run: Path, tmp_path: Path, small_parts: None) -> None:
    archive, out = write_images(tmp_path / "images", {"a": 100}), tmp_path / "p.csv"

    def send_when_begun() -> None:
        while not list(tmp_path.glob("p.csv.parts/0000001.parquet")):
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    earlier = signal.signal(signal.SIGTERM, _interrupt)
    sender = threading.Thread(target=send_when_begun)
    try:
        sender.start()
        with pytest.raises(Interrupted):
            predict_archive(run, [archive], out)
    finally:
        sender.join()
        signal.signal(signal.SIGTERM, earlier)
    assert not out.exists()
    assert predict_archive(run, [archive], out)["scans"] == 100


def test_memory_is_flat_in_the_number_of_scans(run: Path, tmp_path: Path, small_parts: None) -> None:
    generator, edge, peaks = np.random.default_rng(0), 384, []
    for count in (4, 16, 64):
        archive = tmp_path / f"{count}"
        archive.mkdir()
        for number in range(count):
            pixels = generator.integers(0, 255, (edge, edge), np.uint8)
            Image.fromarray(pixels).save(archive / f"{number}.png", compress_level=1)
        tracemalloc.start()
        predict_archive(run, [archive], tmp_path / f"{count}.csv")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    pixels_of_all = (64 - 16) * edge**2
    assert peaks[2] - peaks[1] < 0.25 * pixels_of_all, peaks


def test_a_table_inside_the_archive_is_refused(run: Path, archive: Path) -> None:
    with pytest.raises(UsageError, match="inside the archive, whose next scan would read it"):
        predict_archive(run, [archive], archive / "p.csv")
    assert not list(archive.glob("p.csv*"))


@pytest.mark.parametrize(
    ("name", "line"), [("p.xlsx", "name a .parquet or a .csv file"), ("there.csv", "already exists")]
)
def test_a_wrong_table_is_refused_before_the_model_is_read(tmp_path: Path, name: str, line: str) -> None:
    (tmp_path / "there.csv").touch()
    with pytest.raises(UsageError, match=f"{name}:? {line}"):
        predict_archive(tmp_path / "nowhere", [tmp_path], tmp_path / name)
