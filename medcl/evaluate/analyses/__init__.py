"""Analyses of the predictions of a study, each from the same bootstrap draws."""

from medcl.evaluate.analyses.controls import control_warnings
from medcl.evaluate.analyses.resampling import Resampled, resample
from medcl.evaluate.analyses.tables import analysis_tables

__all__ = ["Resampled", "analysis_tables", "control_warnings", "resample"]
