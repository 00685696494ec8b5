"""Assembly of one series compared with TorchIO's reader in one run: uncompressed and JPEG 2000.

    python benchmarks/assemble.py --slices 64 --size 512 --repeats 5

The series is a CT phantom with noise. Times are the best of alternating repeats, in seconds of one process;
arrays are compared voxel by voxel. TorchIO is not a dependency: without it, only medcl is timed. Exit code 1
when medcl is slower.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from medcl.archive import dicom
from medcl.testing import phantom

SYNTAXES = {"uncompressed": None, "JPEG 2000": "1.2.840.10008.1.2.4.90"}


def write_series(folder: Path, slices: int, size: int, syntax: str | None) -> list[Path]:
    """Write a noisy phantom and return its files."""
    step, pixel = 120.0 / slices, 170.0 / size
    geometry = phantom.SliceGeometry(rows=size, columns=size, spacing=(pixel, pixel), step=step, count=slices)
    noise = np.random.default_rng(0)
    paths = []
    for number, ds in enumerate(phantom.series(geometry)):
        stored = np.frombuffer(ds.PixelData, np.uint16).reshape(size, size).astype(float)
        phantom.set_pixels(ds, np.clip(stored + noise.normal(0, 12, stored.shape), 0, 4095).astype(np.uint16))
        if syntax is not None:
            ds.compress(syntax, generate_instance_uid=False)
        paths.append(folder / f"{number:03d}.dcm")
        paths[-1].write_bytes(phantom.encoded(ds))
    return paths


def with_medcl(paths: list[Path]) -> np.ndarray:
    """Read the series as `medcl.archive.read` does, headers included."""
    return dicom.assemble([partial(open, path, "rb") for path in paths]).array


def torchio_reader() -> Callable[[Path], np.ndarray] | None:
    """Return TorchIO's reader, or None where it is not installed."""
    try:
        import torchio
    except ImportError:
        return None
    return lambda folder: torchio.ScalarImage(folder).data.numpy()[0]


def timed(action: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Return wall seconds, processor seconds and the result of an action."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = action()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def compare(slices: int, size: int, repeats: int, syntax: str | None) -> dict[str, float | bool]:
    """Time both readers on one series, alternating."""
    reader = torchio_reader()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_series(folder, slices, size, syntax)
        medcl_runs, torchio_runs = [], []
        same = True
        for _ in range(repeats):
            medcl_runs.append(timed(partial(with_medcl, paths)))
            if reader is not None:
                torchio_runs.append(timed(partial(reader, folder)))
                # TorchIO keeps DICOM's left and posterior; medcl reverses both axes.
                same = same and np.array_equal(medcl_runs[-1][2], torchio_runs[-1][2][::-1, ::-1])
    figures: dict[str, float | bool] = {
        "medcl_s": min(run[0] for run in medcl_runs),
        "medcl_cpu_s": min(run[1] for run in medcl_runs),
    }
    if torchio_runs:
        figures |= {
            "torchio_s": min(run[0] for run in torchio_runs),
            "torchio_cpu_s": min(run[1] for run in torchio_runs),
        }
        figures |= {"ratio_cpu": figures["torchio_cpu_s"] / figures["medcl_cpu_s"], "same_voxels": same}
    return figures


def main() -> int:
    """Run the comparison and print it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if torchio_reader() is None:
        print("torchio cannot be imported; only medcl is timed", file=sys.stderr)
    figures_by_syntax = {
        name: compare(options.slices, options.size, options.repeats, syntax)
        for name, syntax in SYNTAXES.items()
    }
    print(json.dumps(figures_by_syntax, indent=2))
    return int(any(figures.get("ratio_cpu", 1.0) < 1.0 for figures in figures_by_syntax.values()))


if __name__ == "__main__":
    sys.exit(main())
