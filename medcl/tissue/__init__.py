"""Tissue studies: networks learn from patches of scans with masks, and map abnormal tissue in other scans."""

from medcl.tissue.config import PatchConfig, TissueConfig
from medcl.tissue.maps import DenseViews
from medcl.tissue.patches import Patches, patches_at
from medcl.tissue.run import run_tissue

__all__ = ["DenseViews", "PatchConfig", "Patches", "TissueConfig", "patches_at", "run_tissue"]
