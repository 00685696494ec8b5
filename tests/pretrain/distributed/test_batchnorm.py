"""Batch norm over two processes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from medcl.pretrain.distributed.batchnorm import CpuSyncBatchNorm, synchronize_batch_norm
from medcl.pretrain.methods import Method
from tests.pretrain.distributed.two_processes import run_norm
from tests.pretrain.small_methods import make


def test_batch_norm_over_processes_is_batch_norm_over_the_batch(ranks: list[dict[str, Any]]) -> None:
    alone = run_norm(0, 1)
    for result in (rank["norm"] for rank in ranks):
        for name, value in alone.items():
            assert torch.allclose(result[name].float(), value.float(), rtol=1e-4, atol=1e-4), name


def test_synchronizing_keeps_names_weights_and_a_lone_process_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method: Method = make("byol", norm=True)
    before = method.state_dict()
    assert synchronize_batch_norm(method, "cpu") is method
    assert not any(isinstance(module, CpuSyncBatchNorm) for module in method.modules())
    monkeypatch.setattr("medcl.pretrain.distributed.batchnorm.world_size", lambda: 2)
    synchronize_batch_norm(method, "cpu")
    norms = [module for module in method.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert len(norms) > 3
    assert all(isinstance(module, CpuSyncBatchNorm) for module in norms)
    assert method.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
