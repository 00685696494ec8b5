"""Views per second, two per sample, against MONAI, TorchIO and batchgeneratorsv2 in one run.

    python benchmarks/views.py            # all cases; peers that are not installed are skipped, and said so

Every pipeline crops or scales, turns by up to 10 degrees, changes gain and offset, adds Gaussian noise and
smooths half of the views. Sources lie in memory as int16 (medcl) or float32 tensors (peers, which want them
so). medcl's figure is that of whole batches as its loader makes them: parameters, pixels, affines, and the
noise of an epoch of 16 batches. Peers use two processes for two cores, medcl threads. Pipelines take turns,
round by round; figures are medians over the rounds, ratios medians of each round's ratio. Peak memory is that
of a process that runs one pipeline alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

from medcl.errors import UsageError
from medcl.store.columns import ScanMeasures, measured_row
from medcl.store.measure import measure
from medcl.views import Policy, ViewLoader, load_policy

CASES = {"2-D 320 to 224": (320, 224, 2), "3-D 128 to 64": (128, 64, 3), "3-D 128 to 96": (128, 96, 3)}
SOURCES, BATCH = 8, 32
EPOCH = 16
"""Batches of an epoch: with each, medcl draws the epoch's noise anew."""
Sample = Callable[[int], object]


class Sources:
    """A store of smooth random scans in memory, 1 mm."""

    def __init__(self, edge: int, dims: int) -> None:
        coarse = [np.random.default_rng(n).normal(0, 300, (edge // 8,) * dims) for n in range(SOURCES)]
        self.arrays = [np.kron(c, np.ones((8,) * dims)).astype(np.int16) for c in coarse]
        self.dims, rows, measured = dims, [], []
        for number in range(BATCH):
            array = self.arrays[number % SOURCES]
            known = measure(array, "a.u.", dims)
            rows.append({"fingerprint": known.fingerprint ^ number, "lo": known.lo, "hi": known.hi})
            box = tuple(bound for n in array.shape for bound in (0, n))
            known = replace(known, box=box, anchors=())
            measured.append(measured_row(array.shape, [1.0] * dims, self.affine(number), known))
        kind = "volume" if dims == 3 else "image"
        self.scans = pd.DataFrame(rows).assign(scan="s-0", kind=kind, unit="a.u.", noise=20.0)
        self.scans["fingerprint"] = self.scans["fingerprint"].astype(np.uint64)
        self.measured = ScanMeasures.of(measured)

    def measures(self, rows: Sequence[int] | np.ndarray, anchored: bool = True) -> ScanMeasures:
        return self.measured.take(np.asarray(rows, np.int64))

    def array(self, row: int, box: np.ndarray | None = None) -> np.ndarray:
        return self.arrays[row % SOURCES]

    def affine(self, row: int) -> np.ndarray | None:
        return np.eye(4) if self.dims == 3 else None

    def mask(self, row: int) -> np.ndarray | None:
        return None

    valid = mask


def comparable(policy: Policy) -> Policy:
    """The policy with the operations that every peer performs, as often."""
    return policy.model_copy(
        update={
            "window": type(policy.window)(),
            "intensity": type(policy.intensity)(gain=(0.9, 1.1), offset=(-50, 50)),
            "blur": type(policy.blur)(sigma_mm=0.8, probability=0.5),
            "noise": type(policy.noise)(kind="gaussian", native=1.0, probability=1.0),
        }
    )


def medcl(sources: Sources, size: int, backend: str, threads: int) -> tuple[Sample, int]:
    """Return a function that makes a batch of samples, and how many those are."""
    count = BATCH if sources.dims == 2 else SOURCES
    loader = ViewLoader(
        sources,
        np.arange(count),
        comparable(load_policy("ct")),
        size,
        count,
        seed=0,
        backend=backend,
        dims=sources.dims,
        threads=threads,
    )
    return lambda n: loader.batch(np.arange(count), n // EPOCH), count


def monai(sources: Sources, size: int, tracked: bool) -> Sample:
    from monai.data import set_track_meta
    from monai.transforms import (
        Compose,
        EnsureType,
        RandAffine,
        RandGaussianNoise,
        RandGaussianSmooth,
        RandScaleIntensity,
        RandShiftIntensity,
    )

    set_track_meta(tracked)
    dims, angle = sources.dims, np.pi / 18
    pipeline = Compose(
        [
            EnsureType(track_meta=tracked),
            RandAffine(
                1.0, [angle] * (1 if dims == 2 else 3), None, [10] * dims, [0.1] * dims, [size] * dims
            ),
            RandScaleIntensity(0.1, 1.0),
            RandShiftIntensity(50, prob=1.0),
            RandGaussianNoise(1.0, std=20.0),
            RandGaussianSmooth(prob=0.5),
        ]
    )
    tensors = [torch.from_numpy(a.astype(np.float32))[None] for a in sources.arrays]
    return lambda n: [pipeline(tensors[n % SOURCES]) for _ in range(2)]


def torchio(sources: Sources, size: int) -> Sample:
    import torchio as tio

    flat = sources.dims == 2
    degrees = (0, 0, 0, 0, -10, 10) if flat else 10
    scales = (0.9, 1.1, 0.9, 1.1, 1, 1) if flat else (0.9, 1.1)
    pipeline = tio.Compose(
        [
            tio.RandomAffine(scales=scales, degrees=degrees, translation=(10, 10, 0) if flat else 10),
            tio.CropOrPad((size, size, 1) if flat else size),
            tio.RandomNoise(std=20),
            tio.RandomBlur(std=(0, 0.8), p=0.5),
        ]
    )
    tensors = [torch.from_numpy(a.astype(np.float32))[None] for a in sources.arrays]
    images = [tio.ScalarImage(tensor=t[..., None] if flat else t) for t in tensors]
    return lambda n: [pipeline(images[n % SOURCES]).data for _ in range(2)]


def batchgenerators(sources: Sources, size: int) -> Sample:
    from batchgeneratorsv2.transforms.intensity.brightness import MultiplicativeBrightnessTransform
    from batchgeneratorsv2.transforms.intensity.gaussian_noise import GaussianNoiseTransform
    from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
    from batchgeneratorsv2.transforms.utils.random import RandomTransform

    angle = np.pi / 18
    pipeline = ComposeTransforms(
        [
            SpatialTransform(
                (size,) * sources.dims,
                0,
                True,
                p_rotation=1,
                rotation=(-angle, angle),
                p_scaling=1,
                scaling=(0.9, 1.1),
            ),
            RandomTransform(GaussianNoiseTransform(noise_variance=(0, 20)), 1.0),
            RandomTransform(MultiplicativeBrightnessTransform((0.9, 1.1), False, 1), 1.0),
            RandomTransform(GaussianBlurTransform((0.1, 0.8), p_per_channel=1), 0.5),
        ]
    )
    tensors = [torch.from_numpy(a.astype(np.float32))[None] for a in sources.arrays]
    return lambda n: [pipeline(image=tensors[n % SOURCES])["image"] for _ in range(2)]


class Samples(Dataset):
    """Calls a pipeline in DataLoader workers."""

    def __init__(self, sample: Sample, count: int) -> None:
        self.sample, self.count = sample, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> object:
        torch.set_num_threads(1)
        return [torch.as_tensor(view) for view in self.sample(index)]


def rate(sample: Sample, per_call: int, seconds: float) -> float:
    """Return samples per second of processor time: what other work on the machine takes does not count."""
    sample(0)
    begun, spent, calls = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begun < seconds or calls < 2:
        sample(calls)
        calls += 1
    return calls * per_call / (time.process_time() - spent)


def rate_workers(sample: Sample, seconds: float, one: float) -> float:
    """Return samples per second by the clock with two worker processes."""
    count = max(4, int(one * seconds * 1.5))
    loader = DataLoader(
        Samples(sample, count + 2), batch_size=1, num_workers=2, collate_fn=lambda batch: batch[0]
    )
    iterator = iter(loader)
    next(iterator), next(iterator)
    begun = time.perf_counter()
    made = sum(1 for _ in iterator)
    return made / (time.perf_counter() - begun)


def wall_rate(sample: Sample, per_call: int, seconds: float) -> float:
    """Return samples per second by the clock."""
    sample(0)
    begun, calls = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds or calls < 2:
        sample(calls)
        calls += 1
    return calls * per_call / (time.perf_counter() - begun)


PEERS = {
    "MONAI Compose": lambda sources, size: monai(sources, size, True),
    "MONAI untracked": lambda sources, size: monai(sources, size, False),
    "TorchIO": torchio,
    "batchgeneratorsv2": batchgenerators,
}
OURS = {"medcl torch": "torch", "medcl fused": "fused"}


def measure_pipeline(name: str, case: str, seconds: float) -> tuple[float, float]:
    """Return samples per second on one core and on two."""
    edge, size, dims = CASES[case]
    sources = Sources(edge, dims)
    if name in PEERS:
        sample = PEERS[name](sources, size)
        one = rate(sample, 1, seconds)
        return one, rate_workers(sample, seconds, one)
    sample, count = medcl(sources, size, OURS[name], 1)
    both, _ = medcl(sources, size, OURS[name], 2)
    one = rate(sample, count, seconds)
    torch.set_num_threads(2 if name == "medcl torch" else 1)
    two = wall_rate(both, count, seconds)
    torch.set_num_threads(1)
    return one, two


def run_case(case: str, rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Let the pipelines take turns, and return medians."""
    measurements: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        for name in [*PEERS, *OURS]:
            try:
                measurements.setdefault(name, []).append(measure_pipeline(name, case, seconds))
            except (ImportError, UsageError) as error:
                if number == 0:
                    print(f"{name}: skipped, {error}")
    figures = {name: np.array(pairs) for name, pairs in measurements.items() if pairs}
    base = figures["MONAI Compose"][:, 0]
    best = np.max([pairs[:, 1] for name, pairs in figures.items() if name in PEERS], axis=0)
    table = {}
    for name, pairs in figures.items():
        ratios = pairs / np.stack([base, best], axis=1)
        values = np.concatenate([np.median(pairs, axis=0), np.median(ratios, axis=0)])
        table[name] = dict(zip(("one", "two", "one_x_monai", "two_x_best"), values.tolist(), strict=True))
        table[name] |= {"least_one_x_monai": float(ratios[:, 0].min()), "peak_mib": peak(name, case)}
    return table


def peak(name: str, case: str) -> float:
    """Return the peak memory in MiB of a process that runs one pipeline for a second."""
    call = [sys.executable, __file__, "--case", case, "--alone", name]
    return float(subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    """Print one table per case, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5, help="in which the pipelines take turns")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--case", choices=list(CASES), help="only this one")
    parser.add_argument("--alone", help="run this pipeline alone and print its peak memory in MiB")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.alone:
        edge, size, dims = CASES[args.case]
        sources = Sources(edge, dims)
        ours, theirs = OURS.get(args.alone), PEERS.get(args.alone)
        sample = theirs(sources, size) if theirs else medcl(sources, size, ours, 1)[0]
        rate(sample, 1, 1.0)
        status = Path("/proc/self/status").read_text().split()
        print(int(status[status.index("VmHWM:") + 1]) / 1024)
        return
    figures = {}
    for case in [args.case] if args.case else CASES:
        figures[case] = run_case(case, args.rounds, args.seconds)
        print_table(case, figures[case])
    print(f"\n{platform.processor() or platform.machine()}, torch {torch.__version__}")
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


def print_table(case: str, table: dict[str, dict[str, float]]) -> None:
    """Print the medians of one case."""
    print(f"\n{case}, two views per sample")
    heads = ("one core", "x MONAI", "(least)", "two cores", "x best peer", "peak MiB")
    print(" " * 20 + "".join(f"{head:>13}" for head in heads))
    for name, row in table.items():
        keys = ("one", "one_x_monai", "least_one_x_monai", "two", "two_x_best", "peak_mib")
        print(f"{name:20}" + "".join(f"{row[key]:13.1f}" for key in keys), flush=True)


if __name__ == "__main__":
    main()
