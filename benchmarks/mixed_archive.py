"""A mixed archive, accounted for to the last file: scanned, prepared, converted and predicted.

    python benchmarks/mixed_archive.py --cases ../shared/cases/cases.py --copies 3

Every situation of a `cases.py` is written `--copies` times, each under another folder, beside data sets of
links (git-annex, a Hugging Face cache) and files whose names hold any bytes. What the commands print is added
up: used and left out by reason must be what was found. Exit code 1 where it is not.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd

from medcl.finetune import Classifier, Model, ModelConfig
from medcl.pretrain import EncoderConfig, ViewsConfig, build_encoder

SLOW = frozenset({"many_small"})
NAMES = 200


def load_cases(path: Path) -> ModuleType:
    """Return the module that writes the situations."""
    specification = importlib.util.spec_from_file_location("cases", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["cases"] = module
    specification.loader.exec_module(module)
    return module


def volume(seed: int) -> bytes:
    """Return a NIfTI file of noise."""
    values = np.random.default_rng(seed).integers(0, 900, (16, 14, 12)).astype(np.int16)
    return bytes(nib.Nifti1Image(values, np.diag([2.0, 2, 3, 1])).to_bytes())


def write_links(folder: Path) -> None:
    """Write a data set of git-annex and a Hugging Face cache, with links that are broken or go in circles."""
    for number in range(60):
        key = f"MD5E-s1--{number:032x}.nii"
        data = folder / "annex" / ".git/annex/objects" / f"{number % 7:02d}" / key / key
        cache = folder / "hub/datasets--x/blobs" / f"{number:064x}"
        names = {
            data: folder / "annex" / f"sub-{number:02d}/anat/sub-{number:02d}_T1w.nii",
            cache: folder / "hub/datasets--x/snapshots/1" / f"case_{number}.nii",
        }
        for target, name in names.items():
            for path in (target, name):
                path.parent.mkdir(parents=True, exist_ok=True)
            if number % 10:
                target.write_bytes(volume(number + 1000 * (target == cache)))
            name.symlink_to(os.path.relpath(target, name.parent))
    (folder / "annex/loop").symlink_to("..")
    (folder / "hub/again").symlink_to("datasets--x/snapshots")


def write_names(folder: Path) -> None:
    """Write volumes whose names are random bytes."""
    source = random.Random(0)
    for number in range(NAMES):
        length = source.randint(1, 250)
        name = bytes(source.choice([*range(1, 47), *range(48, 256)]) for _ in range(length))
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b"%d" % number)).write_bytes(
            volume(5000 + number)
        )


def medcl(*arguments: str) -> tuple[list[str], float]:
    """Run a command and return the lines that it printed, and its seconds."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "medcl", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"medcl {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout.splitlines(), round(time.perf_counter() - start, 1)


def reasons(lines: list[str], heading: str) -> dict[str, int]:
    """Return the reasons below a heading that a command printed."""
    counts: dict[str, int] = {}
    start = next((number for number, line in enumerate(lines) if heading in line), len(lines))
    for line in lines[start + 1 :]:
        match = re.match(r" +(\d+) ([A-Z0-9_]+): ", line)
        if match is None:
            break
        counts[match[2]] = int(match[1])
    return counts


def files_on_disk(archive: Path) -> int:
    """Return the number of files and links, none of which is followed."""
    listed = os.walk(archive)
    return sum(
        len(files) + sum(os.path.islink(os.path.join(at, d)) for d in folders)
        for at, folders, files in listed
    )


def write_model(folder: Path) -> None:
    """Write an untrained model of MR and CT, whose predictions are only counted."""
    network = EncoderConfig(name="resnet10", width=8, stem="compact")
    config = ModelConfig(
        encoder=network,
        views=ViewsConfig(policy="unknown", size_px=16, slices=2),
        names=("no", "yes"),
        threshold=0.5,
        units=("HU", "a.u."),
        modalities=("CT", "MR", "unknown"),
        arm="untrained",
        budget="all",
        seed=0,
    )
    Model(Classifier(build_encoder(network, 0)), config).save(folder)


def steps(archive: Path, out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the account of each command."""
    lines, seconds = medcl(
        "scan", str(archive), "-o", str(out / "catalog"), "--follow-links", "--workers", "2"
    )
    found, used = map(int, re.findall(r"(\d+) files: (\d+) used", lines[0])[0])
    left_out = reasons(lines, "files not used")
    ledger = pd.read_parquet(out / "catalog/ledger.parquet")
    balanced = used + sum(left_out.values()) == found == len(ledger)
    same = left_out == ledger.loc[ledger["state"] != "used", "reason"].value_counts().to_dict()
    yield (
        "scan",
        {"found": found, "used": used, "left_out": left_out, "seconds": seconds, "ok": balanced and same},
    )

    scans = len(pd.read_parquet(out / "catalog/catalog.parquet"))
    lines, seconds = medcl("prepare", str(out / "catalog"), "-o", str(out / "store"), "--workers", "2")
    used = int(re.findall(r"(\d+) scans of", lines[0])[0])
    left_out = reasons(lines, "scans left out")
    ok = used + sum(left_out.values()) == scans
    yield "prepare", {"found": scans, "used": used, "left_out": left_out, "seconds": seconds, "ok": ok}

    lines, seconds = medcl("convert", str(out / "catalog"), "-o", str(out / "nifti"), "--workers", "2")
    used = int(re.findall(r"(\d+) scans written", lines[0])[0])
    left_out = reasons(lines, "scans not written")
    ok = (
        used + sum(left_out.values())
        == scans
        == len(list((out / "nifti").glob("*.json"))) + sum(left_out.values())
    )
    yield "convert", {"found": scans, "used": used, "left_out": left_out, "seconds": seconds, "ok": ok}

    table = out / "predictions.csv"
    write_model(out / "model")
    lines, seconds = medcl("predict", str(out), str(archive), "-o", str(table), "--follow-links")
    used = int(re.findall(r"(\d+) of", lines[0])[0])
    left_out = reasons(lines, "scans left out")
    ok = used + sum(left_out.values()) == scans and used == len(pd.read_csv(table))
    yield "predict", {"found": scans, "used": used, "left_out": left_out, "seconds": seconds, "ok": ok}


def main() -> int:
    """Write the archive, run the commands, and print the accounts."""
    parser = argparse.ArgumentParser(description="Account for every file of a mixed archive.")
    parser.add_argument(
        "--cases", type=Path, default=Path(os.environ.get("MEDCL_CASES", "../shared/cases/cases.py"))
    )
    parser.add_argument("--copies", type=int, default=3)
    options = parser.parse_args()
    cases = load_cases(options.cases).CASES
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MEDCL_HOME"] = str(folder / "private")
        archive = folder / "archive"
        for copy in range(options.copies):
            for case in sorted(set(cases) - SLOW):
                cases[case](archive / f"copy{copy}" / case)
        write_links(archive / "links")
        write_names(archive)
        report["on_disk"] = files_on_disk(archive)
        for step, account in steps(archive, folder):
            report[step] = account
            print(step, json.dumps(account), flush=True)
    report["ok"] = all(account["ok"] for account in report.values() if isinstance(account, dict))
    print(json.dumps({"on_disk": report["on_disk"], "ok": report["ok"]}))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
