"""The settings of the benchmark of methods."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from medcl.config import load, read_yaml
from medcl.study import StudyConfig

torch.set_num_threads(1)


ROOT = Path(__file__).parents[2]


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_methods", ROOT / "benchmarks" / "methods.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("settings_file", ["methods", "busi"])
@pytest.mark.parametrize("study", ["pneumonia", "busi"])
def test_every_benchmarked_setting_is_a_valid_pretraining(settings_file: str, study: str) -> None:
    settings = read_yaml(ROOT / "configs" / "benchmarks" / f"{settings_file}.yaml")
    config = load(ROOT / "configs" / "studies" / f"{study}.yaml", StudyConfig)
    for changes in settings.values():
        pretraining = benchmark().changed(config, Path("study"), changes or {})
        assert pretraining.encoder == config.pretrain.encoder
        assert pretraining.batch_size == config.pretrain.batch_size
        assert pretraining.store == Path("study/store")
        assert pretraining.method.name == (changes or {}).get("method", {"name": "simclr"})["name"]
