"""VICReg against its formula; known values of the methods that compare dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medcl.pretrain.methods import Batch
from tests.pretrain.small_methods import equal_views, make, make_views

torch.set_num_threads(1)
BATCH = Batch(scan=torch.arange(8))


def test_vicreg_is_the_formula() -> None:
    method = make("vicreg").double()
    views = make_views().double()
    with torch.no_grad():
        z = [method.projector(method.encoder(views[:, i])).numpy() for i in (0, 1)]
    invariance = ((z[0] - z[1]) ** 2).mean()
    variance = np.mean([np.maximum(0, 1 - np.sqrt(v.var(0, ddof=1) + 1e-4)).mean() for v in z])
    covariances = [np.cov(v, rowvar=False) for v in z]
    off_diagonal = np.mean([(c[~np.eye(6, dtype=bool)] ** 2).sum() / 6 for c in covariances])
    expected = 0.1 * (25 * invariance + 25 * variance + off_diagonal)
    assert method.loss(views, BATCH)["loss"].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["barlow_twins", "vicreg"])
def test_equal_views_with_independent_dimensions_of_unit_variance_cost_nothing(name: str) -> None:
    signs = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64).repeat(2, 1)
    batch = Batch(torch.arange(8))
    loss = make(name).double().compare(equal_views(name, 1.01 * signs), batch)["loss"].item()
    assert loss == pytest.approx(0, abs=1e-8)
