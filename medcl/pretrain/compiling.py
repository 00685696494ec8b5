"""Compiling an encoder where that pays."""

from __future__ import annotations

import copy
import time

import torch
from torch import Tensor, nn

WORTH = 0.95
"""A compiled step that takes more than this share of a plain one is not worth its compilation."""


def compile_if_faster(encoder: nn.Module, views: Tensor) -> tuple[bool, str]:
    """Time training steps of a copy of `encoder` with and without compilation.

    Args:
        encoder: in training mode, on the device and in the autocast region that it will run in.
        views: (N, C, *spatial), of the batch that it will meet.

    Returns:
        Whether compilation pays, and a sentence that says how much; `encoder` is as it was.
    """
    trial = copy.deepcopy(encoder)
    plain = _seconds(trial, views)
    trial.compile()
    try:
        compiled = _seconds(trial, views)
    except Exception as error:  # no compiler, or an operation that it does not know: its types are private
        return False, f"not compiled: {type(error).__name__}"
    pays = compiled < WORTH * plain
    told = f"{compiled:.3f} s a step compiled, {plain:.3f} s plain"
    return pays, f"compiled: {told}" if pays else f"not compiled, it does not pay: {told}"


def _seconds(encoder: nn.Module, views: Tensor, repeats: int = 3) -> float:
    """Return the least seconds of a forward and backward pass, after one to warm up."""
    best = float("inf")
    for number in range(repeats + 1):
        begun = time.perf_counter()
        encoder(views).sum().backward()
        if views.is_cuda:
            torch.cuda.synchronize()
        if number:
            best = min(best, time.perf_counter() - begun)
    return best
