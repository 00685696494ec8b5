"""Figures of the tables of scans: every test scan at its place, in the color of its class."""

from __future__ import annotations

from pathlib import Path

from medcl.palette import BLUE, VERMILION
from medcl.review.charts import translucent
from medcl.review.scan_figures import SCAN_FIGURES, embedding_map
from medcl.review.study import fingerprint, load_study
from medcl.study.scan_tables import SCAN_TABLES
from tests.review import fake_study


def test_the_map_shows_each_test_scan_once_and_the_classes_apart(tmp_path: Path) -> None:
    folder = fake_study.write_study(tmp_path / "s")
    before = fingerprint(folder)
    fake_study.write_embeddings(folder)
    assert fingerprint(folder) != before
    study = load_study(folder)
    table = study.scan_table("embeddings")
    assert table is not None
    healthy, abnormal = embedding_map(study, table).data
    assert (healthy.name, healthy.marker.color) == ("healthy", translucent(BLUE, 0.6))
    assert (abnormal.name, abnormal.marker.color) == ("abnormal", translucent(VERMILION, 0.6))
    assert list(healthy.x) == [i for i in range(60) if i % 10 >= 2 and i % 2 == 0]
    assert list(abnormal.x) == [i for i in range(60) if i % 10 >= 2 and i % 2 == 1]
    assert abnormal.text[0] == f"s-{3:016x}"


def test_every_figure_has_a_table_that_studies_write() -> None:
    assert {figure.table for figure in SCAN_FIGURES} <= set(SCAN_TABLES)


def test_a_study_without_the_table_has_none(tmp_path: Path) -> None:
    assert load_study(fake_study.write_study(tmp_path / "s")).scan_table("embeddings") is None
