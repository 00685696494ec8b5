"""A study from archive to report: its configuration, its run, and its record."""

from medcl.study.config import StudyConfig
from medcl.study.run import run_study

__all__ = ["StudyConfig", "run_study"]
