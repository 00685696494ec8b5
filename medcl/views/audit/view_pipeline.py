"""The pipeline that is audited: it draws and renders views under a policy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from medcl.views import related
from medcl.views.audit.phantoms import PhantomGrid, ramps
from medcl.views.backends.choose import choose_backend
from medcl.views.backends.pipeline import MIDDLE, SCALE
from medcl.views.masks import pixel_positions
from medcl.views.policy import Blur, Color, Intensity, Noise, Policy, Window
from medcl.views.sampling.draw import draw_views
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry

SEED = 20


@dataclass(frozen=True)
class ViewPipeline:
    """medcl's view pipeline; a mutation overrides one of its methods.

    Attributes:
        policy: The limits that views are checked against.
        size: Edge of a view in pixels.
    """

    policy: Policy
    size: int = 64

    def draw(self, policy: Policy, geometry: ScanGeometry, seed: int, epoch: int) -> ViewParams:
        """Draw the parameters of a pair of views per scan."""
        return draw_views(policy, geometry, self.size, seed, epoch)

    def render(self, store: ScanSource, params: ViewParams) -> np.ndarray:
        """Return views (B, V, C, *spatial) in [0, 1]."""
        rendered: np.ndarray = choose_backend("auto")(store, params).numpy() * SCALE + MIDDLE
        return rendered

    def identity(self, scans: pd.DataFrame) -> np.ndarray:
        """Return the numbers (n, 2) by which pretraining keeps related scans from being negatives."""
        return related.identities(scans)

    def related(self, scans: pd.DataFrame) -> np.ndarray:
        """Return (n, n) which scans pretraining takes for related."""
        identity = torch.from_numpy(self.identity(scans))
        mask: np.ndarray = related.same_scan_or_patient(identity, identity).numpy()
        return mask


def share_scan_or_patient(scans: pd.DataFrame) -> np.ndarray:
    """Return (n, n) which scans have equal pixels or one patient, by their metadata."""
    shared = np.zeros((len(scans), len(scans)), bool)
    for column in ("fingerprint", "patient"):
        values = scans[column].to_numpy()
        shared |= np.asarray(values[:, None] == values[None], bool)
    return shared


@dataclass(frozen=True)
class RenderedViews:
    """Rendered views, their parameters and the geometry of their scans."""

    data: np.ndarray
    params: ViewParams
    geometry: ScanGeometry


def render_views(
    pipeline: ViewPipeline, store: ScanSource, dims: int, epoch: int = 0, quiet: bool = False
) -> RenderedViews:
    """Render a pair of views of every scan of `store`; with `quiet`, only geometry changes."""
    geometry = read_geometry(store, range(len(store.scans)), dims)
    policy = geometry_only(pipeline.policy) if quiet else pipeline.policy
    params = pipeline.draw(policy, geometry, SEED, epoch)
    return RenderedViews(pipeline.render(store, params), params, geometry)


def geometry_only(policy: Policy) -> Policy:
    """Return the policy with its geometry alone."""
    return policy.model_copy(
        update={
            "window": Window(presets=policy.window.presets),
            "intensity": Intensity(),
            "blur": Blur(),
            "noise": Noise(),
            "color": policy.color and Color(),
        }
    )


@dataclass(frozen=True)
class Coordinates:
    """Where the pixels of views truly come from, measured from pixels alone.

    Attributes:
        measured: (N, V, *spatial, D) source voxel (slice pixel) that each pixel shows.
        claimed: the same, as the parameters say.
        inside: (N, V, *spatial) pixels whose source lies off the scan's edges, where ramps are clipped.
        params, geometry: of the N scans.
    """

    measured: np.ndarray
    claimed: np.ndarray
    inside: np.ndarray
    params: ViewParams
    geometry: ScanGeometry


def measure_coordinates(pipeline: ViewPipeline, grid: PhantomGrid, scans: int, epoch: int = 0) -> Coordinates:
    """Show ramps along each axis through the views of `scans` scans and read the coordinates off them."""
    axes = [axis for axis in range(len(grid.shape)) if grid.name != "slices" or axis != 2]
    arrays = ramps(grid)
    fingerprints = np.arange(1, scans + 1)
    shown, params, geometry = [], None, None
    for axis in axes:
        store = grid.phantoms([arrays[axis]] * scans, fingerprints)
        rendered = render_views(pipeline, store, grid.dims, epoch, quiet=True)
        params, geometry = rendered.params, rendered.geometry
        shown.append(rendered.data[:, :, 0] * (grid.shape[axis] - 1))
    assert params is not None
    assert geometry is not None
    measured = np.stack(shown, axis=-1)
    claimed = np.stack([[pixel_positions(params, n, v) for v in range(2)] for n in range(scans)])
    last = np.array([grid.shape[axis] - 1 for axis in axes])
    inside = np.asarray(((claimed > 0.5) & (claimed < last - 0.5)).all(axis=-1))
    return Coordinates(measured, claimed, inside, params, geometry)
