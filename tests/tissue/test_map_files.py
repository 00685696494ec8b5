"""Maps on disk."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from medcl.tissue.map_files import map_path, read_map, save_map, save_volume


def test_a_saved_map_has_the_place_of_its_scan(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    probability = generator.random((5, 6, 7)).astype(np.float32)
    probability[0, 0, :2] = 0, 1
    affine = np.array([[0, 2.0, 0, -7], [-1.5, 0, 0, 3], [0, 0, 4.0, 11], [0, 0, 0, 1]])
    save_map(probability, affine, tmp_path / "map.nii.gz")
    image = nib.load(tmp_path / "map.nii.gz")
    np.testing.assert_allclose(image.affine, affine)
    np.testing.assert_allclose(image.get_fdata(), probability, atol=1e-5)
    np.testing.assert_array_equal(read_map(tmp_path / "map.nii.gz")[0, 0, :2], [0, 1])


def test_a_map_is_named_by_its_cell_and_its_scan() -> None:
    assert map_path("p-1", "supervised", 2, "test", "s-9") == "folds/p-1/supervised_2/test-s-9.nii.gz"


def test_a_map_written_twice_is_the_same_file(tmp_path: Path) -> None:
    probability = np.linspace(0, 1, 60).reshape(3, 4, 5)
    for name in ("a.nii.gz", "b.nii.gz"):
        save_map(probability, np.eye(4), tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    np.testing.assert_allclose(read_map(tmp_path / "a.nii.gz"), probability, atol=0.5 / 65535 + 1e-7)


def test_labels_are_saved_as_they_are(tmp_path: Path) -> None:
    labels = np.array([[[0, 1], [2, 255]]], np.uint8)
    save_volume(labels, np.diag([2.0, 2.0, 3.0, 1.0]), tmp_path / "labels.nii.gz")
    image = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), labels)
    np.testing.assert_allclose(image.header.get_zooms(), (2, 2, 3))
