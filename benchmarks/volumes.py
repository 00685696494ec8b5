"""3-D pretraining on brain patches: does a probe tell tumour from healthy tissue of patients it never saw?

    python benchmarks/volumes.py STORE -o OUT       # STORE as in configs/studies/brats6_tissue.yaml; minutes

Three times two of six patients are left out: SimCLR pretrains a 3-D ResNet-10 on cubes of the other four
without masks, a linear probe learns from their labelled cubes (half of them with tumour), and the cubes of
the two are told apart; so they are with random weights in the same network.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from medcl.files import write_table
from medcl.finetune import Images, LinearProbe, extract_features
from medcl.finetune.probe import auroc
from medcl.pretrain import Encoder, EncoderConfig, PretrainConfig, build_encoder, load_encoder, pretrain
from medcl.store import Store
from medcl.tissue import PatchConfig
from medcl.tissue.draw import CLASSES, labelled_patches, masked_rows, unlabelled_patches
from medcl.tissue.folds import Fold, fold_store, plan_folds
from medcl.views import load_policy

SIZE = 24
PATCHES = PatchConfig(edge_mm=32, abnormal=0.05, each=40, unlabelled=80, stride_mm=8)
NETWORK = EncoderConfig(name="resnet10", width=16, stem="compact", spatial_dims=3)
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    told = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    store = Store.open(told.store)
    rows = masked_rows(store)
    labelled = labelled_patches(store, rows, PATCHES, 3, 0).write(told.out / "labelled")
    unlabelled = unlabelled_patches(store, rows, PATCHES, 3, 0).write(told.out / "unlabelled")
    folds = plan_folds(store, rows, 4, 0)[:3]
    found = [row for n, fold in enumerate(folds) for row in run(labelled, unlabelled, fold, n, told)]
    table = pd.DataFrame(found)
    write_table(table, told.out / "volumes.parquet")
    print(table.round(3).to_string(index=False))
    means = table.groupby("encoder")["auroc"].mean()
    print(f"mean: SimCLR {means['simclr']:.3f}, random {means['random']:.3f}")


def run(
    labelled: Store, unlabelled: Store, fold: Fold, number: int, told: argparse.Namespace
) -> list[dict[str, object]]:
    """Pretrain without the two patients of a fold, and probe there."""
    target = told.out / f"run{number}"
    if not (target / "summary.json").is_file():
        config = PretrainConfig(
            store=fold_store(unlabelled, unlabelled.scans["owner"], fold, told.out / f"fold{number}"),
            views={"policy": "mr", "variant": "permissive", "size_px": SIZE},
            encoder=NETWORK,
            optimiser={"name": "adamw", "lr_per_256": 2e-3, "warmup_epochs": 2},
            epochs=told.epochs,
            batch_size=64,
        )
        pretrain(config, target, resume=(target / "config.yaml").is_file())
    test = labelled.scans["patient"].isin([fold.test, fold.val]).to_numpy()
    rows = [{"fold": number, "encoder": "simclr", "auroc": probe(labelled, load_encoder(target), test)}]
    rows += [
        {"fold": number, "encoder": "random", "auroc": probe(labelled, build_encoder(NETWORK, seed), test)}
        for seed in SEEDS
    ]
    return rows


def probe(store: Store, encoder: Encoder, test: np.ndarray) -> float:
    """Return the AUROC of a linear probe, learnt on all patches but `test`, on those."""
    images = Images(load_policy("mr", "permissive"), SIZE, 1, 3)
    features = extract_features(encoder, store, images)
    truth = (store.scans["label"] == CLASSES[1]).to_numpy(int)
    fitted = LinearProbe().fit_pool(features[~test]).fit(features[~test], truth[~test])
    return auroc(truth[test], fitted.predict_proba(features[test])[:, 1])


if __name__ == "__main__":
    main()
