"""The registry of arms: names, descriptions, and what each arm needs."""

from __future__ import annotations

import pytest

from medcl.errors import UsageError
from medcl.finetune import ARMS, arms_by_name, find_arms


def test_arms_that_start_from_the_pretrained_encoder_bear_the_method_s_name() -> None:
    assert "byol-knn" in arms_by_name("byol")
    assert "moco-spread" in arms_by_name("moco")
    for name, arm in arms_by_name("moco").items():
        if name.startswith("moco-"):
            assert arm.needs == "pretrained encoder"


def test_names_are_distinct_and_descriptions_complete() -> None:
    names = arms_by_name("simclr")
    assert len(names) == len(ARMS)
    for arm in names.values():
        description = arm.described("simclr", "resnet10")
        assert description
        assert not set("{}") & set(description)
        assert ("(control)" in description) == arm.control


def test_an_arm_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(UsageError, match="arm 'simclr-prob' does not exist; there are: simclr-probe, simclr"):
        find_arms(["supervised", "simclr-prob"], "simclr")
