"""The order of the tests, where real data is, two tiny scans, and a pseudonym key of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_scans import write_dicom_series, write_nifti

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("MEDCL_DATA", ROOT.parent / "shared" / "data"))

LONGEST = (
    "tests/study/test_run.py",
    "tests/pretrain/test_loop.py",
    "tests/docs/",
    "tests/finetune/",
    "tests/tissue/",
    "tests/store/",
    "tests/pretrain/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first, so that side by side no process ends long after the others."""

    def order(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=order)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of `--dist loadfile`, keep the files of tests/tissue in one process: they share a study of seconds."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/tissue" if nodeid.startswith("tests/tissue/") else super()._split_scope(nodeid)

    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDCL_HOME", str(tmp_path_factory.mktemp("medcl-home")))
        yield


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """Return a function from the name of a development data set to its path; skip where it is absent."""

    def find(name: str) -> Path:
        if not (DATA / name).exists():
            pytest.skip(f"no development data {name} in {DATA}; set MEDCL_DATA")
        return DATA / name

    return find


@pytest.fixture(scope="session")
def tiny_dicom_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CT series of four slices of 16 x 16 pixels."""
    return write_dicom_series(tmp_path_factory.mktemp("dicom") / "series")


@pytest.fixture(scope="session")
def tiny_nifti(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gzipped NIfTI of 16 x 16 x 4 voxels with the values of `tiny_dicom_series`."""
    return write_nifti(tmp_path_factory.mktemp("nifti") / "tiny.nii.gz")
