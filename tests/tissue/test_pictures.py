"""Pictures of maps, and the scans of which none is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from medcl.store import Store
from medcl.tissue import TissueConfig
from medcl.tissue.arms import TissueStudy
from medcl.tissue.folds import Fold
from medcl.tissue.patch_sampling import abnormal_mask, masked_rows
from medcl.tissue.pictures import _Plane, draw_patient


def study_of(store: Store, config: TissueConfig, out: Path) -> TissueStudy:
    return TissueStudy(config, store, masked_rows(store), store, store, out)


def test_a_picture_has_a_panel_per_arm_and_budget(study: tuple[TissueConfig, Path]) -> None:
    _, out = study
    for path in (out / "pictures").glob("*.png"):
        with Image.open(path) as image:
            width, height = image.size
            pixels = np.asarray(image.convert("RGB"), int)
        assert width / 5 / 1.75 == pytest.approx(height / 1.95, rel=0.01)
        assert (np.ptp(pixels, axis=2) > 60).any(), "the mask and the maps are in color"


def test_the_slice_with_the_most_mask_is_shown_within_the_tissue(store: Store, tmp_path: Path) -> None:
    config = cast("TissueConfig", None)
    plane = _Plane.most_masked(study_of(store, config, tmp_path), 0)
    counts = abnormal_mask(store, 0).sum(axis=(0, 1))
    assert counts[plane.number] == counts.max()
    assert plane.mask.sum() == counts.max()
    assert plane.gray.shape == plane.mask.shape
    assert plane.gray.size < store.array(0)[..., 0].size
    assert plane.letters == ("R", "L", "A", "P")


def test_text_burned_in_is_never_drawn(
    study: tuple[TissueConfig, Path], store: Store, tmp_path: Path
) -> None:
    config, _ = study
    flagged = Store(store.folder, store.scans.assign(flags="LOSSY;BURNED_IN_RISK"), store.record)
    patient = str(store.scans["patient"].iat[0])
    result = cast("Any", pd.DataFrame())
    assert draw_patient(study_of(flagged, config, tmp_path), result, Fold(patient, "b", ())) is None
    assert not list(tmp_path.iterdir())
