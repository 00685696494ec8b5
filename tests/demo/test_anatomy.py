"""Synthetic bodies: normal and abnormal ones differ by lesions in the liver alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medcl.demo.anatomy import HALF_HEIGHT_MM, draw_body
from medcl.demo.modality import SCANNERS
from medcl.demo.patients import draw_patients
from medcl.demo.scanner import acquire, draw_grid
from medcl.demo.shapes import Interior, Shape


@pytest.mark.parametrize("seed", range(6))
def test_lesions_lie_in_the_liver_apart_from_each_other(seed: int) -> None:
    body = draw_body(np.random.default_rng(seed), abnormal=True)
    liver = [shape for shape in body.organs if isinstance(shape, Shape) and shape.value == body.liver_value]
    cavity = Interior(body.trunk, body.wall_mm)
    assert len(liver) == 2
    assert body.lesions
    for lesion in body.lesions:
        place = np.array(lesion.center)
        assert max(float(lobe.depth_mm(place)) for lobe in liver) > lesion.diameter_mm / 2
        assert cavity.depth_mm(place) > lesion.diameter_mm / 2
        assert abs(place[2]) < HALF_HEIGHT_MM - 12
        assert -85 <= lesion.contrast <= -60
        for other in body.lesions:
            apart = np.linalg.norm(place - other.center)
            assert other is lesion or apart > lesion.diameter_mm / 2 + other.diameter_mm / 2 * 0.8


def test_a_normal_body_is_the_abnormal_one_without_its_lesions() -> None:
    normal, abnormal = (draw_body(np.random.default_rng(3), abnormal) for abnormal in (False, True))
    assert normal.lesions == ()
    for name in ("trunk", "layers", "ribs", "organs", "spine", "liver_value", "texture"):
        assert getattr(normal, name) == getattr(abnormal, name)


def test_bodies_differ_and_are_repeatable() -> None:
    one, again, other = (draw_body(np.random.default_rng(seed), True) for seed in (1, 1, 2))
    assert one == again
    assert one.trunk != other.trunk


def test_whole_image_intensity_does_not_tell_the_label() -> None:
    drawn = draw_patients(90, 11)
    edges = np.r_[-1030, -900, -500, np.arange(-150, 250, 25), 300, 3100]
    features = []
    for who in drawn:
        rng, scanner = who.generator, SCANNERS[who.scanner]
        scanner = replace(scanner, matrix=scanner.matrix // 2)  # for time; intensities are the same
        body = draw_body(rng, who.abnormal)
        hu = acquire(rng, body, draw_grid(rng, scanner), scanner)
        features.append(np.r_[np.histogram(hu, edges)[0] / hu.size, hu.mean() / 100, hu.std() / 100])
    truth = np.array([who.abnormal for who in drawn])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=3, random_state=0)
    assert cross_val_score(model, np.array(features), truth, scoring="roc_auc", cv=folds).mean() < 0.65
