"""Names that tables hold are the same wherever they are written and read."""

from __future__ import annotations

from medcl.evaluate import Primary
from medcl.finetune import arms_by_name
from medcl.names import SPLITS, SUPERVISED


def test_the_default_baseline_is_an_arm() -> None:
    assert SUPERVISED in arms_by_name("simclr")
    assert Primary(arm="a").baseline == SUPERVISED


def test_splits_are_in_the_order_of_tables() -> None:
    assert SPLITS == ("train", "val", "test")
