"""A cohort of synthetic patients and the demo study on it."""

from medcl.demo.cohort import describe, write_cohort

__all__ = ["describe", "write_cohort"]
