"""The store on real files: what is found, kept, refused and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.store import Store, prepare
from tests.killable import kill, start


def test_stored_pixels_are_the_file_s(archive: Path, tmp_path: Path) -> None:
    catalog = scan_archive([archive], tmp_path / "catalog")
    store = prepare(catalog, tmp_path / "store", "folders")
    originals = {np.asarray(Image.open(p)).tobytes() for p in archive.rglob("*.png")}
    assert {store.array(row).tobytes() for row in range(len(store))} == originals
    assert store.scans["label"].value_counts().to_dict() == {"healthy": 24, "abnormal": 16}


def test_numbering_and_splits_do_not_depend_on_names_or_key(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(scan_archive([archive], tmp_path / "c1"), tmp_path / "s1", "folders")
    for path in sorted(archive.rglob("*.png")):
        path.rename(path.with_name(f"renamed-{hash(path.name) % 997}-{path.name}"))
    monkeypatch.setenv("MEDCL_HOME", str(tmp_path / "another-home"))
    second = prepare(scan_archive([archive], tmp_path / "c2"), tmp_path / "s2", "folders")
    assert set(first.scans["scan"]).isdisjoint(second.scans["scan"])
    for column in ("fingerprint", "label", "split"):
        assert first.scans[column].tolist() == second.scans[column].tolist()


def test_masks_follow_their_scan_and_another_grid_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    generator = np.random.default_rng(0)
    drawn = {}
    for number, (name, scale) in enumerate((("a", 3.0), ("b", 4.0))):
        affine = np.diag([-1.0, -1.0, 3.0, 1.0])
        affine[0, 3] = 500 * number
        volume = generator.normal(size=(12, 14, 6)).astype(np.float32)
        drawn[name] = (generator.random((12, 14, 6)) > 0.8).astype(np.uint8) * 2
        nib.Nifti1Image(volume, affine).to_filename(archive / f"{name}.nii.gz")
        affine[2, 2] = scale
        nib.Nifti1Image(drawn[name], affine).to_filename(archive / f"{name}_mask.nii.gz")
    catalog = scan_archive([archive], tmp_path / "c")
    store = prepare(catalog, tmp_path / "s")
    assert len(store) == 2
    masked = [row for row in range(2) if store.mask(row) is not None]
    assert len(masked) == 1
    np.testing.assert_array_equal(store.mask(masked[0]), drawn["a"][::-1, ::-1])
    np.testing.assert_allclose(np.abs(store.affine(masked[0])[:3, :3]), np.diag([1, 1, 3]))
    rows = ["file,label,mask", "a.nii.gz,x,a_mask.nii.gz", "b.nii.gz,y,b_mask.nii.gz"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    with pytest.raises(UsageError, match="1 rows have a 'mask' that is not one usable file"):
        prepare(catalog, tmp_path / "s2", tmp_path / "labels.csv")


def test_an_unfinished_or_foreign_folder_is_refused(archive: Path, tmp_path: Path) -> None:
    catalog = scan_archive([archive], tmp_path / "c")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        prepare(catalog, tmp_path / "full")
    with pytest.raises(UsageError, match="no store"):
        Store.open(tmp_path / "nowhere")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"


def test_a_killed_prepare_goes_on_where_it_stopped(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    np.savez(
        tmp_path / "set.npz",
        train_images=generator.integers(0, 255, (1950, 28, 28), np.uint8),
        train_labels=generator.integers(0, 2, (1950, 1)),
        test_images=generator.integers(0, 255, (50, 28, 28), np.uint8),
        test_labels=generator.integers(0, 2, (50, 1)),
    )
    catalog = scan_archive([tmp_path / "set.npz"], tmp_path / "c")
    whole = prepare(catalog, tmp_path / "whole")
    process = start("prepare", tmp_path / "c", "-o", tmp_path / "killed")
    while not (tmp_path / "killed" / "arrays" / "0000" / "0000001.arrow").exists():
        assert process.is_alive()
        time.sleep(0.002)
    kill(process)
    with pytest.raises(UsageError, match="unfinished"):
        Store.open(tmp_path / "killed")
    done = (tmp_path / "killed" / "arrays" / "0000" / "0000001.arrow").stat().st_mtime_ns
    left = tmp_path / "killed" / "arrays" / "0000" / ".0000002.bin.1.tmp"
    left.touch()
    resumed = prepare(catalog, tmp_path / "killed")
    assert not left.exists()
    assert (tmp_path / "killed" / "arrays" / "0000" / "0000001.arrow").stat().st_mtime_ns == done
    assert resumed.scans.equals(whole.scans)
    assert all((resumed.array(r) == whole.array(r)).all() for r in range(0, len(whole), 97))


def test_copies_are_counted_and_none_is_used_twice(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (12, 28, 28), np.uint8)
    images[3] = images[2]  # with another label
    images[8:10] = images[:2]  # from training to test
    images[5] = images[4]
    arrays = {"train_images": images[:8], "test_images": images[8:]}
    labels = {
        "train_labels": np.array([[0, 1, 0, 1, 1, 1, 0, 1]]).T,
        "test_labels": np.array([[0, 1, 1, 0]]).T,
    }
    np.savez(tmp_path / "set.npz", **arrays, **labels)
    store = prepare(scan_archive([tmp_path / "set.npz"], tmp_path / "c"), tmp_path / "s")
    assert store.record["duplicates"] == {"copies": 3, "crossing_splits": 2, "conflicting_labels": 2}
    used = store.scans[store.scans["split"] != "excluded"]
    assert len(used) == used["fingerprint"].nunique() == 12 - 3 - 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "labels", "facts"),
    [
        ("pneumoniamnist.npz", None, {"copies": 26, "crossing_splits": 10, "conflicting_labels": 0}),
        ("busi", "folders", {"copies": 0, "crossing_splits": 0, "conflicting_labels": 2}),
    ],
)
def test_known_copies_are_found(
    data: Callable[[str], Path], tmp_path: Path, name: str, labels: str | None, facts: dict[str, int]
) -> None:
    store = prepare(scan_archive([data(name)], tmp_path / "c"), tmp_path / "s", labels)
    assert store.record["duplicates"] == facts
    used = store.scans[store.scans["split"] != "excluded"]
    assert (used.groupby("fingerprint")["split"].nunique() == 1).all()


def test_a_tilted_series_is_stored_on_a_right_angled_grid(
    data: Callable[[str], Path], tmp_path: Path
) -> None:
    catalog = scan_archive([data("dicom_ct_philips")], tmp_path / "c")
    store = prepare(catalog, tmp_path / "s")
    axes = store.affine(0)[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    np.testing.assert_allclose(axes.T @ axes, np.diag(lengths**2), atol=1e-6)
    assert store.array(0).min() == -1024
    assert "TILT" in store.scans["flags"].iloc[0]
