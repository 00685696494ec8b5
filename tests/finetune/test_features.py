"""Features, and the views that they are extracted from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from medcl.finetune import (
    ArmContext,
    Images,
    Task,
    extract_features,
)
from tests.finetune.samples import ENCODERS, PLAIN, VIEWS


def test_features_of_some_rows_are_those_of_all(task: Task, context: ArmContext) -> None:
    rows = [5, 3, 200]
    some = extract_features(context.pretrained, task.store, context.images, rows)
    np.testing.assert_allclose(
        some, extract_features(context.pretrained, task.store, context.images)[rows], atol=1e-5
    )


def test_views_are_cubes_or_neighboring_slices(volumes: Task) -> None:
    shapes = {}
    for name, encoder in ENCODERS.items():
        images = Images.of(VIEWS, encoder)
        shapes[name] = [
            tuple(
                next(
                    iter(images.loader(volumes.store, volumes.test, batch_size=2, seed=0, draw=draw))
                ).data.shape
            )
            for draw in ("whole", "bag")
        ]
    assert shapes["2.5-D"] == [(2, 4, 3, 16, 16)] * 2
    assert shapes["3-D"] == shapes["slices in sequence"] == [(2, 1, 1, 16, 16, 16)] * 2


def test_neighboring_slices_are_those_of_the_plain_views(volumes: Task) -> None:
    every = Images.of(VIEWS.model_copy(update={"slices": 12}), PLAIN)
    plain, stacks = (
        next(iter(images.loader(volumes.store, volumes.test[:1], batch_size=1, seed=0, draw="whole"))).data[0]
        for images in (every, replace(every, channels=3))
    )
    for place in range(1, 11):
        assert torch.equal(stacks[place], plain[place - 1 : place + 2, 0])
