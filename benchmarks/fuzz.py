"""Fuzz the archive: mutated files through scan, read and convert.

    python benchmarks/fuzz.py --files 20000

Damages pydicom's and nibabel's test files and some generated images, npz and zip files by bit flips,
truncation, swapped tags, wrong lengths or damaged gzip; and checks that nothing crashes, no file takes over
5 s, memory stays under 1 GiB and every file is in the ledger. Exit code 1 when a check fails.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from PIL import Image

from medcl.archive import ArchiveError, Catalog, nifti_image, read
from medcl.archive.dicom.pixels import gdcm_process
from medcl.archive.ledger.catalog_rows import gather
from medcl.archive.ledger.examine import examine
from medcl.archive.ledger.metadata_files import is_metadata
from medcl.archive.privacy import silenced_loggers
from medcl.archive.storage.walk import check_roots, walk

SECONDS_PER_FILE = 5.0
"""Processor time, which does not depend on other work on the machine; ten times as much wall time."""
MEMORY_MIB = 1024
BATCH = 500
MAX_SEED_BYTES = 700_000


class TooSlow(BaseException):
    """Raised by the alarm; no `except Exception` of the code under test can swallow it."""


def seeds() -> list[bytes]:
    """Return the files that are mutated."""
    contents = []
    for package in (pydicom, nibabel):
        folder = Path(package.__file__).parent
        paths = [*folder.glob("data/test_files/**/*"), *folder.glob("tests/data/*.nii*")]
        paths += [*folder.glob("nicom/tests/data/*.dcm")]
        contents += [
            p.read_bytes() for p in sorted(paths) if p.is_file() and p.stat().st_size < MAX_SEED_BYTES
        ]
    return [content for content in contents if len(content) > 64] + _generated()


def _generated() -> list[bytes]:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (24, 30), dtype=np.uint8)
    contents = []
    for kind in ("PNG", "JPEG"):
        for image in (values, np.dstack([values] * 3), values.astype(np.uint16) * 200):
            if kind == "PNG" or image.dtype == np.uint8:
                stream = io.BytesIO()
                Image.fromarray(image).save(stream, kind)
                contents.append(stream.getvalue())
    stream = io.BytesIO()
    np.savez_compressed(
        stream, train_images=rng.integers(0, 9, (6, 8, 8), dtype=np.uint8), train_labels=values[:6, :1]
    )
    contents.append(stream.getvalue())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.png", contents[0])
        packed.writestr("b.npz", contents[-1])
    contents.append(stream.getvalue())
    image = nibabel.Nifti1Image(rng.normal(size=(9, 8, 7)).astype(np.float32), np.eye(4))
    return contents * 4 + [gzip.compress(image.to_bytes())] * 8


def mutate(content: bytes, draw: random.Random) -> bytes:
    """Return a damaged copy."""
    damage = draw.choice(
        [_flip, _flip, _flip_head, _flip_head, _swap, _overwrite_number, _overwrite_number, _cut, _gzip]
    )
    broken = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 4])):
        broken = damage(broken, draw) if len(broken) > 32 else broken
    return bytes(broken)


def _flip(content: bytearray, draw: random.Random) -> bytearray:
    for _ in range(draw.randint(1, 16)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return content


def _flip_head(content: bytearray, draw: random.Random) -> bytearray:
    for _ in range(draw.randint(1, 6)):
        content[draw.randrange(min(len(content), 1500))] = draw.randrange(256)
    return content


def _cut(content: bytearray, draw: random.Random) -> bytearray:
    start = draw.randrange(len(content))
    return (
        content[:start] if draw.random() < 0.7 else content[:start] + content[start + draw.randint(1, 64) :]
    )


def _swap(content: bytearray, draw: random.Random) -> bytearray:
    """Exchange two short parts of the header, as when tags are swapped."""
    end = min(len(content), 4000) - 8
    first, second = draw.randrange(max(end, 1)), draw.randrange(max(end, 1))
    length = draw.choice([2, 4, 8])
    one, two = content[first : first + length], content[second : second + length]
    content[first : first + length], content[second : second + length] = two, one
    return content


def _overwrite_number(content: bytearray, draw: random.Random) -> bytearray:
    """Overwrite a field with a number that is invalid for a length or a dimension."""
    number = draw.choice([0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE, len(content) * 2])
    width = draw.choice([2, 4])
    start = draw.randrange(max(min(len(content), 4000) - 4, 1)) & ~1
    content[start : start + width] = (number & ((1 << 8 * width) - 1)).to_bytes(width, "little")
    return content


def _gzip(content: bytearray, draw: random.Random) -> bytearray:
    packed = bytearray(gzip.compress(bytes(content), 1))
    return _flip(packed, draw) if draw.random() < 0.5 else packed[: draw.randrange(20, len(packed) + 1)]


def timed(work: Callable[[], Any], slowest: list[float]) -> Any:
    """Run `work` under the alarm and record the longest processor and wall time in `slowest`."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS_PER_FILE)
    signal.setitimer(signal.ITIMER_REAL, 10 * SECONDS_PER_FILE)
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        slowest[0] = max(slowest[0], time.process_time() - cpu)
        slowest[1] = max(slowest[1], time.perf_counter() - wall)


