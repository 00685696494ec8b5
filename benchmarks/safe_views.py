"""Linear probes of encoders pretrained on different sets of views, with the same budget.

    python benchmarks/safe_views.py configs/studies/busi.yaml STORE -o OUT us us:local simclr

STORE is the folder that `medcl prepare` wrote for the study's archive. Each set of views is a policy,
POLICY:VARIANT, or `simclr`: SimCLR's own augmentation as for small images (Chen et al. 2020, appendix B.9),
that is RandomResizedCrop(0.08, 1) with aspect ratios of 3/4 to 4/3 (antialiased), mirrored columns in half
of the views, brightness and contrast factors of 1 +- 0.4 in 80 %, no blur. Network, optimizer, batch, seed
and, if none are given, epochs are the study's. The encoder sees whole, unaugmented scans for the probe, the
same in all rows; label draws are those of the study's seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from medcl.config import load
from medcl.files import write_json, write_text
from medcl.finetune import Budget, Images, auroc, draw_labels, extract_features, fit_probe, make_task
from medcl.pretrain import PretrainConfig, ViewsConfig, load_encoder, pretrain_once
from medcl.store import Store
from medcl.study import StudyConfig
from medcl.views import ViewBatch, ViewLoader, draw_views, load_policy
from medcl.views.audit.mutations import simclr_crops
from medcl.views.loader import DrawnBatch
from medcl.views.policy import Crop
from medcl.views.sampling.params import ViewParams

JITTER, JITTERED_SHARE = 0.4, 0.8
SALT = 1


class SimCLRLoader(ViewLoader):
    """SimCLR's augmentation in place of the policy's, of which only the window is used."""

    def draw_batch(self, positions: np.ndarray, epoch: int) -> DrawnBatch:
        """Draw crops anywhere, so fine that they do not alias."""
        geometry = self.geometry(positions)
        oversampling = max(1, int(geometry.fov.max() // self.size))
        policy = self.policy.unaugmented().model_copy(
            update={"crop": Crop(area=(0.08, 1.0), overlap=0, anchor=0)}
        )
        drawn = draw_views(policy, geometry, self.size * oversampling, self.seed, epoch)
        return DrawnBatch([simclr_crops(drawn)])

    def render_batch(self, drawn: DrawnBatch) -> ViewBatch:
        """Average the crops to the size of views, mirror and jitter them."""
        batch = super().render_batch(drawn)
        params = drawn.views[0]
        data = F.avg_pool2d(batch.data.flatten(0, 1), params.size // self.size).unflatten(0, params.shape)
        return replace(batch, data=mirrored_and_jittered(data, params))


def mirrored_and_jittered(data: Tensor, params: ViewParams) -> Tensor:
    """Mirror and jitter views (B, V, C, H, W), -2 black and 2 white, keyed as the views are."""
    draws = np.random.default_rng([SALT, *params.noise_start.ravel()]).random((4, *params.shape))
    uniform = torch.from_numpy(draws.astype(np.float32)).reshape(4, *params.shape, 1, 1, 1)
    data = torch.where(uniform[0] < 0.5, data.flip(-1), data)
    gray = data / 4 + 0.5
    bright = (gray * (1 + JITTER * (2 * uniform[1] - 1))).clamp(0, 1)
    middle = bright.mean(dim=(-3, -2, -1), keepdim=True)
    jittered = (middle + (bright - middle) * (1 + JITTER * (2 * uniform[2] - 1))).clamp(0, 1)
    return (torch.where(uniform[3] < JITTERED_SHARE, jittered, gray) - 0.5) * 4


def run(study: StudyConfig, store: Path, views: str, out: Path) -> dict[str, Any]:
    """Pretrain on one set of views into `out`, unless that is done, and return the summary."""
    name, _, variant = views.partition(":")
    simclr = name == "simclr"
    views_config = ViewsConfig(
        policy=study.views.policy if simclr else name,
        variant=study.views.variant if simclr else variant or None,
        size_px=study.views.size_px,
    )
    settings = study.pretrain.model_dump() | {"threads": torch.get_num_threads()}
    config = PretrainConfig(store=store, views=views_config, **settings)
    with patch("medcl.pretrain.data.ViewLoader", SimCLRLoader if simclr else ViewLoader):
        return pretrain_once(config, out)


def probes(study: StudyConfig, store: Store, folder: Path) -> pd.DataFrame:
    """Return the test AUROC of a probe for each budget and draw of labels."""
    task = make_task(store, study.negative, study.positive)
    images = Images(load_policy(study.views.policy, study.views.variant), study.views.size_px, 1)
    features = extract_features(load_encoder(folder), store, images)
    rows = []
    for budget in study.budgets:
        for seed in study.seeds:
            probe = fit_probe(features, task, draw_labels(task, Budget.parse(budget), seed))
            value = auroc(task.truth[task.test], probe.predict_proba(features[task.test])[:, 1])
            rows.append({"budget": budget, "seed": seed, "auroc": value})
    return pd.DataFrame(rows)


def main() -> None:
    """Pretrain on each set of views and print mean and deviation of the probes' AUROC."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("views", nargs="+", help="POLICY, POLICY:VARIANT or simclr")
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    study, store = load(args.study, StudyConfig), Store.open(args.store)
    if args.epochs:
        longer = study.pretrain.model_copy(update={"epochs": args.epochs})
        study = study.model_copy(update={"pretrain": longer})
    tables = []
    for views in args.views:
        folder = args.out / views.replace(":", "-")
        summary = run(study, args.store, views, folder)
        print(
            f"{views}: {summary['steps']} steps, {summary['seconds']:.0f} s, "
            f"waiting {summary['waiting_share']:.1%}"
        )
        tables.append(probes(study, store, folder).assign(views=views))
    table = pd.concat(tables, ignore_index=True)
    means = table.groupby(["views", "budget"], sort=False)["auroc"].agg(["mean", "std", "count"])
    print(means.round(3).to_string())
    write_text(table.to_csv(index=False), args.out / "probes.csv")
    write_json(means.reset_index().to_dict("records"), args.out / "probes.json")


if __name__ == "__main__":
    main()
