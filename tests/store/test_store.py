"""A store on disk: what opens, what each row gives, and how its arrays are laid."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.store import Store, prepare


@pytest.fixture
def store(tmp_path: Path) -> Store:
    generator = np.random.default_rng(0)
    (tmp_path / "archive").mkdir()
    for number, spacing in enumerate(((1.0, 1.0, 3.0), (3.0, 1.0, 1.0), (1.0, 3.0, 1.0), (1.0, 1.0, 1.0))):
        volume = generator.integers(0, 1000, (20, 24, 16)).astype(np.int16)
        nib.Nifti1Image(volume, np.diag([*spacing, 1.0])).to_filename(tmp_path / "archive" / f"{number}.nii")
    return prepare(scan_archive([tmp_path / "archive"], tmp_path / "catalog"), tmp_path / "store")


def volumes(tmp_path: Path) -> list[np.ndarray]:
    paths = sorted((tmp_path / "archive").iterdir())
    return [np.asarray(nib.as_closest_canonical(nib.load(path)).dataobj) for path in paths]


def test_each_volume_is_stored_once_with_slices_contiguous(store: Store, tmp_path: Path) -> None:
    expected = volumes(tmp_path)
    for row in range(len(store)):
        array, axis = store.array(row), int(store.measures([row]).slice_axis[0])
        assert sum(np.array_equal(array, volume) for volume in expected) == 1
        assert np.moveaxis(array, axis, 0)[0].flags.c_contiguous
        along = np.linalg.norm(store.affine(row)[:3, :3], axis=0)
        assert along[axis] == store.measures([row]).spacing_mm.max()


def test_a_box_reads_its_slices_alone(store: Store) -> None:
    for row in range(len(store)):
        whole = store.array(row)
        axis = int(store.measures([row]).slice_axis[0])
        box = np.array([[2, 9], [3, 12], [4, 8]])
        inside = tuple(slice(*ends) if n == axis else slice(None) for n, ends in enumerate(box))
        np.testing.assert_array_equal(store.array(row, box)[inside], whole[inside])
        np.testing.assert_array_equal(store.array(row, box - 1000).shape, whole.shape)


def test_another_form_is_refused_with_what_to_do(store: Store) -> None:
    record = json.loads((store.folder / "store.json").read_text())
    (store.folder / "store.json").write_text(json.dumps({**record, "format": 2}))
    with pytest.raises(UsageError, match="run 'medcl prepare' on its catalog again, into a new folder"):
        Store.open(store.folder)


@pytest.mark.parametrize("name", ["store.json", "scans.arrow", "splits.parquet"])
@pytest.mark.parametrize("size", [0, 100])
def test_a_cut_table_is_named_with_what_to_do(name: str, size: int, store: Store) -> None:
    path = store.folder / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UsageError, match="copy the store again, or prepare it into a new folder"):
        Store.open(store.folder)


@pytest.mark.parametrize("name", ["scans.arrow", "splits.parquet"])
def test_a_missing_table_is_named_with_what_to_do(name: str, store: Store) -> None:
    (store.folder / name).unlink()
    with pytest.raises(UsageError, match="copy the store again, or prepare it into a new folder"):
        Store.open(store.folder)


def test_splits_follow_scans_and_not_rows(store: Store) -> None:
    path = store.folder / "splits.parquet"
    splits = pd.read_parquet(path)
    splits.iloc[::-1].to_parquet(path, index=False)
    again = Store.open(store.folder)
    assert again.scans["split"].tolist() == store.scans["split"].tolist()
    splits.iloc[1:].to_parquet(path, index=False)
    with pytest.raises(UsageError, match="does not name each scan of the store once"):
        Store.open(store.folder)


def test_a_store_is_pickled_as_its_path(store: Store) -> None:
    packed = pickle.dumps(store)
    assert len(packed) < 500
    np.testing.assert_array_equal(pickle.loads(packed).array(0), store.array(0))  # noqa: S301


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two volumes, one with a mask."""
    folder = tmp_path_factory.mktemp("store")
    (folder / "archive").mkdir()
    generator = np.random.default_rng(0)
    for number in range(2):
        volume = generator.normal(size=(6, 5, 4)).astype(np.float32)
        nib.Nifti1Image(volume, np.diag([1, 2, 3, 1])).to_filename(folder / "archive" / f"v{number}.nii")
    mask = (volume > 0).astype(np.uint8)
    nib.Nifti1Image(mask, np.diag([1, 2, 3, 1])).to_filename(folder / "archive" / "v1_seg.nii")
    return prepare(scan_archive([folder / "archive"], folder / "catalog"), folder / "store")


def test_a_row_gives_pixels_affine_and_mask(masked: Store) -> None:
    assert len(masked) == 2
    (row,) = [row for row in range(2) if masked.mask(row) is not None]
    np.testing.assert_array_equal(masked.mask(row), masked.array(row) > 0)
    for row in range(2):
        assert masked.array(row).shape == (6, 5, 4)
        np.testing.assert_allclose(masked.affine(row), np.diag([1, 2, 3, 1]))
        assert masked.valid(row) is None


def test_pixels_are_read_only(masked: Store) -> None:
    with pytest.raises(ValueError, match="read-only"):
        masked.array(0)[0, 0, 0] = 1


def test_rows_of_a_split_are_numbered(masked: Store) -> None:
    splits = [masked.rows(split) for split in ("train", "val", "test", "excluded")]
    assert sorted(np.concatenate(splits)) == [0, 1]
    assert all((masked.scans["split"].iloc[rows] == name).all()
               for name, rows in zip(("train", "val", "test"), splits, strict=False))  # fmt: skip


def test_rows_with_text_in_their_pixels_are_not_shown(masked: Store) -> None:
    one = Store(masked.folder, masked.scans.assign(flags=["BURNED_IN_RISK;LOSSY", "LOSSY"]), masked.record)
    assert one.showable() == [1]
    none = Store(masked.folder, masked.scans.assign(flags="BURNED_IN_RISK"), masked.record)
    with pytest.raises(UsageError, match=r"every scan may have text burned in \(BURNED_IN_RISK\)"):
        none.showable()


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    for folder, state in (
        (tmp_path / "nowhere", "no store"),
        (tmp_path, "an unfinished store; run the same 'medcl prepare' again"),
    ):
        with pytest.raises(UsageError) as caught:
            Store.open(folder)
        assert str(caught.value) == f"{folder}: {state}"
