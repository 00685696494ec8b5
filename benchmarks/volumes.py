"""3-D pretraining on brain patches: does a probe tell tumour from healthy tissue of patients it never saw?

    python benchmarks/volumes.py STORE -o OUT    # STORE as in configs/studies/brats6_tissue.yaml; 30 min

Three times two of six patients are left out, each patient once: SimCLR pretrains a 3-D ResNet-10 on cubes of
the other four without masks, a linear probe learns from a few or all of their labelled cubes (half of them
with tumour), and the cubes of the two are told apart; so they are with random weights in the same network.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from medcl.evaluate.tissue import sign_flip_p, student_interval
from medcl.files import write_table
from medcl.finetune import Images, LinearProbe, extract_features
from medcl.finetune.probe import auroc
from medcl.pretrain import EncoderConfig, PretrainConfig, build_encoder, load_encoder, pretrain
from medcl.store import Store
from medcl.tissue import PatchConfig
from medcl.tissue.draw import CLASSES, labelled_patches, masked_rows, unlabelled_patches
from medcl.tissue.folds import Fold, fold_store
from medcl.views import load_policy

SIZE = 24
PATCHES = PatchConfig(edge_mm=32, abnormal=0.05, each=60, unlabelled=320, stride_mm=8)
NETWORK = EncoderConfig(name="resnet10", width=16, stem="compact", spatial_dims=3)
RANDOM_SEEDS = (0, 1, 2)
BUDGETS, DRAWS = (5, 20, None), 10
"""Labelled cubes a class, None for all; a few are drawn several times, and their AUROCs averaged."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=24)
    told = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    store = Store.open(told.store)
    rows = masked_rows(store)
    labelled = labelled_patches(store, rows, PATCHES, 3, 0).write(told.out / "labelled")
    unlabelled = unlabelled_patches(store, rows, PATCHES, 3, 0).write(told.out / "unlabelled")
    patients = list(dict.fromkeys(store.scans["patient"].iloc[rows]))
    found: list[dict[str, object]] = []
    for first, second in zip(patients[::2], patients[1::2], strict=True):
        fold = Fold(first, second, tuple(p for p in patients if p not in (first, second)))
        found += run(labelled, unlabelled, fold, told)
    table = pd.DataFrame(found)
    write_table(table, told.out / "volumes.parquet")
    print(compare(table).to_string(index=False))


def run(labelled: Store, unlabelled: Store, fold: Fold, told: argparse.Namespace) -> list[dict[str, object]]:
    """Pretrain without the two patients of a fold, and probe there."""
    target = told.out / f"run-{fold.test}"
    if not (target / "summary.json").is_file():
        config = PretrainConfig(
            store=fold_store(unlabelled, unlabelled.scans["owner"], fold, told.out / f"fold-{fold.test}"),
            views={"policy": "mr", "variant": "permissive", "size_px": SIZE},
            encoder=NETWORK,
            optimiser={"name": "adamw", "lr_per_256": 2e-3, "warmup_epochs": 2},
            epochs=told.epochs,
            batch_size=64,
        )
        pretrain(config, target, resume=(target / "config.yaml").is_file())
    encoders = [("simclr", load_encoder(target))]
    encoders += [("random", build_encoder(NETWORK, seed)) for seed in RANDOM_SEEDS]
    images = Images(load_policy("mr", "permissive"), SIZE, 1, 3)
    return [
        {"encoder": name, **row}
        for name, encoder in encoders
        for row in probe(labelled, extract_features(encoder, labelled, images), fold)
    ]


def probe(store: Store, features: np.ndarray, fold: Fold) -> list[dict[str, object]]:
    """Return the AUROC of linear probes in each of the two patients, learnt on cubes of the others."""
    truth = (store.scans["label"] == CLASSES[1]).to_numpy(int)
    patient = store.scans["patient"].to_numpy()
    others = np.flatnonzero(np.isin(patient, fold.train))
    found = []
    for budget in BUDGETS:
        for draw in range(DRAWS if budget else 1):
            generator = np.random.default_rng(draw)
            each = [others[truth[others] == side] for side in (0, 1)]
            known = np.concatenate([generator.choice(s, budget or len(s), replace=False) for s in each])
            fitted = LinearProbe().fit_pool(features[others]).fit(features[known], truth[known])
            for tested in (fold.test, fold.val):
                own = patient == tested
                value = auroc(truth[own], fitted.predict_proba(features[own])[:, 1])
                found.append({"patient": tested, "labels": budget or "all", "draw": draw, "auroc": value})
    return found


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean AUROC over patients and SimCLR minus random, with Student's interval and sign-flip p."""
    rows = []
    for labels, block in table.groupby("labels", sort=False):
        means = block.pivot_table("auroc", "patient", "encoder")
        gain = (means["simclr"] - means["random"]).to_numpy()
        rows.append(
            {"labels": labels, **means.mean()}
            | dict(zip(("difference", "low", "high"), student_interval(gain), strict=True))
            | {"better": f"{(gain > 0).sum()} of {len(gain)}", "p": sign_flip_p(gain)}
        )
    return pd.DataFrame(rows).round(3)


if __name__ == "__main__":
    main()
