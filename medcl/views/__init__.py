"""Medically safe views: a policy in physical units in, batches of views out."""

from medcl.views.loader import ViewBatch, ViewLoader
from medcl.views.match import flags, policy_for
from medcl.views.policy import Policy, load_policy, shipped
from medcl.views.sampling.draw import draw_views
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, read_geometry

__all__ = [
    "Policy",
    "ScanGeometry",
    "ViewBatch",
    "ViewLoader",
    "ViewParams",
    "draw_views",
    "flags",
    "load_policy",
    "policy_for",
    "read_geometry",
    "shipped",
]
