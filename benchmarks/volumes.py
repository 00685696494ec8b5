"""3-D pretraining on brain patches: does a probe tell tumour from healthy tissue of patients it never saw?

    python benchmarks/volumes.py -o OUT       # needs $MEDCL_DATA/brats6; minutes on one core

Cubes of FLAIR, half of them with tumour, are cut from six patients. Three times two of these are left out:
SimCLR pretrains a 3-D ResNet-10 on the cubes of the other four without labels, a linear probe learns from
their labels, and the cubes of the two are told apart; so they are with random weights in the same network.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch

from medcl.archive import scan_archive
from medcl.files import write_table
from medcl.finetune.probe import LinearProbe, auroc
from medcl.pretrain import Encoder, EncoderConfig, PretrainConfig, build_encoder, load_encoder, pretrain
from medcl.store import Store, prepare
from medcl.views import ViewLoader, load_policy

EDGE, EACH, SIZE = 32, 40, 24
NETWORK = EncoderConfig(name="resnet10", width=16, stem="compact", spatial_dims=3)
SEEDS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    told = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    store = patches(told.out)
    patients = sorted(set(store.scans["patient"]))
    rows = [row for fold in range(3) for row in run(store, patients[2 * fold :][:2], fold, told)]
    table = pd.DataFrame(rows)
    write_table(table, told.out / "volumes.parquet")
    print(table.round(3).to_string(index=False))
    means = table.groupby("encoder")["auroc"].mean()
    print(f"mean: SimCLR {means['simclr']:.3f}, random {means['random']:.3f}")


def patches(out: Path) -> Store:
    """Cut the cubes, once, and prepare them as a store."""
    if (out / "store" / "store.json").is_file():
        return Store.open(out / "store")
    root = Path(os.environ.get("MEDCL_DATA", "../shared/data")) / "brats6"
    (out / "archive").mkdir(parents=True, exist_ok=True)
    labels = [row for number, folder in enumerate(sorted(root.iterdir())) for row in cut(folder, number, out)]
    pd.DataFrame(labels).to_csv(out / "labels.csv", index=False)
    catalog = scan_archive([out / "archive"], out / "catalog")
    return prepare(catalog, out / "store", out / "labels.csv")


def cut(folder: Path, number: int, out: Path) -> list[dict[str, str]]:
    """Write cubes of one patient: with at least 5 % tumour, or in the brain and without any."""
    image = nib.load(folder / "Flair_subtrMeanDivStd.nii.gz")
    flair, tumour, brain = (
        np.asarray(nib.load(folder / f"{name}.nii.gz").dataobj)
        for name in ("Flair_subtrMeanDivStd", "OTMultiClass", "brainmask")
    )
    generator, half = np.random.default_rng(number), EDGE // 2
    inside = np.argwhere(brain > 0)
    inside = inside[((inside >= half) & (inside < np.array(brain.shape) - half)).all(1)]
    found: dict[str, int] = {"tumour": 0, "healthy": 0}
    rows = []
    for centre in generator.permutation(inside):
        cube = tuple(slice(c - half, c + half) for c in centre)
        share = (tumour[cube] > 0).mean()
        kind = (
            "tumour" if share >= 0.05 else "healthy" if share == 0 and (brain[cube] > 0).mean() > 0.7 else ""
        )
        if not kind or found[kind] == EACH:
            continue
        name = f"p{number}_{kind}_{found[kind]}.nii.gz"
        nib.save(nib.Nifti1Image(flair[cube].astype(np.float32), image.affine), out / "archive" / name)
        rows.append({"file": name, "patient": f"p{number}", "label": kind, "modality": "MR"})
        found[kind] += 1
        if all(count == EACH for count in found.values()):
            break
    return rows


def run(store: Store, left_out: list[str], fold: int, told: argparse.Namespace) -> list[dict[str, object]]:
    test = store.scans["patient"].isin(left_out).to_numpy()
    target = told.out / f"run{fold}"
    if not (target / "summary.json").is_file():
        config = PretrainConfig(
            store=split(store, test, told.out / f"fold{fold}"),
            views={"policy": "mr", "variant": "permissive", "size_px": SIZE},
            encoder=NETWORK,
            optimiser={"name": "adamw", "lr_per_256": 2e-3, "warmup_epochs": 2},
            epochs=told.epochs,
            batch_size=64,
        )
        pretrain(config, target, resume=(target / "config.yaml").is_file())
    rows = [{"fold": fold, "encoder": "simclr", "auroc": probe(store, load_encoder(target), test)}]
    rows += [
        {"fold": fold, "encoder": "random", "auroc": probe(store, build_encoder(NETWORK, seed), test)}
        for seed in SEEDS
    ]
    return rows


def split(store: Store, test: np.ndarray, folder: Path) -> Path:
    """Return a store of the same arrays whose training split is everything but `test`."""
    folder.mkdir(exist_ok=True)
    for name in ("arrays", "scans.parquet", "store.json"):
        if not (folder / name).exists():
            (folder / name).symlink_to((store.folder / name).resolve())
    splits = pd.read_parquet(store.folder / "splits.parquet").set_index("scan")
    of_scan = pd.Series(np.where(test, "test", "train"), index=store.scans["scan"])
    splits["split"] = of_scan.reindex(splits.index)
    write_table(splits.reset_index(), folder / "splits.parquet")
    return folder


@torch.inference_mode()
def probe(store: Store, encoder: Encoder, test: np.ndarray) -> float:
    """Return the AUROC of a linear probe, learnt on all scans but `test`, on those."""
    policy = load_policy("mr", "permissive")
    told = {"draw": "whole", "count": 1, "shuffle": False, "drop_last": False, "dims": 3}
    loader = ViewLoader(store, range(len(store)), policy, size=SIZE, batch_size=64, seed=0, **told)
    features = torch.cat([encoder.eval()(batch.data[:, 0]) for batch in loader]).numpy()
    truth = (store.scans["label"] == "tumour").to_numpy(int)
    fitted = LinearProbe().fit_pool(features[~test]).fit(features[~test], truth[~test])
    return auroc(truth[test], fitted.predict_proba(features[test])[:, 1])


if __name__ == "__main__":
    main()
