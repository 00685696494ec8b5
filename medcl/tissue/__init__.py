"""Healthy from abnormal tissue: patches of masked scans, and maps of scans that nobody has seen."""

from medcl.tissue.config import PatchConfig, TissueConfig
from medcl.tissue.maps import DenseViews
from medcl.tissue.patches import Patches, patches_at
from medcl.tissue.run import run_tissue

__all__ = ["DenseViews", "PatchConfig", "Patches", "TissueConfig", "patches_at", "run_tissue"]
