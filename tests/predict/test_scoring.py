"""Scores in batches: those of single scans, each shape apart, and no more than a batch in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit

from medcl.predict import scoring
from medcl.predict.reading import ScanViews
from tests.predict.samples import model


def scans(counts: list[int]) -> list[ScanViews]:
    generator = np.random.default_rng(0)
    return [
        ScanViews(0, f"s-{number}", "", {}, generator.normal(size=(count, 1, 16, 16)).astype(np.float32))
        for number, count in enumerate(counts)
    ]


def test_batches_score_as_single_scans_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "VIEWS_PER_BATCH", 8)
    classifier, sizes = model().classifier, []
    classifier.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[:2])))
    mixed = scans([4, 1, 4, 4, 1])
    unread = ScanViews(0, "s-9", "MISSING", {})
    probability = scoring.score(classifier, [mixed[0], unread, *mixed[1:]])
    assert sizes == [(2, 4), (1, 4), (2, 1)]
    assert set(probability) == {f"s-{number}" for number in range(5)}
    with torch.inference_mode():
        for one in mixed:
            assert one.views is not None
            logit = classifier(torch.from_numpy(one.views)[None]).item()
            assert probability[one.scan] == pytest.approx(expit(logit), abs=1e-6)


def test_no_scan_has_no_score() -> None:
    assert scoring.score(model().classifier, []) == {}
