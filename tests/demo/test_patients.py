"""Patients of the cohort are balanced and independent of each other."""

from __future__ import annotations

import pandas as pd

from medcl.demo.patients import draw_patients


def test_a_patient_does_not_depend_on_the_others() -> None:
    rng = draw_patients(4, 0)[0].generator
    assert rng.random() == draw_patients(40, 0)[0].generator.random()


def test_labels_are_balanced_within_site_format_and_sex() -> None:
    for count in (2, 7, 60, 120):
        drawn = draw_patients(count, 5)
        table = pd.DataFrame([vars(who) for who in drawn])
        assert len(table) == count
        assert table["abnormal"].sum() == count // 2
        for column in ("scanner", "nifti", "sex"):
            split = table.groupby(column)["abnormal"].agg(["sum", "size"])
            assert ((split["size"] - 2 * split["sum"]).abs() <= 1).all()
