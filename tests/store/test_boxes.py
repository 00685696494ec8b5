"""Boxes of a label table become masks where they lie, and nothing is guessed about those that do not fit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medcl.archive import Catalog, scan_archive
from medcl.errors import UsageError
from medcl.store import Store, prepare
from medcl.store.boxes import SLACK, LabelBox, draw_boxes, read_boxes

SHAPE = (14, 12, 9)


def turned(seed: int) -> np.ndarray:
    """An affine with axes at right angles, turned anyhow."""
    generator = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(generator.normal(size=(3, 3)))[0] @ np.diag(generator.uniform(0.5, 4, 3))
    affine[:3, 3] = generator.uniform(-80, 80, 3)
    return affine


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_a_voxel_is_marked_when_its_center_lies_in_a_box(seed: int) -> None:
    affine, generator = turned(seed), np.random.default_rng(seed)
    centers = np.moveaxis(np.indices(SHAPE), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    boxes = []
    for _ in range(2):
        ends = np.sort(centers.reshape(-1, 3)[generator.integers(0, centers.size // 3, 2)], axis=0)
        boxes.append(LabelBox(tuple(ends[0] - 0.3), tuple(ends[1] + 0.3)))
    expected = [
        ((centers > np.array(box.low) - SLACK) & (centers < np.array(box.high) + SLACK)).all(axis=-1)
        for box in boxes
    ]
    drawn = draw_boxes(boxes, affine, SHAPE)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, np.any(expected, axis=0))


def test_a_box_of_whole_pixels_marks_as_many() -> None:
    drawn = draw_boxes([LabelBox((3, 1), (7, 2)), LabelBox((0, 5), (10, 6))], None, (6, 10))
    assert drawn[1, 3:7].all()
    assert drawn[5].all()
    assert drawn.sum() == 4 + 10


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    archive, generator = tmp_path / "archive", np.random.default_rng(0)
    archive.mkdir()
    for name, affine in (("straight", np.diag([-2.0, 2.0, 3.0, 1.0])), ("oblique", turned(5))):
        volume = generator.normal(100, 10, SHAPE).astype(np.float32)
        nib.save(nib.Nifti1Image(volume, affine), archive / f"{name}.nii.gz")
    seen = generator.normal(100, 10, SHAPE).astype(np.float32)
    nib.save(nib.Nifti1Image(seen, np.diag([1.0, 1.0, 2.0, 1.0])), archive / "seen.nii.gz")
    nib.save(nib.Nifti1Image((seen > 110).astype(np.uint8), np.diag([1, 1, 2, 1])), archive / "drawn.nii.gz")
    Image.fromarray(generator.integers(0, 255, (24, 30), np.uint8)).save(archive / "image.png")
    return scan_archive([archive], tmp_path / "catalog")


def middle(affine: np.ndarray) -> np.ndarray:
    return affine[:3, :3] @ ((np.array(SHAPE) - 1) / 2) + affine[:3, 3]


def rows() -> list[list[str]]:
    around = middle(turned(5))
    oblique = " ".join(f"{value:.3f}" for value in [*(around - 4), *(around + 5)])
    return [
        ["straight.nii.gz", "-20 4 3 -10 12 15", "P1", ""],
        ["straight.nii.gz", "-6 0 18 -1 3 24", "P1", ""],
        ["oblique.nii.gz", oblique, "P2", ""],
        ["image.png", "4 2 9 20", "P3", ""],
        ["seen.nii.gz", "", "P4", "drawn.nii.gz"],
    ]


def write(path: Path, table: list[list[str]]) -> Path:
    pd.DataFrame(table, columns=["file", "box", "patient", "mask"]).to_csv(path, index=False)
    return path


def test_boxes_become_masks_in_the_place_of_their_scan(catalog: Catalog, tmp_path: Path) -> None:
    store = prepare(catalog, tmp_path / "store", write(tmp_path / "t.csv", rows()))
    assert store.record["masks"] == {"boxes": 3, "voxels": 1}
    by_shape = {}
    for row in range(len(store)):
        affine, mask = store.affine(row), store.mask(row)
        assert mask is not None
        if store.scans["mask_from"].iat[row] == "voxels":
            continue
        if affine is None:
            by_shape["image"] = np.argwhere(mask)
        else:
            kind = "straight" if np.allclose(np.diag([2, 2, 3]), affine[:3, :3]) else "oblique"
            by_shape[kind] = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
            assert store.measures([row]).marked[0]
    np.testing.assert_array_equal(by_shape["image"].min(axis=0), [2, 4])
    np.testing.assert_array_equal(by_shape["image"].max(axis=0), [19, 8])
    # Two boxes of one scan, voxels every 2, 2 and 3 mm with one on the origin.
    assert len(by_shape["straight"]) == 6 * 5 * 5 + 3 * 2 * 3
    np.testing.assert_allclose(by_shape["straight"].min(axis=0), [-20, 0, 3], atol=1e-6)
    np.testing.assert_allclose(by_shape["straight"].max(axis=0), [-2, 12, 24], atol=1e-6)
    offset = by_shape["oblique"] - middle(turned(5))
    assert offset.min() >= -4.001
    assert offset.max() <= 5.001
    expected = 9**3 / abs(np.linalg.det(turned(5)[:3, :3]))
    assert abs(len(offset) / expected - 1) < 0.4


def test_the_order_of_rows_does_not_change_a_byte(catalog: Catalog, tmp_path: Path) -> None:
    stores = []
    for number, table in enumerate((rows(), rows()[::-1], [rows()[n] for n in (3, 1, 4, 0, 2)])):
        folder = tmp_path / f"store{number}"
        prepare(catalog, folder, write(tmp_path / f"{number}.csv", table))
        stores.append(
            {
                str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.rglob("*"))
                if path.is_file()
            }
        )
    assert stores[0] == stores[1] == stores[2]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["straight.nii.gz", "4 2 9 20", "P1", ""], "is not 'x0 y0 z0 x1 y1 z1' in RAS"),
        (["image.png", "1 2 3 4 5 6", "P3", ""], "'left top right bottom' in pixels"),
        (["image.png", "1 2 3", "P3", ""], "is not 'x0 y0 z0"),
        (["image.png", "1 2 3 nan", "P3", ""], "is not 'x0 y0 z0"),
        (["image.png", "1 2 3 4; 5 6 7 8", "P3", ""], "write one box per row"),
        (["straight.nii.gz", "secretname", "P1", ""], "is not 'x0 y0 z0"),
        (["image.png", "9 2 4 20", "P3", ""], "does not end above its beginning"),
        (["image.png", "4 2 4 20", "P3", ""], "does not end above its beginning"),
        (["image.png", "4 2 31 20", "P3", ""], "reaches out of its scan"),
        (["image.png", "-1 2 9 20", "P3", ""], "reaches out of its scan"),
        (["straight.nii.gz", "10 4 3 20 12 15", "P1", ""], "reaches out of its scan"),
        (["straight.nii.gz", "-20 4 3 -10 12 27", "P1", ""], "reaches out of its scan"),
        (["straight.nii.gz", "-20 4 3.2 -10 12 5.8", "P1", ""], "holds no voxel"),
        (["seen.nii.gz", "2 2 2 8 8 8", "P4", "drawn.nii.gz"], "has a mask of voxels"),
    ],
)
def test_a_box_that_does_not_fit_is_one_line_that_names_the_row(
    catalog: Catalog, tmp_path: Path, row: list[str], message: str
) -> None:
    table = write(tmp_path / "t.csv", [["oblique.nii.gz", "", "P2", ""], row])
    with pytest.raises(UsageError, match=message) as caught:
        prepare(catalog, tmp_path / "store", table)
    assert str(caught.value).startswith(f"{table}: 1 rows have a 'box'")
    assert str(caught.value).endswith("(lines 3)")
    assert "\n" not in str(caught.value)
    assert "secretname" not in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_rows_of_one_scan_say_the_same_but_for_their_box(catalog: Catalog, tmp_path: Path) -> None:
    box = "4 2 9 20"
    for one, two in ((["P3", ""], ["P4", ""]), (["P3", ""], ["P3", "drawn.nii.gz"])):
        table = write(tmp_path / "t.csv", [["image.png", box, *one], ["image.png", box, *two]])
        with pytest.raises(UsageError, match=r"repeat a 'file'; keep one row each \(lines 2, 3\)"):
            prepare(catalog, tmp_path / "store", table)
    table = write(tmp_path / "t.csv", [["image.png", box, "P3", ""], ["image.png", "", "P3", ""]])
    with pytest.raises(UsageError, match=r"repeat a 'file'; keep one row each \(lines 3\)"):
        prepare(catalog, tmp_path / "store", table)


def test_a_box_belongs_to_one_scan(catalog: Catalog) -> None:
    scans = list(catalog.scans.sort_values("kind", ascending=False)["scan"])  # a volume first
    boxes, faults = read_boxes(catalog, pd.Series(["1 1 1 5 5 5"], index=[7]), [scans[:2]], ())
    assert not boxes
    assert [(rows, "name several scans" in fault) for fault, rows in faults.items()] == [([7], True)]


def test_a_store_without_boxes_says_nothing_of_them(catalog: Catalog, tmp_path: Path) -> None:
    store: Store = prepare(catalog, tmp_path / "store")
    assert set(store.scans["mask_from"]) == {""}
    assert store.record["masks"] == {}
