"""Images per second of SimCLR (ResNet-18, 64 px, batch 128) and of lightly 1.6's own example, in one run.

    python -P benchmarks/pretrain.py --peer FOLDER    # lightly's virtual environment, created if missing

Epochs of both alternate, so that other load on the machine slows both; medcl is the real loop with its log,
on a prepared store of the same images. "Network" is the same training step on views that were made before:
the rest of the end-to-end time is views, waiting and bookkeeping.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from medcl.archive import scan_archive
from medcl.pretrain import PretrainConfig
from medcl.pretrain.distributed import launch
from medcl.pretrain.loop import Pretraining
from medcl.pretrain.monitor import RunLog
from medcl.store import prepare
from medcl.views import ViewBatch

SIZE, SOURCE = 64, 96
PINNED = ("torch==2.14.1", "torchvision==0.29.1", "lightly==1.6.0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="steps per epoch")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--precision", default="auto")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDCL_HOME"] = f"{folder}/home"
        images = make_images(Path(folder), args.steps * args.batch)
        ours, peer = Ours(Path(folder), args), Peer(args, images)
        try:
            results = measure(ours, peer, args)
        finally:
            peer.close()
    print(json.dumps(results, indent=2))


def make_images(folder: Path, count: int) -> Path:
    """Write smooth random gray images for the peer, and a store of the same for medcl."""
    coarse = np.random.default_rng(0).integers(0, 255, (count, SOURCE // 8, SOURCE // 8), np.uint8)
    images = np.kron(coarse, np.ones((1, 8, 8), np.uint8))
    np.save(folder / "images.npy", images)
    np.savez(folder / "set.npz", train_images=images, train_labels=np.zeros((count, 1), int))
    prepare(scan_archive([folder / "set.npz"], folder / "catalog"), folder / "store")
    return folder / "images.npy"


class Ours:
    """The loop of medcl, one epoch at a time."""

    def __init__(self, folder: Path, args: argparse.Namespace) -> None:
        config = PretrainConfig(
            store=folder / "store",
            views={"policy": "cxr", "variant": "permissive", "size_px": SIZE},
            encoder={"name": "resnet18"},
            epochs=1000,
            batch_size=args.batch,
            threads=args.threads,
            precision=args.precision,
            monitor=None,
        )
        self.training = Pretraining(launch(1, config.precision, config.threads), config, folder / "run")
        self.training.log = RunLog(folder / "run", self.training.steps, {}, (), writes=True)
        self.fixed: ViewBatch = self.training.loader.batch(np.arange(args.batch), 0)
        self.epoch = 0
        self.step(self.fixed)

    def step(self, batch: ViewBatch) -> None:
        self.training.train_step(batch, self.epoch, {"due": False, "stop": False})

    def run(self, part: str) -> float:
        start = time.perf_counter()
        if part == "network":
            for _ in range(len(self.training.loader)):
                self.training.optimizer.zero_grad()
                self.training.backward(self.fixed, self.epoch)
                self.training.optimizer.step()
        else:
            self.epoch += 1
            self.training.loader.set_epoch(self.epoch)
            for batch in self.training.loader:
                self.step(batch)
        return time.perf_counter() - start


class Peer:
    """lightly, in a process and a virtual environment of its own."""

    def __init__(self, args: argparse.Namespace, images: Path) -> None:
        python = args.peer / "bin" / "python"
        if not python.is_file():
            subprocess.run([sys.executable, "-m", "venv", str(args.peer)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", *PINNED], check=True)
        script = Path(__file__).with_name("lightly_peer.py")
        arguments = [str(images), str(SIZE), str(args.batch), str(args.threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([str(python), "-P", str(script), *arguments], text=True, **pipes)
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("the peer ended; run lightly_peer.py alone to see why")
        return line

    def run(self, part: str) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{part}\n")
        self.process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def measure(ours: Ours, peer: Peer, args: argparse.Namespace) -> dict[str, object]:
    """Alternate epochs of both; medians over rounds."""
    images = args.steps * args.batch
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(args.rounds):
        for part in ("end-to-end", "network"):
            for name, library in (("medcl", ours), ("lightly", peer)):
                seconds.setdefault((name, part), []).append(library.run(part))
    rates = {f"{name}, {part}": images / np.median(epochs) for (name, part), epochs in seconds.items()}
    ratios = [
        b / a for a, b in zip(seconds["medcl", "end-to-end"], seconds["lightly", "end-to-end"], strict=True)
    ]
    return {
        "images_per_s": {name: round(float(rate), 1) for name, rate in rates.items()},
        "medcl_over_lightly": round(float(np.median(ratios)), 2),
        "medcl_over_lightly_by_round": [round(ratio, 2) for ratio in ratios],
        "medcl_share_not_network": round(1 - rates["medcl, end-to-end"] / rates["medcl, network"], 3),
        "lightly_share_not_network": round(1 - rates["lightly, end-to-end"] / rates["lightly, network"], 3),
        "conditions": {
            "batch": args.batch,
            "rounds": args.rounds,
            "steps_per_round": args.steps,
            "threads": args.threads,
            "precision": ours.training.fabric._precision.precision,
            "torch": torch.__version__,
            "processor": platform.machine(),
        },
    }


if __name__ == "__main__":
    main()
