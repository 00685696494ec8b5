"""Pretraining as a step of a larger study: done once, resumed if interrupted, read if finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medcl.files import read_json
from medcl.pretrain.config import PretrainConfig
from medcl.pretrain.loop import pretrain


def pretrain_once(config: PretrainConfig, run: Path) -> dict[str, Any]:
    """Return the summary of the run in the folder `run`, after pretraining what is missing of it.

    Raises:
        UsageError: The folder holds an unfinished run with another configuration.
        WorkFailed: The loss is not finite, or features collapsed.
        Interrupted: A stop was requested; a checkpoint was written first.
    """
    if (run / "summary.json").is_file():
        return read_json(run / "summary.json")
    return pretrain(config, run, resume=(run / "config.yaml").is_file())
