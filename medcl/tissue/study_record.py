"""The record of a tissue study, from which its report is written."""

from __future__ import annotations

from medcl.evaluate import TissueRecord
from medcl.files import read_json
from medcl.names import SUPERVISED
from medcl.runs import environment, hash_file
from medcl.store import patient_warnings
from medcl.tissue.arms import TissueStudy
from medcl.tissue.config import SEGMENT, TissueConfig
from medcl.tissue.folds import Fold


def tissue_record(study: TissueStudy, folds: list[Fold]) -> TissueRecord:
    """Return the record of a study whose folds are complete."""
    config, scans = study.config, study.store.scans.iloc[study.rows]
    pre, patches = config.pretrain, config.patches
    summaries = [read_json(study.folder(fold) / "pretrain" / "summary.json") for fold in folds]
    shape = "square of one slice" if pre.encoder.spatial_dims == 2 else "cube"
    return TissueRecord(
        title=config.title,
        question=config.question,
        modality=", ".join(sorted(set(scans["modality"]))),
        patients=len(folds),
        scans=len(scans),
        primary=config.primary,
        pairs=_comparisons(config),
        boxes=int((scans["mask_from"] == "boxes").sum()) if "mask_from" in scans else 0,
        warnings=patient_warnings(scans),
        edge_mm=patches.edge_mm,
        least_mm=study.images.policy.d_min_mm,
        done=[
            f"Each of {len(folds)} patients was the test patient once. Of the others, one drawn at random "
            f"was for validation and {' or '.join(map(str, config.budgets))} had a mask to learn from. "
            f"There is one seed ({config.seed}): the variation over label draws and initial weights is "
            "not known.",
            f"Not transductive: {pre.method.name} pretraining (anew in each fold, {pre.epochs} epochs on "
            f"about {patches.unlabeled} patches per scan of its {' and '.join(pre.splits)} patients, without "
            "their masks) never saw the test patient.",
            f"A patch is a {shape} of {patches.edge_mm:g} mm, abnormal from {patches.abnormal:.0%} of mask, "
            f"healthy up to {patches.healthy:.0%}, the others left out; up to {patches.each} per class and "
            f"scan. Maps have a patch every {patches.stride_mm:g} mm and are linear in between.",
            f"Every arm has the same network ({pre.encoder.name}), views and patches; arms that train it "
            f"have {config.training.steps} steps at each of {len(config.training.learning_rates)} learning "
            "rates. Hyperparameters and thresholds were selected on the validation patient.",
            *_segmenting(study),
        ],
        pretrain_seconds=[summary["seconds"] for summary in summaries],
        device=str(summaries[0]["device"]),
        versions=environment()["packages"],
        provenance={
            "study.yaml": hash_file(study.out / "study.yaml"),
            "store": hash_file(config.store / "scans.arrow"),
        },
    )


def _comparisons(config: TissueConfig) -> list[tuple[str, str]]:
    """Return a further comparison: segmentation from the pretrained encoder with that from a random one."""
    pair = config.pretrain.method.name + SEGMENT, SUPERVISED + SEGMENT
    return [pair] if set(pair) <= set(config.arms) and pair[1] != config.primary.baseline else []


def _segmenting(study: TissueStudy) -> list[str]:
    config = study.config
    arms = [arm for arm in config.arms if arm.endswith(SEGMENT)]
    if not arms:
        return []
    edge = study.regions.size / study.images.size
    return [
        f"{' and '.join(arms)}: a U-Net decoder over the stages of that network, from the pretrained or from "
        f"random weights, trained on regions of {edge * config.patches.edge_mm:g} mm around the same "
        "patches, with their masks (Dice and cross-entropy), in as many steps; the state with the least loss "
        "on the validation patient's regions is kept. Their maps classify every pixel."
    ]
