from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medcl.store.columns import (
    MEASURES,
    PLACES,
    NumberColumns,
    ScanMeasures,
    measured_row,
    read_arrow,
    to_table,
    write_arrow,
)
from medcl.store.measure import measure

AFFINE = np.diag([1.0, 1.0, 4.0, 1.0])


@pytest.fixture
def rows() -> list[dict[str, object]]:
    generator = np.random.default_rng(0)
    volume = generator.normal(size=(16, 18, 9)).astype(np.float32)
    valid = np.ones(volume.shape, bool)
    valid[:3] = False
    mask = np.zeros(volume.shape, np.uint8)
    mask[4:8, 5:9, 2:6] = 1
    image = generator.integers(0, 255, (12, 10, 3), np.uint8)
    measured = [
        measured_row(volume.shape, (1, 1, 4), AFFINE, measure(volume, "a.u.", 3, valid, mask), valid),
        measured_row(image.shape, None, None, measure(image, "display", 2)),
    ]
    place = dict.fromkeys(PLACES, 0)
    return [{"scan": f"s-{n}", **place, **row} for n, row in enumerate(measured)]


def test_columns_on_disk_say_what_was_measured(rows: list[dict[str, object]], tmp_path: Path) -> None:
    write_arrow(to_table(rows), tmp_path / "scans.arrow")
    columns = NumberColumns(read_arrow(tmp_path / "scans.arrow"))
    stored, direct = columns.measures(np.array([1, 0])), ScanMeasures.of(rows).take(np.array([1, 0]))
    for name in (*MEASURES, "marks", "marked"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(direct, name), err_msg=name)
    assert stored.extents[0] is None
    np.testing.assert_array_equal(stored.extents[1].box, [[3, 16], [0, 18], [0, 9]])
    assert stored.marked.tolist() == [False, True]
    assert (stored.marks[1] >= [4, 5, 2]).all()
    assert (stored.marks[1] < [8, 9, 6]).all()
    assert stored.shape.tolist() == [[12, 10, 1], [16, 18, 9]]
    assert stored.channels.tolist() == [3, 0]
    assert np.isnan(stored.spacing_mm[0]).all()
    np.testing.assert_array_equal(stored.affine[1], AFFINE)


def test_positions_are_left_on_disk_where_nobody_asks(rows: list[dict[str, object]], tmp_path: Path) -> None:
    write_arrow(to_table(rows), tmp_path / "scans.arrow")
    measures = NumberColumns(read_arrow(tmp_path / "scans.arrow")).measures(np.array([0, 1]), anchored=False)
    assert measures.anchors.shape == (2, 0, 3)
    assert measures.marks.shape == (2, 0, 3)
    assert measures.box.shape == (2, 3, 2)


def test_an_empty_table_has_no_measures(tmp_path: Path) -> None:
    write_arrow(to_table([]), tmp_path / "scans.arrow")
    assert len(NumberColumns(read_arrow(tmp_path / "scans.arrow")).measures(np.zeros(0, int))) == 0
