"""The tables of scans that a study writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from medcl.finetune import ArmContext, TrainingConfig, make_task
from medcl.pretrain import build_encoder
from medcl.store import Store
from medcl.study.scan_tables import write_scan_tables
from tests.duplicates import IMAGES, NETWORK


def test_they_have_a_row_per_scan_and_are_written_once(planted: Store, tmp_path: Path) -> None:
    encoder = build_encoder(NETWORK, seed=0)
    context = ArmContext(make_task(planted, "0", "1"), IMAGES, TrainingConfig(), encoder, NETWORK)
    write_scan_tables(context, tmp_path)
    tables = {path.stem: pd.read_parquet(path) for path in tmp_path.glob("*.parquet")}
    assert set(tables) == {"groups", "embeddings"}
    for table in tables.values():
        assert list(table["scan"]) == list(planted.scans["scan"])
    expected = PCA(2).fit_transform(context.features().astype(float))
    places = tables["embeddings"][["x", "y"]].to_numpy()
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-5)

    (tmp_path / "embeddings.parquet").unlink()
    before = (tmp_path / "groups.parquet").stat().st_mtime_ns
    write_scan_tables(context, tmp_path)
    assert (tmp_path / "groups.parquet").stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "embeddings.parquet"), tables["embeddings"])
