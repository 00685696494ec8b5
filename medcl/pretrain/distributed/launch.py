"""Devices, processes and precision, all through Lightning Fabric."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous


def launch(devices: int, precision: str, threads: int | None) -> Fabric:
    """Start the processes of a run, on GPUs where there are any.

    Args:
        devices: Processes on this machine, unless `torchrun` or SLURM started them.
        precision: As in `PretrainSettings`.
        threads: PyTorch threads on the CPU; None leaves PyTorch's default.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    world, local = _processes(devices)
    fabric = Fabric(
        accelerator="auto",
        devices=local,
        num_nodes=world // local,
        # Every process computes the same queue and batch norm, so buffers need not be broadcast.
        strategy=DDPStrategy(broadcast_buffers=False) if world > 1 else "auto",
        precision=resolve_precision(precision),
    )
    _rejoin()
    fabric.launch()
    return fabric


def _processes(devices: int) -> tuple[int, int]:
    """Return the number of processes, in all and on this node; `torchrun` and SLURM take precedence."""
    if "LOCAL_WORLD_SIZE" in os.environ:
        return int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    tasks = int(os.environ.get("SLURM_NTASKS", devices))
    return tasks, tasks // int(os.environ.get("SLURM_NNODES", 1))


def _rejoin() -> None:
    """After a restart by `torchrun`, join the process group under the keys of this attempt.

    torchrun (2.13) keeps its store over restarts, and with the keys of dead processes in it, new processes
    wait for them forever.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if attempt == "0" or dist.is_initialized():
        return
    store, rank, world = next(iter(rendezvous("env://")))
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    prefixed = PrefixStore(f"attempt {attempt}", store)
    dist.init_process_group(backend, store=prefixed, rank=rank, world_size=world)


def channels_last(module: nn.Module) -> None:
    """Store the weights of 2-D and 3-D convolutions channels-last, which is faster; values stay the same."""
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in module.parameters():
        if parameter.ndim in layouts:
            parameter.data = parameter.data.to(memory_format=layouts[parameter.ndim])


def restarted() -> bool:
    """Return whether `torchrun` or SLURM started this process in place of one that died."""
    counts = (os.environ.get(name, "0") for name in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"))
    return any(int(count) > 0 for count in counts)


def resolve_precision(precision: str) -> str:
    """Return `precision`, with `auto` replaced by bf16 on GPUs that compute in it natively, else float32.

    A CPU gets float32 even where it has bf16 instructions: with AMX, PyTorch 2.13 returned gradients of NaN
    for 2 of 20 batches of 16-pixel images, and results would differ between processors.
    """
    if precision != "auto":
        return precision
    native = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bf16-mixed" if native else "32-true"
