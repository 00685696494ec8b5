"""Evaluation of probability maps of tissue: voxels, Dice, lesions, and the report of a tissue study."""

from medcl.evaluate.tissue.evaluate import TissueEvaluation, evaluate_tissue
from medcl.evaluate.tissue.report import answer, write_tissue_report
from medcl.evaluate.tissue.voxels import ABNORMAL, HEALTHY, LEVELS, OUTSIDE, Voxels

__all__ = [
    "ABNORMAL",
    "HEALTHY",
    "LEVELS",
    "OUTSIDE",
    "TissueEvaluation",
    "Voxels",
    "answer",
    "evaluate_tissue",
    "write_tissue_report",
]
