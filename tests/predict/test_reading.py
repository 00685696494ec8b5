"""Reading ahead: in order, a bounded number, and past scans that end their process."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from medcl.archive import Catalog, scan_archive
from medcl.predict import reading
from medcl.predict.reading import ReadTask, mismatch, read_ahead
from medcl.processes import BrokenProcessPool
from medcl.store import read_labels
from tests.predict.samples import model, write_archive


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("reading")
    return scan_archive([write_archive(folder / "archive")], folder / "catalog")


def tasks(catalog: Catalog, size: int = 1) -> list[ReadTask]:
    loaded, names = model(), list(catalog.scans["scan"])
    labels = read_labels(catalog, None)
    parts = [tuple(names[start : start + size]) for start in range(0, len(names), size)]
    return [
        ReadTask(number, catalog, scans, labels, loaded.config, loaded.images)
        for number, scans in enumerate(parts)
    ]


def test_scans_come_in_order_with_the_views_of_their_kind(catalog: Catalog) -> None:
    scans = list(read_ahead(tasks(catalog, 2), workers=1))
    assert [one.scan for one in scans] == list(catalog.scans["scan"])
    assert [one.part for one in scans] == [0, 0, 1, 1, 2]
    kinds = catalog.scans["kind"].map({"image": (1, 1, 16, 16), "volume": (4, 1, 16, 16)})
    assert [one.views.shape for one in scans if one.views is not None] == list(kinds)


def test_a_bounded_number_of_tasks_is_taken_ahead(catalog: Catalog) -> None:
    taken: list[int] = []

    def counted() -> Iterator[ReadTask]:
        for task in tasks(catalog):
            taken.append(task.part)
            yield task

    scans = read_ahead(counted(), workers=1)
    next(scans)
    time.sleep(0.2)
    assert len(taken) <= 1 + reading.TASKS_AHEAD
    assert len(list(scans)) == len(taken) - 1 == 4


def test_a_scan_that_ends_its_process_is_left_out_and_named(catalog: Catalog) -> None:
    (task,) = tasks(catalog, size=5)
    killer = task.scans[2]

    def alone(one: ReadTask) -> list[reading.ScanViews]:
        if killer in one.scans:
            raise BrokenProcessPool
        return reading.read_views(one)

    scans = reading._after_death(task, alone)
    assert [one.reason for one in scans] == ["", "", "CRASHED", "", ""]
    assert [one.scan for one in scans] == list(task.scans)
    assert "CRASHED" in catalog.summary()["reasons"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, ""),
        ({"modality": "MR"}, "OTHER_MODALITY"),
        ({"kind": "image"}, "NOT_A_VOLUME"),
        ({"unit": "SUV"}, "OTHER_UNIT"),
    ],
)
def test_what_does_not_fit_the_training_data(row: dict[str, str], reason: str) -> None:
    loaded = model(encoder={"name": "resnet10", "width": 8, "spatial_dims": 3})
    scan = {"modality": "CT", "kind": "volume", "unit": "HU", **row}
    assert mismatch(scan, loaded.config, loaded.images) == reason
