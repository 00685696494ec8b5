"""Temperature: what it mends, what it leaves, and how little it trusts a handful of scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit
from sklearn.metrics import log_loss

from medcl.finetune import (
    ArmContext,
    Budget,
    Model,
    Task,
    TrainingConfig,
    auroc,
    draw_labels,
    fit_probe,
    predict,
)
from medcl.finetune.calibration import MAX_LOGIT, fit_temperature
from tests.finetune.samples import ARMS, PLAIN, config_of, context_of, image_context


@pytest.mark.parametrize("factor", [0.05, 1, 6])
def test_confidence_that_is_wrong_by_a_factor_is_mended(factor: float) -> None:
    generator = np.random.default_rng(0)
    honest = generator.normal(0, 2, 6000)
    truth = (generator.random(6000) < expit(honest)).astype(int)
    temperature = fit_temperature(truth, factor * honest)
    assert temperature == pytest.approx(factor, rel=0.06)
    assert log_loss(truth, expit(factor * honest / temperature)) <= log_loss(truth, expit(factor * honest))


def test_five_scans_a_class_told_apart_perfectly_ask_for_no_more_than_six_to_one() -> None:
    truth = np.repeat([0, 1], 5)
    logits = np.where(truth == 1, 0.01, -0.01)
    assert expit(logits / fit_temperature(truth, logits)).max() == pytest.approx(6 / 7, abs=1e-3)
    logits = np.array([-9, -7, -6, -4, -3, 3, 4, 6, 7, 9.0])
    surest = expit(logits / fit_temperature(truth, logits)).max()
    assert 6 / 7 < surest < 0.95


@given(
    arrays(float, 12, elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: round(x, 6))),
    st.permutations([0] * 6 + [1] * 6),
    st.floats(1e-3, 1e3),
)
def test_whatever_the_logits_the_temperature_is_bounded_and_scales_with_them(
    logits: np.ndarray, truth: list[int], scale: float
) -> None:
    labels = np.array(truth)
    temperature = fit_temperature(labels, logits)
    if not logits.any():
        assert temperature == 1
        return
    surest = np.abs(logits).max() / temperature
    assert 1 / MAX_LOGIT - 1e-6 <= surest <= MAX_LOGIT + 1e-6
    assert fit_temperature(labels, scale * logits) == pytest.approx(scale * temperature, rel=1e-2)
    assert auroc(labels, expit(logits / temperature)) == pytest.approx(auroc(labels, logits), abs=1e-12)


@pytest.fixture(scope="module")
def context(task: Task) -> ArmContext:
    training = TrainingConfig(steps=8, batch_size=16, learning_rates=(3e-3,), candidates=2)
    return image_context(task, training)


def test_a_probe_s_probabilities_change_and_its_ranks_do_not(context: ArmContext) -> None:
    task: Task = context.task
    labeled, test = draw_labels(task, Budget.parse("all"), 0), task.truth[task.test]
    plain = fit_probe(context.features(), task, labeled).logits(context.features()[task.test])
    outcome = ARMS["simclr-probe"].run(context, labeled, 0, task.test)
    assert np.abs(outcome.probability - expit(plain)).max() > 0.01
    assert auroc(test, outcome.probability) == auroc(test, plain)
    assert outcome.classifier is not None
    probability = predict(outcome.classifier, task.store, task.test, context.images)
    np.testing.assert_allclose(probability, outcome.probability, atol=1e-5)


def test_every_fitted_arm_is_calibrated_and_a_model_keeps_it(volumes: Task, tmp_path: Path) -> None:
    context = context_of(volumes, PLAIN)
    labeled = draw_labels(volumes, Budget.parse("all"), 0)
    for arm in ("simclr-finetune", "supervised", "random-probe", "classical", "shuffled-labels"):
        assert ARMS[arm].run(context, labeled, 0, volumes.val).selected["temperature"] > 0
    network = ARMS["supervised"].run(context, labeled, 0, volumes.test)
    assert network.classifier is not None
    Model(network.classifier, config_of(context, "supervised")).save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    probability = predict(loaded.classifier, volumes.store, volumes.test, loaded.images)
    np.testing.assert_allclose(probability, network.probability, atol=1e-6)
    loaded.classifier.temperature.fill_(1.0)
    assert not np.allclose(
        predict(loaded.classifier, volumes.store, volumes.test, loaded.images), probability
    )
