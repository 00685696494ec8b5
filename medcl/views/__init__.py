"""Medically safe views: a policy in physical units and a store go in, batches of views come out.

Names are imported when they are first used, so that reading a policy or displaying a slice loads no PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medcl.config import shipped
    from medcl.views.loader import ViewBatch, ViewLoader
    from medcl.views.masks import view_masks
    from medcl.views.match import flags, policy_for
    from medcl.views.policy import Policy, load_policy
    from medcl.views.related import same_scan_or_patient
    from medcl.views.sampling.draw import draw_views
    from medcl.views.sampling.params import ViewParams
    from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry
    from medcl.views.single import SingleScan

_MODULES = {
    "ScanSource": "sampling.scan_geometry",
    "SingleScan": "single",
    "same_scan_or_patient": "related",
    "view_masks": "masks",
    "Policy": "policy",
    "ScanGeometry": "sampling.scan_geometry",
    "ViewBatch": "loader",
    "ViewLoader": "loader",
    "ViewParams": "sampling.params",
    "draw_views": "sampling.draw",
    "flags": "match",
    "load_policy": "policy",
    "policy_for": "match",
    "read_geometry": "sampling.scan_geometry",
    "shipped": "policy",
}

__all__ = [
    "Policy",
    "ScanGeometry",
    "ScanSource",
    "SingleScan",
    "ViewBatch",
    "ViewLoader",
    "ViewParams",
    "draw_views",
    "flags",
    "load_policy",
    "policy_for",
    "read_geometry",
    "same_scan_or_patient",
    "shipped",
    "view_masks",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'medcl.views' has no attribute '{name}'")
    return getattr(import_module(f"medcl.views.{_MODULES[name]}"), name)
