"""Devices, processes and precision, all through Lightning Fabric."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric


def launch(devices: int, precision: str, threads: int | None) -> Fabric:
    """Start a run's processes, on a GPU where there is one; `torchrun` and SLURM are heeded."""
    if threads is not None:
        torch.set_num_threads(threads)
    fabric = Fabric(accelerator="auto", devices=devices, precision=resolve_precision(precision))  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def resolve_precision(precision: str) -> str:
    """Return `precision`, with `auto` answered by what the hardware computes natively."""
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if native else "32-true"
