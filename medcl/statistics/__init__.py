"""Metrics, intervals, thresholds and tests of binary predictions, on arrays alone (numpy and SciPy)."""

from medcl.statistics.bootstrap import Resampler, Sample, draw_patients, over_seeds
from medcl.statistics.calibration import calibration_line, predictive_values, wilson
from medcl.statistics.delong import Delong, auroc_covariance, delong
from medcl.statistics.mcnemar import mcnemar
from medcl.statistics.metrics import (
    METRICS,
    Counts,
    Metric,
    areas,
    compute_metrics,
    counts,
    likelihood_ratios,
    mass_bins,
    rates,
    shown_in,
)
from medcl.statistics.multiplicity import CORRECTION, adjust
from medcl.statistics.thresholds import OperatingPoint, operating_points

__all__ = [
    "CORRECTION",
    "METRICS",
    "Counts",
    "Delong",
    "Metric",
    "OperatingPoint",
    "Resampler",
    "Sample",
    "adjust",
    "areas",
    "auroc_covariance",
    "calibration_line",
    "compute_metrics",
    "counts",
    "delong",
    "draw_patients",
    "likelihood_ratios",
    "mass_bins",
    "mcnemar",
    "operating_points",
    "over_seeds",
    "predictive_values",
    "rates",
    "shown_in",
    "wilson",
]
