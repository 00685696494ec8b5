"""What the names of arms and budgets mean."""

from __future__ import annotations

import pandas as pd
import pytest

from medcl.evaluate.arms import budget_label, corruption, label_count, on_clean_images, order_budgets


@pytest.mark.parametrize(
    ("arm", "meaning"),
    [
        ("simclr-probe@noise-3", ("simclr-probe", "noise", 3)),
        ("a@b@low-dose-12", ("a@b", "low-dose", 12)),
        ("simclr-probe", None),
        ("simclr@noise", None),
        ("@noise-3", None),
    ],
)
def test_a_corrupted_arm_names_its_corruption(arm: str, meaning: tuple[str, str, int] | None) -> None:
    assert corruption(arm) == meaning


def test_clean_images_are_those_without_corruption() -> None:
    table = pd.DataFrame({"arm": ["a", "a@noise-1", "b-2", "a"], "n": range(4)})
    assert on_clean_images(table)["n"].tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("budget", "counts", "labels"),
    [
        ("5/class", {}, 10),
        ("5/class", {"5/class": 9}, 9),
        ("all", {"all": 400}, 400),
        ("all", {}, None),
        ("1%", {"all": 400}, 4),
        ("2.5%", {"all": 400}, 10),
        ("1%", {}, None),
        ("few", {"all": 400}, None),
    ],
)
def test_labels_are_counted_where_the_budget_says_how_many(
    budget: str, counts: dict[str, int], labels: float | None
) -> None:
    assert label_count(budget, counts) == labels


def test_budgets_are_ordered_by_labels_and_all_is_last() -> None:
    budgets = ["all", "20/class", "5/class", "1%", "20/class", "10%"]
    assert order_budgets(budgets, {}) == ["5/class", "20/class", "1%", "10%", "all"]
    assert order_budgets(budgets, {"all": 2000}) == ["5/class", "1%", "20/class", "10%", "all"]
    assert order_budgets(["all", "few", "5/class"], {"all": 2}) == ["5/class", "few", "all"]


@pytest.mark.parametrize(
    ("budget", "label"),
    [
        ("1/class", "1 label per class"),
        ("20/class", "20 labels per class"),
        ("2.5%", "2.5 % of the labels"),
        ("all", "all labels"),
        ("few", "few"),
    ],
)
def test_a_budget_reads_as_labels(budget: str, label: str) -> None:
    assert budget_label(budget) == label
