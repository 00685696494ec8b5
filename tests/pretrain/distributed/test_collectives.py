"""Two gloo processes compute what one does: gradients, every method, and the bytes that it sends."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medcl.pretrain.cost.plan import Rates, plan
from tests.pretrain.distributed.two_processes import SCANS, WORLD, run_cached, run_method
from tests.pretrain.small_methods import CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_equal_one(ranks: list[dict[str, Any]], name: str) -> None:
    alone = run_method(name, rank=0, world=1)
    for result in (rank["methods"][name] for rank in ranks):
        assert result["losses"] == pytest.approx(alone["losses"], rel=1e-5, abs=1e-5)
        assert result["gradients"].keys() == alone["gradients"].keys()
        for key, gradient in alone["gradients"].items():
            assert torch.allclose(result["gradients"][key], gradient, rtol=1e-4, atol=1e-5), key
        assert result["state"].keys() == alone["state"].keys()
        for key, value in alone["state"].items():
            assert torch.allclose(result["state"][key], value, rtol=1e-4, atol=1e-5), key


@pytest.mark.parametrize("name", CONFIGS)
def test_both_ranks_hold_the_same_bits(ranks: list[dict[str, Any]], name: str) -> None:
    """Otherwise rank zero's checkpoint would not be the run's."""
    one, other = (rank["methods"][name]["state"] for rank in ranks)
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_gradients_of_every_process_come_home_undivided(ranks: list[dict[str, Any]]) -> None:
    for rank, result in enumerate(each["gather"] for each in ranks):
        assert result["everyone"].tolist() == result["values"].tolist() == [[1, 1], [2, 2]]
        assert result["x"].tolist() == [[(1 + 2) * 2 * (rank + 1)] * 2]
        assert result["y"].item() == (1 + 2) * 2 * 3


def test_cached_gradients_of_two_processes_equal_those_of_one(ranks: list[dict[str, Any]]) -> None:
    alone = run_cached(0, 1)
    for result in (rank["cached"] for rank in ranks):
        assert result.keys() == alone.keys()
        assert all(torch.allclose(result[name], alone[name], atol=1e-6) for name in alone)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "simclr-margin"])
def test_the_planner_knows_what_a_method_sends(ranks: list[dict[str, Any]], name: str) -> None:
    rates = Rates(trained_per_s=1, viewed_per_s=1, wire_bytes_per_s=1)
    planned = plan(CONFIGS[name], 0, SCANS, 1, SCANS, WORLD, rates).method_wire_bytes
    for result in (rank["bytes"][name] for rank in ranks):
        # Beside the embeddings, means and variances of D numbers travel, which the planner leaves out.
        assert planned <= result <= planned + 2 * 8 * 6 * 4
