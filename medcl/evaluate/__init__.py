"""Evidence from predictions alone: metrics, intervals, comparisons, figures, report."""

from medcl.evaluate.comparison import Primary
from medcl.evaluate.evaluation import Evaluation, evaluate
from medcl.evaluate.predictions import check_predictions, read_predictions
from medcl.evaluate.report.write import write_report

__all__ = ["Evaluation", "Primary", "check_predictions", "evaluate", "read_predictions", "write_report"]
