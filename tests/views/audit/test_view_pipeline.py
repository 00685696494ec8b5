"""The pipeline under audit is the one of training, and its coordinates are measured from pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from medcl.views import load_policy
from medcl.views.audit.phantoms import PhantomGrid
from medcl.views.audit.view_pipeline import (
    ViewPipeline,
    geometry_only,
    measure_coordinates,
    render_views,
    share_scan_or_patient,
)

IMAGE = PhantomGrid("image", (60, 70), (0.5, 0.5), 2)


def test_related_scans_are_those_of_pretraining() -> None:
    scans = pd.DataFrame({"fingerprint": np.array([1, 2, 1, 3], np.uint64), "patient": ["a", "b", "c", "b"]})
    expected = np.eye(4, dtype=bool)
    expected[0, 2] = expected[2, 0] = expected[1, 3] = expected[3, 1] = True
    np.testing.assert_array_equal(share_scan_or_patient(scans), expected)
    np.testing.assert_array_equal(ViewPipeline(load_policy("us")).related(scans), expected)


@pytest.mark.parametrize("name", ["ct", "us", "mr"])
def test_geometry_alone_keeps_crops_and_drops_intensity(name: str) -> None:
    policy = load_policy(name)
    quiet = geometry_only(policy)
    assert (quiet.crop, quiet.motion) == (policy.crop, policy.motion)
    assert (quiet.noise.native, quiet.blur.probability, quiet.intensity.gamma) == (0, 0, (1, 1))


def test_views_are_rendered_between_black_and_white_of_every_scan() -> None:
    image = np.random.default_rng(0).random((60, 70)).astype(np.float32)
    store = IMAGE.phantoms([image] * 3, np.arange(3), limits=(0, 1))
    rendered = render_views(ViewPipeline(load_policy("us"), 32), store, 2)
    assert rendered.data.shape == (3, 2, 1, 32, 32)
    assert 0 <= rendered.data.min() < rendered.data.max() <= 1
    again = render_views(ViewPipeline(load_policy("us"), 32), store, 2)
    np.testing.assert_array_equal(rendered.data, again.data)


def test_measured_coordinates_are_those_that_the_parameters_claim() -> None:
    coordinates = measure_coordinates(ViewPipeline(load_policy("us"), 32), IMAGE, 4)
    assert coordinates.measured.shape == (4, 2, 32, 32, 2)
    apart = np.abs(coordinates.measured - coordinates.claimed)[coordinates.inside]
    assert apart.max() < 0.02
    assert coordinates.inside.mean() > 0.9
