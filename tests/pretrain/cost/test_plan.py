"""The planner's arithmetic against figures worked out by hand."""

from __future__ import annotations

import pytest

from medcl.errors import UsageError
from medcl.pretrain.cost.plan import Plan, Rates, describe, plan
from medcl.pretrain.methods import METHODS, MethodConfig
from medcl.pretrain.methods.barlow_twins import BarlowTwinsConfig
from medcl.pretrain.methods.byol import BYOLConfig
from medcl.pretrain.methods.moco import MoCoConfig
from medcl.pretrain.methods.simclr import SimCLRConfig
from medcl.pretrain.methods.swav import SwAVConfig
from medcl.pretrain.networks.memory_bank import MemoryBank

RATES = Rates(trained_per_s=800, viewed_per_s=1000, wire_bytes_per_s=10e9)


def large(config: MethodConfig, processes: int = 64, rates: Rates = RATES) -> Plan:
    return plan(config, 25_000_000, 1_000_000, 100, 4096, processes, rates)


def test_a_million_scans_on_64_gpus() -> None:
    planned = large(SimCLRConfig())
    assert planned.steps == 100 * 244
    assert planned.gather_bytes == 2 * 4096 * 128 * 4
    assert planned.matrix_bytes == 2 * 64 * 2 * 4096 * 4
    assert planned.gradient_wire_bytes == 2 * 100_000_000 * 63 // 64
    assert planned.compute_s == pytest.approx(64 / 800)
    assert planned.hours == pytest.approx(24_400 * (0.08 + planned.wire_s) / 3600)
    assert planned.bound == "network"


def test_one_process_sends_nothing() -> None:
    for config in METHODS:
        planned = large(config(), processes=1)
        assert planned.gradient_wire_bytes == planned.method_wire_bytes == 0
        assert planned.wire_s == 0


def test_the_queue_s_memory_is_that_of_the_memory_bank() -> None:
    bank = MemoryBank(65_536, 128)
    held = sum(buffer.nbytes for buffer in (bank.entries, bank.identity))
    assert large(MoCoConfig(queue=65_536)).queue_bytes == held


def test_barlow_twins_sends_its_correlations_once() -> None:
    planned = large(BarlowTwinsConfig(dimensions=8192))
    assert planned.method_wire_bytes == 2 * 8192**2 * 4 * 63 // 64
    assert planned.matrix_bytes == 8192**2 * 4


def test_the_bottleneck_is_named() -> None:
    slow_views = Rates(800, 100, 10e9)
    slow_wire = Rates(800, 1000, 1e9)
    assert large(BYOLConfig(), rates=slow_views).bound == "views"
    assert large(BYOLConfig(), rates=slow_wire).bound == "wire"


def test_twice_the_batch_takes_half_the_steps_and_the_same_computing() -> None:
    one = plan(BYOLConfig(), 1, 8192, 10, 1024, 8, RATES)
    two = plan(BYOLConfig(), 1, 8192, 10, 2048, 8, RATES)
    assert one.steps == 2 * two.steps
    assert one.steps * one.compute_s == pytest.approx(two.steps * two.compute_s)


@pytest.mark.parametrize(("batch", "processes"), [(100, 64), (2_000_000, 64)])
def test_a_batch_that_cannot_be_is_refused(batch: int, processes: int) -> None:
    with pytest.raises(UsageError, match="batch_size"):
        plan(SimCLRConfig(), 1, 1_000_000, 1, batch, processes, RATES)


def test_the_queue_of_a_small_store_is_that_of_the_run() -> None:
    limited = MoCoConfig(queue=65_536).limited(10_000, 1024)
    planned = plan(limited, 1, 10_000, 1, 1024, 1, RATES)
    assert planned.queue_bytes == (10_000 - 1024) * (128 * 4 + 16)


def test_small_views_cost_their_embeddings_and_scores() -> None:
    config = SwAVConfig(projection=128, prototypes=300)
    without = plan(config, 1, 8192, 1, 1024, 8, RATES)
    multi_crop = plan(config, 1, 8192, 1, 1024, 8, RATES, small_views=4)
    assert without.small_view_bytes == 0
    assert multi_crop.small_view_bytes == 128 * 4 * (128 + 300) * 4
    assert "small views 876.5 kB" in describe(multi_crop)
    assert "small views" not in describe(without)


def test_the_description_has_units() -> None:
    text = describe(large(MoCoConfig(queue=65_536)))
    assert "24,400 steps" in text
    assert "queue 34.6 MB" in text
    assert "gradients 196.9 MB" in text
