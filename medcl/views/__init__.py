"""Medically safe views: a policy in physical units in, batches of views out."""

from medcl.views.draw import draw_views
from medcl.views.fitting import flags, policy_for
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
    "flags",
    "load_policy",
    "policy_for",
    "read_frames",
    "shipped",
]
