"""The app as a reader meets it: its own process, a real browser, from a count to the case behind it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medcl.archive import scan_archive
from medcl.demo.cohort import write_cohort
from medcl.evaluate import Primary, evaluate
from medcl.evaluate.report.export import write_csv
from medcl.review.launch import command
from medcl.store import prepare
from tests.review import fake_study

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
PATIENCE_S = 240
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no /usr/bin/chromium: the browser test needs it"),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A study and the store that its predictions speak of, on synthetic patients."""
    folder = tmp_path_factory.mktemp("review")
    before = os.environ.get("MEDCL_HOME")
    os.environ["MEDCL_HOME"] = str(folder / "home")
    try:
        cohort = write_cohort(folder / "cohort", patients=12)
        catalog = scan_archive([cohort / "archive"], folder / "catalog")
        store = prepare(catalog, folder / "store", cohort / "labels.csv")
    finally:
        if before is None:
            del os.environ["MEDCL_HOME"]
        else:
            os.environ["MEDCL_HOME"] = before
    scans = store.scans[store.scans["label"].notna()].reset_index(drop=True)
    table = fake_study.predictions(scans=len(scans), seeds=2)
    names = {f"s-{i:016x}": name for i, name in enumerate(scans["scan"])}
    truth = dict(zip(scans["scan"], (scans["label"] == "abnormal").astype(int), strict=True))
    table["scan"] = table["scan"].map(names)
    table["truth"] = table["scan"].map(truth)
    split = {name: "val" if i < 4 else "test" for i, name in enumerate(_alternating(truth))}
    table["split"] = table["scan"].map(split)
    return fake_study.write_study(folder / "study", table), folder / "store"


def _alternating(truth: dict[str, int]) -> list[str]:
    """Return the scans so that both classes come in turn."""
    return sorted(truth, key=lambda scan: (sum(truth[o] == truth[scan] and o < scan for o in truth), scan))


@pytest.fixture(scope="module")
def address(folders: tuple[Path, Path]) -> Iterator[str]:
    """The app's address; it is started as `medcl review` starts it."""
    study, store = folders
    result = evaluate(
        pd.read_parquet(study / "predictions.parquet"),
        primary=Primary(arm="simclr-probe", budgets=("5/class",)),
        draws=50,
    )
    for name in ("arms", "experiment_cells", "differences"):
        write_csv(getattr(result, name), study / "tables" / f"{name}.csv")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    args = command(study, store, port)
    environment = os.environ | {"STREAMLIT_SERVER_HEADLESS": "true"}
    server = subprocess.Popen(args, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def _wait(address: str) -> None:
    for _ in range(PATIENCE_S):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1)
    raise AssertionError(f"{address} did not answer in {PATIENCE_S} s")


def test_from_a_confusion_count_to_the_case(address: str, folders: tuple[Path, Path]) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(address)
        page.get_by_text("Contrastive pretraining (simclr-probe)").first.wait_for()
        page.get_by_text("Research use only").first.wait_for()
        page.get_by_text("Synthetic data").first.wait_for()
        cells = (
            page.get_by_role("button")
            .filter(has_text="true ")
            .or_(page.get_by_role("button").filter(has_text="false "))
        )
        cells.first.wait_for()
        count_button = next(cells.nth(i) for i in range(cells.count()) if cells.nth(i).is_enabled())
        number, outcome = count_button.inner_text().split(" ", 1)
        count_button.click()
        page.get_by_text(f"{int(number)} of ").first.wait_for()
        page.locator(".picture img").wait_for()
        page.get_by_text(f"{outcome.capitalize()}.").first.wait_for()
        assert page.locator(".picture .letter").all_inner_texts() == ["R", "L", "A", "P"]
        assert "mm" in page.locator(".picture .below").inner_text()
        size = page.evaluate(
            "() => { const i = document.querySelector('.picture img');"
            " return [i.naturalWidth, i.clientWidth, getComputedStyle(i).imageRendering]; }"
        )
        assert size[0] == size[1]
        assert size[2] == "pixelated"
        assert np.isfinite(float(page.locator(".medcl td").nth(2).inner_text()))
        assert page.get_by_text("Traceback").count() == 0
        browser.close()
