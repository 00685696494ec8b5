"""3-D pretraining on brain patches: linear probes of tumor against healthy tissue in unseen patients.

    python benchmarks/volumes.py STORE -o OUT       # STORE as in configs/studies/brats6_tissue.yaml; an hour

Three times two of six patients are left out, each patient once: SimCLR pretrains a 3-D ResNet-10 on cubes
of the other four without masks, and a linear probe learns from a few or all of the labeled cubes of three
of them (half with tumor), its C selected on the fourth. It is tested on the cubes of the two patients, and
compared with a probe of the same network with random weights. Patients of a fold share their encoders, so
no p-value is given.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from medcl.config import load
from medcl.files import write_table
from medcl.finetune import Images, LinearProbe, auroc, extract_features
from medcl.finetune.probe import LARGEST_C, SMALLEST_C
from medcl.pretrain import EncoderConfig, PretrainConfig, build_encoder, load_encoder, pretrain
from medcl.store import Store
from medcl.tissue import PatchConfig
from medcl.tissue.folds import Fold, fold_store
from medcl.tissue.patch_sampling import CLASSES, labeled_patches, masked_rows, unlabeled_patches
from medcl.views import load_policy

SIZE = 24
PATCHES = PatchConfig(edge_mm=32, abnormal=0.05, each=60, unlabeled=320, stride_mm=8)
NETWORK = EncoderConfig(name="resnet10", width=16, stem="compact", spatial_dims=3)
SEEDS, RANDOM_SEEDS = (0, 1), (0, 1, 2)
BUDGETS, DRAWS = ("5", "20", "all"), 10
"""Labeled cubes per class; small budgets are drawn several times, and their AUROCs averaged."""
VALUES_OF_C = np.geomspace(SMALLEST_C, LARGEST_C, 9)


def main() -> None:
    """Pretrain and probe in each fold, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=24)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    store = Store.open(args.store)
    rows = masked_rows(store)
    labeled = labeled_patches(store, rows, PATCHES, 3, 0).write(args.out / "labeled")
    unlabeled = unlabeled_patches(store, rows, PATCHES, 3, 0).write(args.out / "unlabeled")
    patients = list(dict.fromkeys(store.scans["patient"].iloc[rows]))
    rows_of_table: list[dict[str, object]] = []
    for first, second in zip(patients[::2], patients[1::2], strict=True):
        fold = Fold(first, second, tuple(p for p in patients if p not in (first, second)))
        rows_of_table += run(labeled, unlabeled, fold, args)
    table = pd.DataFrame(rows_of_table)
    write_table(table, args.out / "volumes.parquet")
    print(compare(table).to_string())


def run(labeled: Store, unlabeled: Store, fold: Fold, args: argparse.Namespace) -> list[dict[str, object]]:
    """Pretrain without the two patients of a fold, and probe there."""
    patches = fold_store(unlabeled, unlabeled.scans["owner"], fold, args.out / f"fold-{fold.test}")
    encoders = [("random", seed, build_encoder(NETWORK, seed)) for seed in RANDOM_SEEDS]
    for seed in SEEDS:
        target = args.out / f"run-{fold.test}-{seed}"
        pretrained(patches, target, seed, args.epochs)
        encoders.append(("simclr", seed, load_encoder(target)))
    images = Images(load_policy("mr", "permissive"), SIZE, 1, 3)
    return [
        {"encoder": name, "seed": seed, "fold": fold.test, **row}
        for name, seed, encoder in encoders
        for row in probe(labeled, extract_features(encoder, labeled, images), fold)
    ]


def pretrained(store: Path, target: Path, seed: int, epochs: int) -> None:
    """Pretrain into `target`, unless that was done with the same settings."""
    config = PretrainConfig(
        store=store,
        views={"policy": "mr", "variant": "permissive", "size_px": SIZE},
        encoder=NETWORK,
        optimizer={"name": "adamw", "lr_per_256": 2e-3, "warmup_epochs": 2},
        epochs=epochs,
        batch_size=64,
        seed=seed,
    )
    saved = target / "config.yaml"
    if (target / "summary.json").is_file():
        if load(saved, PretrainConfig) != config:
            raise SystemExit(f"{target} was pretrained with other settings; name a new folder")
        return
    pretrain(config, target, resume=saved.is_file())


def probe(store: Store, features: np.ndarray, fold: Fold) -> list[dict[str, object]]:
    """Return the AUROC of linear probes in each of the two patients, trained on cubes of the others."""
    truth = (store.scans["label"] == CLASSES[1]).to_numpy(int)
    patient = store.scans["patient"].to_numpy()
    pool, val = np.isin(patient, fold.train), patient == fold.train[0]
    train = [np.flatnonzero(pool & ~val & (truth == side)) for side in (0, 1)]
    results = []
    for budget in BUDGETS:
        for draw in range(1 if budget == "all" else DRAWS):
            generator = np.random.default_rng(draw)
            rows = np.concatenate(
                [t if budget == "all" else generator.choice(t, int(budget), replace=False) for t in train]
            )
            probes = [
                LinearProbe(C).fit_pool(features[pool]).fit(features[rows], truth[rows]) for C in VALUES_OF_C
            ]
            fitted = max(probes, key=lambda p: auroc(truth[val], p.logits(features[val])))
            for tested in (fold.test, fold.val):
                tested_rows = patient == tested
                value = auroc(truth[tested_rows], fitted.logits(features[tested_rows]))
                results.append({"patient": tested, "labels": budget, "draw": draw, "auroc": value})
    return results


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean AUROC of both encoders, their difference over all and by fold, and how many gain."""
    rows = {}
    for labels, block in table.groupby("labels", sort=False):
        means = block.pivot_table("auroc", ["fold", "patient"], "encoder")
        gain = means["simclr"] - means["random"]
        folds = gain.groupby("fold").mean()
        rows[labels] = {**means.mean(), "difference": gain.mean()}
        rows[labels] |= {f"fold {n + 1}": value for n, value in enumerate(folds)}
        rows[labels] |= {"patients better": int((gain > 0).sum()), "of": len(gain)}
    return pd.DataFrame(rows).T.round(3).rename_axis("labels per class")


if __name__ == "__main__":
    main()
