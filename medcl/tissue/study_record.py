"""What a study of tissue says of itself: the facts that its page is written from."""

from __future__ import annotations

from typing import Any

from medcl.files import read_json
from medcl.runs.folder import environment, hash_file
from medcl.tissue.arms import TissueStudy
from medcl.tissue.config import SEGMENT, TissueConfig
from medcl.tissue.folds import Fold


def tissue_facts(place: TissueStudy, folds: list[Fold]) -> dict[str, Any]:
    """Collect what the report must say of the study."""
    config, scans = place.config, place.store.scans.iloc[place.rows]
    pre, patches = config.pretrain, config.patches
    summaries = [read_json(place.folder(fold) / "pretrain" / "summary.json") for fold in folds]
    shape = "square of one slice" if pre.encoder.spatial_dims == 2 else "cube"
    return {
        "title": config.title,
        "question": config.question,
        "modality": ", ".join(sorted(set(scans["modality"]))),
        "patients": len(folds),
        "scans": len(scans),
        "baseline": config.primary.baseline,
        "primary": config.primary.model_dump(),
        "pairs": _pairs(config),
        "boxes": int((scans["mask_from"] == "boxes").sum()) if "mask_from" in scans else 0,
        "edge_mm": patches.edge_mm,
        "least_mm": place.images.policy.d_min_mm,
        "done": [
            f"Each of {len(folds)} patients was tested once; of the others one validated, drawn by chance, "
            f"and {' or '.join(map(str, config.budgets))} had a mask to learn from. There is one seed "
            f"({config.seed}): the spread over label draws and initial weights is not known.",
            f"Not transductive: {pre.method.name} pretraining (anew in each fold, {pre.epochs} epochs on "
            f"about {patches.unlabeled} patches a scan of its {' and '.join(pre.splits)} patients, without "
            "their masks) never saw the test patient.",
            f"A patch is a {shape} of {patches.edge_mm:g} mm, abnormal from {patches.abnormal:.0%} of mask, "
            f"healthy up to {patches.healthy:.0%}, the others left out; up to {patches.each} of each class a "
            f"scan. Maps have a patch every {patches.stride_mm:g} mm and are linear in between.",
            f"Every arm has the same network ({pre.encoder.name}), views and patches, those that train it "
            f"{config.training.steps} steps and {len(config.training.learning_rates)} learning rates; all "
            "choices and thresholds come from the validation patient.",
            *_segmenting(place),
        ],
        "pretrain_seconds": [summary["seconds"] for summary in summaries],
        "device": str(summaries[0]["device"]),
        "versions": environment()["packages"],
        "provenance": {
            "study.yaml": hash_file(place.out / "study.yaml"),
            "store": hash_file(config.store / "scans.parquet"),
        },
    }


def _pairs(config: TissueConfig) -> list[tuple[str, str]]:
    """Return what else to compare: segmentation on the pretrained encoder with that on a random one."""
    pair = config.pretrain.method.name + SEGMENT, "supervised" + SEGMENT
    return [pair] if set(pair) <= set(config.arms) and pair[1] != config.primary.baseline else []


def _segmenting(place: TissueStudy) -> list[str]:
    config = place.config
    arms = [arm for arm in config.arms if arm.endswith(SEGMENT)]
    if not arms:
        return []
    edge = place.windows.size / place.images.size
    return [
        f"{' and '.join(arms)}: a U-Net decoder over the stages of that network, from the pretrained or from "
        f"random weights, learned on windows of {edge * config.patches.edge_mm:g} mm round the same places, "
        "with their masks (Dice and cross-entropy), in as many steps; the state with the least loss on the "
        "validation patient's windows is kept. Their maps say what every pixel is."
    ]
