"""A tilted CT series, and the labels drawn on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from medcl.archive import Catalog, read, read_mask
from medcl.testing import phantom

TILTED = phantom.SliceGeometry(rows=13, columns=11, spacing=(3.0, 3.0), step=3.6, count=6, tilt=15.0)
LABELS = np.zeros((6, 13, 11), np.uint8)
LABELS[1:4, 3:9, 2:7] = 1
LABELS[3:5, 5:7, 4:9] = 2
EXPECTED = LABELS.transpose(2, 1, 0)[::-1, ::-1]
"""(i, j) run right and anterior; rows and columns of DICOM run posterior and left."""


def tilted_series(folder: Path) -> list[Dataset]:
    blank = dict.fromkeys(
        ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"), ""
    )
    slices = phantom.series(TILTED, PositionReferenceIndicator="", ContentDate="20200101", **blank)
    folder.mkdir(parents=True)
    for name, content in phantom.files(slices).items():
        (folder / name).write_bytes(content)
    return slices


def on_the_scan(catalog: Catalog) -> np.ndarray:
    (row,) = catalog.masks.to_dict("records")
    labels = read_mask(catalog, row["mask"], row["scan"])
    assert labels.shape == read(catalog, row["scan"]).array.shape
    return labels
