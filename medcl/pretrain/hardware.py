"""Devices, processes and precision, all through Lightning Fabric."""

from __future__ import annotations

import os

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import nn


def launch(devices: int, precision: str, threads: int | None) -> Fabric:
    """Start a run's processes, on a GPU where there is one; `torchrun` and SLURM are heeded."""
    if threads is not None:
        torch.set_num_threads(threads)
    fabric = Fabric(
        accelerator="auto",
        devices=devices,
        # Every process computes the same queue and batch norm, so sending buffers about is waste.
        strategy=DDPStrategy(broadcast_buffers=False) if _processes(devices) > 1 else "auto",
        precision=resolve_precision(precision),
    )
    fabric.launch()
    return fabric


def _processes(devices: int) -> int:
    """Return how many processes there will be: as `torchrun` or SLURM say, else one a device."""
    told = os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS")
    return int(told) if told else devices


def channels_last(module: nn.Module) -> None:
    """Lay the weights of 2-D and 3-D convolutions out as processors like them; numbers stay."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in module.parameters():
        if parameter.ndim in layouts:
            parameter.data = parameter.data.to(memory_format=layouts[parameter.ndim])


def restarted() -> bool:
    """Return whether `torchrun` or SLURM started this process in place of one that died."""
    counts = (os.environ.get(name, "0") for name in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"))
    return any(int(count) > 0 for count in counts)


def resolve_precision(precision: str) -> str:
    """Return `precision`, with `auto` answered by what the hardware computes natively."""
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if native else "32-true"
