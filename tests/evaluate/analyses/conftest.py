"""A study with a known truth, evaluated once for all analyses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from medcl.evaluate import Evaluation, evaluate
from medcl.testing.simulated_study import study
from tests.evaluate.analyses.samples import CURVES


@pytest.fixture(scope="session")
def result() -> Evaluation:
    """Evaluation of the study, with corrupted test images."""
    table = study(CURVES, patients=300, rng=4, between_seeds=0.05)
    noisy = table[
        (table["arm"] == "simclr-probe") & (table["budget"] == "20/class") & (table["split"] == "test")
    ]
    rng = np.random.default_rng(0)
    worse = [
        noisy.assign(
            arm=f"simclr-probe@noise-{severity}",
            probability=special.expit(
                special.logit(noisy["probability"]) + severity * rng.normal(size=len(noisy))
            ),
        )
        for severity in (1, 3, 5)
    ]
    return evaluate(pd.concat([table, *worse], ignore_index=True), draws=150, prevalence=0.1)
