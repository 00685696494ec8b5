"""Parameters of views: parts of a batch, single views, and which of them people are told."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from medcl.views import ViewParams, draw_views, load_policy, read_geometry
from medcl.views.backends.choose import choose_backend
from medcl.views.sampling.params import described_parameters
from tests.views.phantoms import MemoryStore


@pytest.fixture
def params(volumes: MemoryStore) -> ViewParams:
    return draw_views(load_policy("mr"), read_geometry(volumes, range(3)), 12, 0)


def test_shape_and_dimensions_are_those_of_the_views(params: ViewParams) -> None:
    assert params.shape == (3, 2)
    assert params.dims == 2


def test_some_of_the_scans_have_the_views_that_they_had(params: ViewParams, volumes: MemoryStore) -> None:
    part = params.take(np.array([2, 0]))
    assert part.rows.tolist() == [2, 0]
    render = choose_backend("torch")
    np.testing.assert_allclose(render(volumes, part), render(volumes, params)[[2, 0]], atol=1e-5)


def test_one_view_of_every_scan_keeps_what_belongs_to_the_scan(
    params: ViewParams, volumes: MemoryStore
) -> None:
    second = params.view(1)
    assert second.shape == (3, 1)
    for field in fields(params):
        one, both = getattr(second, field.name), getattr(params, field.name)
        if isinstance(both, np.ndarray) and one.shape == both.shape:
            np.testing.assert_array_equal(one, both)
    np.testing.assert_array_equal(second.matrix[:, 0], params.matrix[:, 1])
    render = choose_backend("torch")
    np.testing.assert_allclose(render(volumes, second)[:, 0], render(volumes, params)[:, 1], atol=1e-5)


def test_intensities_that_people_are_told_have_a_neutral_value_and_a_format() -> None:
    described = described_parameters()
    assert list(described) == ["gain", "offset", "gamma", "contrast", "brightness"]
    assert described["offset"].text.format(3.0, unit="HU") == "+3.0 HU"
    assert {name for name, one in described.items() if one.unchanged == 1} == {"gain", "gamma", "contrast"}
