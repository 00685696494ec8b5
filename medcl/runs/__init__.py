"""The folder of a run (configuration, environment, provenance, lock), and stopping at a safe point.

Work that resumes holds its folder with `exclusive`, describes itself once with `describe_run`, and polls
`stop_requests` between steps that it can save.
"""

from medcl.runs.folder import describe_run, environment, exclusive, hash_file
from medcl.runs.signals import StopRequest, stop_requests
from medcl.runs.study_folder import check_study_folder, is_started, start_study

__all__ = [
    "StopRequest",
    "check_study_folder",
    "describe_run",
    "environment",
    "exclusive",
    "hash_file",
    "is_started",
    "start_study",
    "stop_requests",
]
