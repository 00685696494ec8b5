"""Settings of a pretraining run: the shipped file, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medcl.config import load, shipped, validate
from medcl.errors import UsageError
from medcl.pretrain import PretrainConfig

SMALLEST: dict[str, Any] = {"store": "store", "views": {"policy": "ct", "size_px": 32}, "epochs": 2}


def test_the_shipped_settings_are_valid_and_take_overrides() -> None:
    config = load(shipped("pretrain.yaml"), PretrainConfig, ["store=a", "method.temperature=0.3", "epochs=3"])
    assert (config.store, config.method.temperature, config.epochs) == (Path("a"), 0.3, 3)


def test_a_run_needs_a_store_views_and_epochs_alone() -> None:
    config = validate(SMALLEST, PretrainConfig, "run.yaml")
    assert (config.method.name, config.pairs, config.splits) == ("simclr", "scan", ("train",))
    assert config.monitor is not None
    assert validate(SMALLEST | {"monitor": None}, PretrainConfig, "run.yaml").monitor is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": -1}, "batch_size"),
        ({"splits": ["test"]}, "splits"),
        ({"method": {"name": "simclrr"}}, "simclrr"),
        ({"precision": "16"}, "precision"),
        ({"views": {"policy": "ct"}}, "views.size_px"),
        ({"small_views": {"size_px": 0}}, "small_views.size_px"),
        ({"temperature": 0.1}, "unknown key 'temperature'"),
        ({"monitor": {"scan": 3}}, "did you mean 'scans'"),
    ],
)
def test_a_faulty_setting_is_named(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(UsageError) as caught:
        validate(SMALLEST | changes, PretrainConfig, "run.yaml")
    line = str(caught.value)
    assert line.startswith("run.yaml: ")
    assert fault in line
    assert "\n" not in line
