"""Masks of tissue and body follow from what intensities mean."""

from __future__ import annotations

import numpy as np

from medcl.intensity import AIR_HU, PADDING_HU, TISSUE_THRESHOLD_HU, body_mask, tissue_mask


def test_tissue_of_ct_lies_above_air() -> None:
    hu = np.array([[PADDING_HU, AIR_HU, TISSUE_THRESHOLD_HU], [-100.0, 0.0, 900.0]])
    assert tissue_mask(hu, "HU").tolist() == [[False] * 3, [True] * 3]


def test_only_measured_samples_are_tissue() -> None:
    valid = np.array([[True, False]])
    assert tissue_mask(np.zeros((1, 2)), "HU", valid).tolist() == [[True, False]]


def test_where_no_tissue_is_found_all_is_tissue() -> None:
    assert tissue_mask(np.full((3, 3), AIR_HU), "HU").all()


def test_a_body_is_tissue_without_the_noise_of_air() -> None:
    volume = np.random.default_rng(0).uniform(0, 60, (64, 64, 32)).astype(np.float32)
    volume[20:44, 20:44, 8:24] += 900
    tissue = np.ones(volume.shape, bool)
    body = body_mask(volume, tissue, "a.u.", 0.0, 1000.0)
    assert body[22:42, 22:42, 10:22].all()
    assert not body[:10].any()
    assert body_mask(volume, tissue, "HU", 0.0, 1000.0) is tissue, "HU have no noise above the threshold"
