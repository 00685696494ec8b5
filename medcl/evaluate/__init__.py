"""Evidence from predictions alone: metrics, intervals, comparisons, figures, report."""

from medcl.evaluate.comparison import Primary, TissuePrimary
from medcl.evaluate.evaluation import Evaluation, evaluate
from medcl.evaluate.predictions import check_predictions, read_predictions
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
    "ArmRecord",
    "Evaluation",
    "Primary",
    "SplitCount",
    "StudyRecord",
    "TissuePrimary",
    "TissueRecord",
    "check_predictions",
    "evaluate",
    "read_predictions",
    "read_record",
    "write_record",
    "write_report",
]
