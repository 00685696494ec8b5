"""What is planned for a store of many scans, against a store that has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from medcl.archive import scan_archive
from medcl.pretrain import PretrainConfig, ViewsConfig
from medcl.pretrain.cost.store_cost import (
    bytes_per_scan,
    describe_store,
    sample_data,
    shard_count,
    store_cost,
)
from medcl.store import prepare
from medcl.store.columns import read_arrow
from medcl.store.shards import shard_plan
from tests.pretrain.stores import settings, store_of_volumes

SMALL, LARGE, EDGE = 24, 2400, 48


def config_of(folder: Path, count: int) -> PretrainConfig:
    folder.mkdir()
    images = np.random.default_rng(count).integers(0, 255, (count, EDGE, EDGE), np.uint8)
    np.savez(folder / "set.npz", train_images=images, train_labels=np.zeros((count, 1), int))
    prepare(scan_archive([folder / "set.npz"], folder / "catalog"), folder / "store")
    return settings(folder / "store", batch_size=16)


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> list[PretrainConfig]:
    folder = tmp_path_factory.mktemp("store_cost")
    return [config_of(folder / str(count), count) for count in (SMALL, LARGE)]


def test_the_plan_for_a_hundred_times_a_store_is_what_such_a_store_takes(
    configs: list[PretrainConfig],
) -> None:
    small, large = configs
    planned, measured = store_cost(small, LARGE, 2), store_cost(large, None, 2)
    folder = large.store
    written = sum(path.stat().st_size for path in [*folder.rglob("arrays/*/*"), folder / "scans.arrow"])
    assert planned.scans == measured.scans == LARGE
    assert planned.storage_bytes == pytest.approx(written, rel=0.1)
    assert planned.table_bytes == pytest.approx((folder / "scans.arrow").stat().st_size, rel=0.1)
    assert planned.table_bytes == pytest.approx(read_arrow(folder / "scans.arrow").nbytes, rel=0.05)
    assert planned.shards == measured.shards == len(list(folder.rglob("*.bin")))
    assert planned.open_files == pytest.approx(measured.open_files, abs=3)
    assert planned.step_bytes == measured.step_bytes == 16 // 2 * EDGE * EDGE
    assert 0.1 < planned.start_s / measured.start_s < 10


def test_slices_alone_are_read_of_volumes(tmp_path: Path) -> None:
    config = settings(store_of_volumes(tmp_path), batch_size=4, views=ViewsConfig(policy="mr", size_px=16))
    data = sample_data(config, 1)
    volume = 16 * 16 * 12 * 2
    # Slices of half a kilobyte share a block, which is as large as the volume.
    assert bytes_per_scan(data) == volume
    assert 0 < store_cost(config, None, 1).step_bytes == 4 * volume


@pytest.mark.parametrize(
    ("scans", "shape"),
    [(10, "16x16"), (5000, "16x16"), (300_000, "64x64"), (3000, "512x512x300"), (200, "256x256x100")],
)
def test_shards_are_as_many_as_prepare_makes(scans: int, shape: str) -> None:
    table = pd.DataFrame({"scan": [str(n) for n in range(scans)], "shape": shape})
    voxels = scans * int(np.prod([int(n) for n in shape.split("x")]))
    assert shard_count(scans, voxels) == len(shard_plan(table))


def test_the_description_names_every_figure(configs: list[PretrainConfig]) -> None:
    cost = store_cost(configs[0], 1_000_000, 8)
    text = describe_store(cost)
    assert f"in {cost.shards:,} shards" in text
    assert f"{cost.open_files} open files" in text
    assert "GB in" in text
    assert cost.memory_bytes > 50e6
    assert cost.start_s > 0
