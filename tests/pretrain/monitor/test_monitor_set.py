"""Measuring the monitor set during a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from medcl.pretrain import pretrain
from tests.pretrain.stores import settings

torch.set_num_threads(1)


def log(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "metrics.csv")


def weights(run: Path) -> torch.Tensor:
    return torch.cat([w.flatten().double() for w in load_file(run / "encoder.safetensors").values()])


def test_collapse_is_measured_every_few_epochs_and_at_the_end(images: Path, tmp_path: Path) -> None:
    pretrain(settings(images, epochs=5, monitor={"scans": 20, "every_epochs": 2}), tmp_path / "run")
    measured = log(tmp_path / "run").dropna(subset="effective_rank")
    assert measured["epoch"].tolist() == [1, 3, 4]
    assert measured["effective_rank"].between(1, 19).all()
    assert not {"knn", "probe"} & set(measured)


def test_labeled_scans_that_are_not_trained_on_give_votes_and_a_picture(images: Path, tmp_path: Path) -> None:
    pretrain(settings(images, epochs=1, monitor={"labeled": True}), tmp_path / "run")
    measured = log(tmp_path / "run").iloc[-1]
    assert measured["knn"] > 0.8
    assert measured["probe"] > 0.8
    events = EventAccumulator(str(tmp_path / "run" / "events"), size_guidance={"images": 0}).Reload()
    (picture,) = events.Images("pretrain/embedding")
    assert (picture.step, picture.width) == (3, 500)
    assert events.Scalars("pretrain/knn")[0].value == pytest.approx(measured["knn"])


def test_monitors_change_no_weight(images: Path, tmp_path: Path) -> None:
    for name, monitor in (("with", {"every_epochs": 1}), ("without", None)):
        pretrain(settings(images, monitor=monitor), tmp_path / name)
    assert torch.equal(weights(tmp_path / "with"), weights(tmp_path / "without"))
