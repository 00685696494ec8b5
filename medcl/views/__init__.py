"""Medically safe views: a policy in physical units in, batches of views out."""

from medcl.views.draw import draw_views
from medcl.views.frames import Frames, read_frames
from medcl.views.loader import ViewBatch, ViewLoader
from medcl.views.params import ViewParams
from medcl.views.policy import Policy, load_policy, shipped

__all__ = [
    "Frames",
    "Policy",
    "ViewBatch",
    "ViewLoader",
    "ViewParams",
    "draw_views",
    "load_policy",
    "read_frames",
    "shipped",
]
