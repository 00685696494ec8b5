"""Choosing what renders views."""

from __future__ import annotations

import os
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor

from medcl.errors import UsageError
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanSource

Backend = Literal["auto", "torch", "fused", "monai"]


class Render(Protocol):
    """Renders views, into `out` where that is given."""

    def __call__(self, store: ScanSource, params: ViewParams, *, out: Tensor | None = None) -> Tensor:
        """Return views (B, V, C, *spatial)."""


def choose_backend(name: Backend, threads: int | None = 1) -> Render:
    """Return the renderer called `name`, on that many threads where it has its own (None: as many as help).

    Raises:
        UsageError: it is not known.
    """
    compiled = find_spec("numba") is not None
    if name == "auto":
        name = "fused" if compiled else "torch"
    if name not in get_args(Backend):
        raise UsageError(f"backend='{name}' is not known; it is {', '.join(get_args(Backend))}")
    if name == "fused" and not compiled:
        raise UsageError("backend='fused' needs numba; install medcl[fast], or set backend='torch'")
    render: Any = import_module(f"medcl.views.backends.{name}_backend").render
    if name != "fused":
        unthreaded: Render = render
        return unthreaded
    default_threads = min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 1
    return partial(render, threads=threads or default_threads)