def run_batch(files: int, seed: int) -> dict[str, Any]:
    """Damage `files` files, scan, read and convert them, and return counts and maxima."""
    draw = random.Random(seed)
    pool = seeds()
    slowest = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDCL_HOME"] = f"{folder}/private"
        archive = Path(folder) / "archive"
        archive.mkdir()
        for number in range(files):
            (archive / str(number)).write_bytes(mutate(draw.choice(pool), draw))
        with silenced_loggers():
            outcomes = [
                outcome
                for entry in walk(check_roots([archive]))
                for outcome in timed(lambda entry=entry: examine(entry), slowest)
            ]
            metadata = [outcome for outcome in outcomes if is_metadata(outcome)]
            tables = gather([outcomes], lambda: metadata, "lenient")
        on_disk = sum(not outcome.member for outcome in outcomes)
        catalog = Catalog.write(Path(folder) / "catalog", tables, "lenient")
        converted = convert_all(catalog, slowest)
        summary = catalog.summary()
        gdcm_process.close()
    own, children = (
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "files": files,
        "complete": on_disk == files
        and len(outcomes) == summary["files"] == sum(summary[s] for s in ("used", "dropped", "quarantined")),
        "states": {state: summary[state] for state in ("used", "dropped", "quarantined")},
        "reasons": summary["reasons"],
        "converted": converted,
        "slowest": slowest,
        "memory_mib": max(own, children) / 1024,
    }


def convert_all(catalog: Catalog, slowest: list[float]) -> int:
    """Read every scan and convert it to NIfTI; return how many could be read."""
    converted = 0
    for scan in catalog.scans["scan"]:
        try:
            data = timed(lambda scan=scan: read(catalog, scan), slowest)
        except ArchiveError:
            continue
        timed(lambda data=data: nifti_image(data).to_bytes(), slowest)
        converted += 1
    return converted


def _child(files: int, seed: int, answer: Any) -> None:
    def on_alarm(*_: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, on_alarm)
    signal.signal(signal.SIGPROF, on_alarm)
    answer.send(run_batch(files, seed))


def fuzz(files: int, seed: int = 0) -> dict[str, Any]:
    """Fuzz in child processes, one per batch, and sum their results."""
    context = multiprocessing.get_context("fork")
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    faults: list[str] = []
    slowest, memory = [0.0, 0.0], 0.0
    for number, start in enumerate(range(0, files, BATCH)):
        receiver, sender = context.Pipe(duplex=False)
        batch_seed = seed * 10_000 + number
        child = context.Process(target=_child, args=(min(BATCH, files - start), batch_seed, sender))
        child.start()
        sender.close()
        try:
            batch = receiver.recv()
        except EOFError:
            batch = None
        child.join()
        if batch is None or child.exitcode:
            faults.append(f"batch of seed {batch_seed} died with exit code {child.exitcode}")
            continue
        print(f"{start + batch['files']} files, {len(faults)} faults", file=sys.stderr, flush=True)
        if not batch["complete"]:
            faults.append(f"batch of seed {batch_seed}: files are missing from the ledger")
        total.update({"files": batch["files"], "converted": batch["converted"], **batch["states"]})
        reasons.update(batch["reasons"])
        slowest = list(map(max, slowest, batch["slowest"]))
        memory = max(memory, batch["memory_mib"])
    if memory > MEMORY_MIB:
        faults.append(f"memory reached {memory:.0f} MiB")
    return {
        **total,
        "reasons": dict(reasons.most_common()),
        "slowest_cpu_s": round(slowest[0], 3),
        "slowest_clock_s": round(slowest[1], 3),
        "memory_mib": round(memory),
        "faults": faults,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = time.perf_counter()
    report = fuzz(options.files, options.seed)
    report["seconds"] = round(time.perf_counter() - start, 1)
    print(json.dumps(report, indent=2))
    return 1 if report["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
