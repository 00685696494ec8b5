"""Does a long run stay as it began? Memory, open files and log of many steps of a tiny network.

    python benchmarks/soak.py --steps 400000    # an emulated week; 20,000 steps by default

Prints ten times: steps, resident memory, open files, and bytes per step of table and event files. The loop is
that of `medcl pretrain`, with checkpoints every two minutes and a monitor set; `--group 16` reads steps in
groups and one group later on the CPU too, as a run does beside a GPU.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from medcl.archive import scan_archive
from medcl.pretrain import EncoderConfig, PretrainConfig, ViewsConfig
from medcl.pretrain.distributed import launch
from medcl.pretrain.loop import Pretraining
from medcl.pretrain.readings import Readings
from medcl.runs import stop_requests
from medcl.store import prepare

SCANS, EDGE, BATCH, POINTS = 256, 16, 8, 10


class TinyEncoder(nn.Module):
    """One linear layer on the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(EDGE * EDGE, 16))
        self.feature_size = 16

    def forward(self, views: Tensor) -> Tensor:
        """Map (N, 1, EDGE, EDGE) to (N, 16)."""
        features: Tensor = self.layers(views)
        return features


class Soak(Pretraining):
    """A run that prints its memory, open files and log now and then."""

    def train_step(self, *args: Any) -> set[str]:
        """Take one step, and print a line after each tenth of them."""
        requests = super().train_step(*args)
        if self.step % (self.steps // POINTS) == 0:
            self._print()
        return requests

    def _print(self) -> None:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        handles = len(list(Path("/proc/self/fd").iterdir()))
        table = (self.run / "metrics.csv").stat().st_size
        events = sum(path.stat().st_size for path in (self.run / "events").iterdir())
        print(
            f"{self.step:,} steps: {int(status['VmRSS'].split()[0]) / 1024:.1f} MiB resident, {handles} open "
            f"files, table {table / self.step:.0f} and events {events / self.step:.0f} bytes per step",
            flush=True,
        )


def main() -> None:
    """Run the steps in a temporary folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--group", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = np.random.default_rng(0).integers(0, 255, (SCANS, EDGE, EDGE), np.uint8)
        np.savez(folder / "set.npz", train_images=images, train_labels=np.zeros((SCANS, 1), int))
        prepare(scan_archive([folder / "set.npz"], folder / "catalog"), folder / "store")
        config = PretrainConfig(
            store=folder / "store",
            views=ViewsConfig(policy="cxr", size_px=EDGE),
            encoder=EncoderConfig(name="soak:TinyEncoder", feature_size=16),
            epochs=max(1, args.steps * BATCH // SCANS),
            batch_size=BATCH,
            threads=1,
            monitor={"scans": 64, "every_epochs": 50},
        )
        soak = Soak(launch(1, config.precision, config.threads), config, folder / "run")
        if args.group > 1:
            soak.readings = Readings(soak.fabric.device, args.group, lag=1)
        begun = time.perf_counter()
        with stop_requests() as stop:
            summary = soak.train(stop)
        seconds = time.perf_counter() - begun
        print(f"{summary['steps']:,} steps in {seconds:.0f} s, final loss {summary['final_loss']:.3f}")


if __name__ == "__main__":
    main()
