"""Backends that render views of given parameters; all give the same views."""

from medcl.views.backends.choose import Backend, Render, choose_backend
from medcl.views.backends.pipeline import MIDDLE, SCALE

__all__ = ["MIDDLE", "SCALE", "Backend", "Render", "choose_backend"]
