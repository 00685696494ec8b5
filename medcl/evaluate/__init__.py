"""Evidence from predictions alone: metrics, intervals, comparisons, figures, report."""

from medcl.evaluate.arms import budget_label, on_clean_images
from medcl.evaluate.comparison import Primary, TissuePrimary, choose_primary
from medcl.evaluate.evaluation import Evaluation, evaluate
from medcl.evaluate.predictions import CELL, Panel, check_predictions, make_panel, read_predictions
from medcl.evaluate.report.write import write_report
from medcl.evaluate.study_record import (
    ArmRecord,
    SplitCount,
    StudyRecord,
    TissueRecord,
    read_record,
    write_record,
)

__all__ = [
    "CELL",
    "ArmRecord",
    "Evaluation",
    "Panel",
    "Primary",
    "SplitCount",
    "StudyRecord",
    "TissuePrimary",
    "TissueRecord",
    "budget_label",
    "check_predictions",
    "choose_primary",
    "evaluate",
    "make_panel",
    "on_clean_images",
    "read_predictions",
    "read_record",
    "write_record",
    "write_report",
]
