"""Does the model ever wait for its views? Training steps on the loader's batches against one fixed batch.

    python benchmarks/waiting.py                      # on this machine's GPU where there is one, else the CPU

Each case trains SimCLR on in-memory scans for some epochs and prints the share of the time spent waiting for
data (after the first batch of the run, and with it), and the rate against the same steps on one fixed batch.
Steps with the loader and without take turns; ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from views import BATCH, Sources

from medcl.pretrain import build_encoder
from medcl.pretrain.methods import Batch, SimCLRConfig, build_method
from medcl.pretrain.networks.encoders import EncoderConfig
from medcl.views import ViewBatch, ViewLoader, load_policy

CASES = {
    "cpu": {
        "ResNet-10 (width 32), 2-D 64, batch 128": ((256, 64, 2), ("resnet10", 32), 128),
        "ResNet-18, 2-D 128, batch 32": ((320, 128, 2), ("resnet18", 64), 32),
        "ResNet-18, 2-D 224, batch 32": ((320, 224, 2), ("resnet18", 64), 32),
    },
    "cuda": {
        "ResNet-18, 2-D 224, batch 256": ((320, 224, 2), ("resnet18", 64), 256),
        "ResNet-50, 3-D 96, batch 16": ((128, 96, 3), ("resnet50", 64), 16),
    },
}


class Trainer:
    """A SimCLR model and one optimizer step on a batch."""

    def __init__(self, network: tuple[str, int], dims: int, device: str) -> None:
        encoder = build_encoder(EncoderConfig(name=network[0], width=network[1], spatial_dims=dims), 0)
        layout = torch.channels_last if dims == 2 else torch.channels_last_3d
        self.method = build_method(SimCLRConfig(), encoder).to(device, memory_format=layout)
        self.optimizer = torch.optim.SGD(self.method.parameters(), lr=0.01, momentum=0.9)
        self.device = device

    def step(self, batch: ViewBatch) -> None:
        """Move the batch, as the training loop does, and learn from it."""
        views = batch.data.to(self.device, non_blocking=True)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            loss = self.method.loss(views, Batch(torch.arange(len(views), device=self.device)))["loss"]
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        float(loss.detach())


def measure(case: tuple, device: str, steps: int, epochs: int, rounds: int) -> tuple[float, float, float]:
    """Return the waiting share after and with the first batch, and the rate against fixed batches."""
    (edge, size, dims), network, batch = case
    rows = np.tile(np.arange(BATCH), -(-batch * steps // BATCH))
    policy = load_policy("ct" if dims == 3 else "mr")
    loader = ViewLoader(Sources(edge, dims), rows, policy, size, batch, seed=0, dims=dims)
    trainer = Trainer(network, dims, device)
    fixed = loader.batch(np.arange(batch), 0)
    trainer.step(fixed)
    measurements = []
    for _ in range(rounds):
        begun, waits = time.perf_counter(), []
        for views in loader.steps(0, epochs * len(loader)):
            waits.append(views.wait_s)
            trainer.step(views)
        fed, begun = time.perf_counter() - begun, time.perf_counter()
        for _ in waits:
            trainer.step(fixed)
        alone = time.perf_counter() - begun
        measurements.append((sum(waits[1:]) / fed, sum(waits) / fed, alone / fed))
    after, whole, rate = np.median(measurements, axis=0)
    return float(after), float(whole), float(rate)


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=6, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="of the network on a CPU"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for name, case in CASES[device].items():
        after, whole, rate = measure(case, device, args.steps, args.epochs, args.rounds)
        waiting = f"waiting {after:.2%} ({whole:.2%} with the first batch)"
        print(f"{name}: {waiting}, rate {rate:.1%} of that on a fixed batch", flush=True)


if __name__ == "__main__":
    main()
