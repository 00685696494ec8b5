"""Images a second of SimCLR (ResNet-18, 64 px, batch 128) and of lightly 1.6's own example, in one run.

    python -P benchmarks/pretrain.py --peer FOLDER    # lightly's virtual environment, made if not there

Epochs of both alternate, so that whatever else the machine does meets both; medcl is the real loop with its
log, on a prepared store of the same pictures. "Network" is the same training step on views that are there
already: what is left of the end-to-end time is views, waiting and bookkeeping.
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
from medcl.pretrain.distributed.launch import launch
from medcl.pretrain.loop import Pretraining
from medcl.pretrain.monitor.log import RunLog
from medcl.store import prepare
from medcl.views.loader import ViewBatch

SIZE, SOURCE = 64, 96
PINNED = ("torch==2.14.1", "torchvision==0.29.1", "lightly==1.6.0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6, help="of an epoch")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument(
        "--compile", action="store_true", help="let medcl compile its encoder where that pays"
    )
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDCL_HOME"] = f"{folder}/home"
        pictures = make_pictures(Path(folder), told.steps * told.batch)
        ours, peer = Ours(Path(folder), told), Peer(told, pictures)
        try:
            found = measure(ours, peer, told)
        finally:
            peer.close()
    print(json.dumps(found, indent=2))


def make_pictures(folder: Path, count: int) -> Path:
    """Write smooth random gray pictures for the peer, and a store of the same for medcl."""
    coarse = np.random.default_rng(0).integers(0, 255, (count, SOURCE // 8, SOURCE // 8), np.uint8)
    pictures = np.kron(coarse, np.ones((1, 8, 8), np.uint8))
    np.save(folder / "pictures.npy", pictures)
    np.savez(folder / "set.npz", train_images=pictures, train_labels=np.zeros((count, 1), int))
    prepare(scan_archive([folder / "set.npz"], folder / "catalog"), folder / "store")
    return folder / "pictures.npy"


class Ours:
    """medcl's loop, an epoch at a time."""

    def __init__(self, folder: Path, told: argparse.Namespace) -> None:
        config = PretrainConfig(
            store=folder / "store",
            views={"policy": "cxr", "variant": "permissive", "size_px": SIZE},
            encoder={"name": "resnet18"},
            epochs=1000,
            batch_size=told.batch,
            threads=told.threads,
            precision=told.precision,
            compile=told.compile,
            monitor=None,
        )
        self.training = Pretraining(launch(1, config.precision, config.threads), config, folder / "run")
        self.training.log = RunLog(folder / "run", self.training.steps, [], writes=True)
        self.training._compile()
        self.fixed: ViewBatch = self.training.loader.batch(np.arange(told.batch), 0)
        self.epoch = 0
        self.step(self.fixed)

    def step(self, batch: ViewBatch) -> None:
        self.training._train_step(batch, self.epoch, {"due": False, "stop": False})

    def run(self, what: str) -> float:
        begun = time.perf_counter()
        if what == "network":
            for _ in range(len(self.training.loader)):
                self.training.optimizer.zero_grad()
                self.training._backward(self.fixed, self.epoch)
                self.training.optimizer.step()
        else:
            self.epoch += 1
            self.training.loader.set_epoch(self.epoch)
            for batch in self.training.loader:
                self.step(batch)
        return time.perf_counter() - begun


class Peer:
    """lightly in a process and a virtual environment of its own."""

    def __init__(self, told: argparse.Namespace, pictures: Path) -> None:
        python = told.peer / "bin" / "python"
        if not python.is_file():
            subprocess.run([sys.executable, "-m", "venv", str(told.peer)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", *PINNED], check=True)
        script = Path(__file__).with_name("lightly_peer.py")
        words = [str(pictures), str(SIZE), str(told.batch), str(told.threads)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([str(python), "-P", str(script), *words], text=True, **pipes)
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("the peer ended; run lightly_peer.py alone to see why")
        return line

    def run(self, what: str) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return float(self._line())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def measure(ours: Ours, peer: Peer, told: argparse.Namespace) -> dict[str, object]:
    """Alternate epochs of both; medians over rounds."""
    images = told.steps * told.batch
    seconds: dict[tuple[str, str], list[float]] = {}
    for _ in range(told.rounds):
        for what in ("end-to-end", "network"):
            for name, side in (("medcl", ours), ("lightly", peer)):
                seconds.setdefault((name, what), []).append(side.run(what))
    rates = {f"{name}, {what}": images / np.median(taken) for (name, what), taken in seconds.items()}
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
            "batch": told.batch,
            "rounds": told.rounds,
            "steps_a_round": told.steps,
            "threads": told.threads,
            "precision": ours.training.fabric._precision.precision,
            "compiled": bool(ours.training.compiled),
            "torch": torch.__version__,
            "processor": platform.machine(),
        },
    }


if __name__ == "__main__":
    main()
