"""Scans per second and peak memory of `medcl predict` against a plain MONAI and PyTorch loop.

    python benchmarks/predict.py --scans 500 2000 --repeats 3 --workers 1

Both classify the same synthetic volumes (NIfTI) with the same network: 8 slices of each at 96 pixels. The
loop reads them with MONAI (LoadImage, Orientation, percentiles of intensity, Resize) in a DataLoader.
`medcl predict` also scans the archive, accounts for every file, measures each scan, and can be resumed; all
that counts. Each run is a process of its own, with nothing remembered from earlier ones; runs of the two take
turns, and medians are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import nibabel as nib
import numpy as np
import torch

from medcl.finetune import Classifier, Model, ModelConfig
from medcl.pretrain import EncoderConfig, ViewsConfig, build_encoder

SLICES, SIZE = 8, 96
SHAPE, SPACING_MM = (128, 128, 24), (1.0, 1.0, 3.0)


def write_scans(folder: Path, count: int) -> None:
    """Write volumes of noise in a sphere, all different."""
    folder.mkdir()
    positions = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij"))
    body = (positions**2).sum(axis=0) < 0.8
    generator = np.random.default_rng(0)
    noise = generator.normal(400, 60, SHAPE)
    for number in range(count):
        voxels = np.where(body, np.roll(noise, number, axis=0) + number % 50, 0).astype(np.int16)
        nib.Nifti1Image(voxels, np.diag([*SPACING_MM, 1.0])).to_filename(folder / f"sub-{number:05d}_T1w.nii")


def write_model(folder: Path) -> None:
    """Write a ResNet-18 with random weights."""
    encoder = EncoderConfig(name="resnet18", width=16)
    config = ModelConfig(
        encoder=encoder,
        views=ViewsConfig(policy="unknown", size_px=SIZE, slices=SLICES),
        names=("0", "1"),
        threshold=0.5,
        units=("a.u.",),
        modalities=("unknown", "MR"),
        arm="benchmark",
        budget="all",
        seed=0,
    )
    Model(Classifier(build_encoder(encoder, 0).eval()).eval(), config).save(folder)


def with_medcl(model: Path, archive: Path, out: Path, workers: int) -> int:
    """Predict with medcl and return the number of scans."""
    from medcl.predict import predict_archive

    return int(predict_archive(model, [archive], out / "p.csv", workers=workers)["scans"])


@torch.inference_mode()
def with_monai(model: Path, archive: Path, out: Path, workers: int) -> int:
    """Predict in a plain loop and return the number of scans."""
    from monai.data import DataLoader, Dataset
    from monai.transforms import (
        Compose,
        EnsureChannelFirst,
        LoadImage,
        Orientation,
        Resize,
        ScaleIntensityRangePercentiles,
    )

    classifier = Model.load(model).classifier
    transform = Compose(
        [
            LoadImage(image_only=True),
            EnsureChannelFirst(),
            Orientation(axcodes="RAS"),
            ScaleIntensityRangePercentiles(0.5, 99.5, -2, 2, clip=True),
            Resize((SIZE, SIZE, SLICES), mode="area"),
        ]
    )
    files = sorted(map(str, archive.iterdir()))
    loader = DataLoader(Dataset(files, transform), batch_size=256 // SLICES, num_workers=workers)
    logits = [classifier(batch.as_tensor().movedim(-1, 1)) for batch in loader]
    np.savetxt(out / "p.txt", torch.cat(logits).numpy())
    return sum(map(len, logits))


WAYS = {"medcl": with_medcl, "MONAI": with_monai}


def measured(way: str, model: Path, archive: Path, workers: int) -> dict[str, Any]:
    """Run one way in a process of its own and return its seconds, MB and scans."""
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, __file__, "--one", way, model, archive, home, workers]
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "MEDCL_HOME": f"{home}/private"},
        )
        return dict(json.loads(done.stdout))


def run_one(way: str, model: str, archive: str, out: str, workers: str) -> None:
    """Run one way in this process and print what it took."""
    WAYS[way](Path(model), Path(archive) / "warm", Path(out), int(workers))  # imports and first calls
    for path in Path(out).glob("p.*"):
        path.unlink()
    begun = time.perf_counter()
    scans = WAYS[way](Path(model), Path(archive) / "scans", Path(out), int(workers))
    seconds = time.perf_counter() - begun
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(
        json.dumps({"seconds": seconds, "scans": scans, "mb": peaks[0] / 1024, "worker_mb": peaks[1] / 1024})
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scans", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(*args.one)
        return
    print(f"{args.workers} workers; medians of {args.repeats} runs")
    for count in args.scans:
        with tempfile.TemporaryDirectory() as folder:
            archive, model = Path(folder) / "archive", Path(folder) / "model"
            archive.mkdir()
            write_scans(archive / "warm", 2)
            write_scans(archive / "scans", count)
            write_model(model)
            runs = [
                (way, measured(way, model, archive, args.workers))
                for _ in range(args.repeats)
                for way in WAYS
            ]
        for way in WAYS:
            results = [result for name, result in runs if name == way]
            assert all(result["scans"] == count for result in results)
            rate = count / median(result["seconds"] for result in results)
            peak, worker_peak = (median(result[key] for result in results) for key in ("mb", "worker_mb"))
            print(
                f"{count:>6} scans {way:>6}: {rate:7.1f}/s, peak {peak:.0f} MB, worker {worker_peak:.0f} MB"
            )


if __name__ == "__main__":
    main()
