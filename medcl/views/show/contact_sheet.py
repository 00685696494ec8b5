"""Contact sheet: pairs of views beside the scans that they were taken from."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from medcl.files import atomic
from medcl.palette import ANCHOR, BLACK_PAGE, FIRST_VIEW, LIGHT_INK, SECOND_VIEW, VIEW_MASK
from medcl.views.backends.choose import choose_backend
from medcl.views.backends.pipeline import MIDDLE, SCALE
from medcl.views.backends.source import read_source
from medcl.views.masks import pixel_positions, sample_nearest, view_plane
from medcl.views.policy import Policy
from medcl.views.sampling.crop_geometry import anchor_voxels, rotation_matrices
from medcl.views.sampling.draw import draw_views
from medcl.views.sampling.params import ViewParams
from medcl.views.sampling.scan_geometry import ScanGeometry, ScanSource, read_geometry
from medcl.views.show.describe import describe
from medcl.views.show.display import PLANE_NAMES, edge_letters, orient_slice, window_fraction

COLORS = (FIRST_VIEW, SECOND_VIEW)
"""Not white, in which scanners write callipers and text."""


def contact_sheet(
    store: ScanSource,
    rows: Sequence[int],
    policy: Policy,
    size: int,
    seed: int,
    out: Path,
    stack: int = 1,
) -> Path:
    """Write a PNG with one line per scan: the source with anchor and fields of view, then the pair of views.

    Args:
        store: The scans.
        rows: Row numbers of the scans to show.
        policy: The limits of the views.
        size: Edge of a view in pixels.
        seed: Random seed; the views are those of epoch 0 of a loader with this seed.
        out: The file to write.
        stack: Neighboring slices per view; the middle one is shown.

    Returns:
        `out`.
    """
    geometry = read_geometry(store, rows)
    params = draw_views(policy, geometry, size, seed, stack=stack)
    anchors = anchor_voxels(geometry, params.anchor)
    views = choose_backend("auto")(store, params).numpy() * SCALE + MIDDLE
    figure = Figure(figsize=(12.6, 4.7 * len(geometry) + 0.3), facecolor=BLACK_PAGE, dpi=110)
    top = 1 - 0.85 / figure.get_figheight()
    grid = figure.add_gridspec(
        len(geometry), 3, left=0.015, right=0.985, top=top, bottom=0.015, hspace=0.14, wspace=0.05
    )
    figure.text(
        0.015,
        1 - 0.12 / figure.get_figheight(),
        _title(policy, size, seed),
        color=LIGHT_INK,
        va="top",
        size=12,
    )
    for scan in range(len(geometry)):
        _draw_source(figure.add_subplot(grid[scan, 0]), store, policy, geometry, params, scan)
        for view in range(2):
            axes = figure.add_subplot(grid[scan, 1 + view])
            _draw_view(axes, views[scan, view], anchors[scan], store, geometry, params, scan, view)
            description = textwrap.fill(
                describe(policy, geometry, params, scan, view).replace("\n", "; "), 62
            )
            axes.set_title(description, color=COLORS[view], size=8.5, loc="left", pad=5)
    with atomic(out) as temporary:
        figure.savefig(temporary, format="png", facecolor=BLACK_PAGE)
    return out


def _title(policy: Policy, size: int, seed: int) -> str:
    variant = f", variant {policy.variant}" if policy.variant else ""
    return f"View pairs under policy '{policy.name}'{variant} at {size} × {size} pixels, seed {seed}"


def _draw_source(
    axes: Axes, store: ScanSource, policy: Policy, geometry: ScanGeometry, params: ViewParams, scan: int
) -> None:
    """Draw the slice of the first view, the anchor with its ball, and both fields of view."""
    height, width = geometry.length[scan]
    image = displayed(read_source(store, params.take(np.array([scan])), 0, 0), geometry, scan)
    low, high = params.low[scan, 0], params.low[scan, 0] + params.width[scan, 0]
    axes.imshow(window_fraction(image, low, high), cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
    mask = store.mask(int(geometry.rows[scan]))
    if mask is not None and (plane := view_plane(mask, params, scan, 0)).any():
        outline = displayed(plane[None], geometry, scan)
        axes.contour(outline > 0, [0.5], colors=VIEW_MASK, linewidths=1, extent=(0, width, 0, height))
    rotation = rotation_matrices(params.rotation[scan])
    square = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]]) / 2
    for view in range(2):
        corners = params.center[scan, view] + params.edge[scan, view] * square @ rotation[view].T
        axes.add_patch(Polygon(corners[:, ::-1], fill=False, edgecolor=COLORS[view], linewidth=1.6))
    row, column = params.anchor[scan]
    radius = policy.crop.anchor * geometry.fov[scan]
    angle = np.linspace(0, 2 * np.pi, 90)
    axes.plot(column + radius * np.cos(angle), row + radius * np.sin(angle), ":", color=ANCHOR, linewidth=1.2)
    axes.plot(column, row, "+", color=ANCHOR, markersize=10, markeredgewidth=1.5)
    axes.set(xlim=(0, width), ylim=(height, 0))
    _sides(axes, geometry, scan, np.ones(2))
    axes.set_title(_source_title(geometry, params, scan), color=LIGHT_INK, size=8.5, loc="left", pad=5)
    _frame(axes)
    _scale_bar(axes, geometry, scan)


def _source_title(geometry: ScanGeometry, params: ViewParams, scan: int) -> str:
    axis = int(params.slice_axis[scan])
    what = f"{PLANE_NAMES[axis]} slice {params.slices[scan, 0]}" if axis >= 0 else "image"
    extent = "×".join(f"{n:.4g}" for n in geometry.length[scan])
    unit = "mm" if geometry.spaced[scan] else "px, spacing unknown"
    on = " on labeled tissue" if params.marked[scan] else ""
    return (
        f"row {geometry.rows[scan]}: {what}, {extent} {unit}\n"
        f"+ shared anchor{on}; boxes: the two views, overlap {params.overlap[scan]:.0%}"
    )


def displayed(source: np.ndarray, geometry: ScanGeometry, scan: int) -> np.ndarray:
    """Return (C, *plane) as (rows, columns) or (rows, columns, 3) in the axes in which views are shown."""
    plane = source[len(source) // 2] if len(source) != 3 or geometry.slice_axis[scan] >= 0 else source
    if plane.ndim == 3:
        return np.moveaxis(plane, 0, -1)
    return plane if geometry.slice_axis[scan] < 0 else orient_slice(plane)


def _draw_view(
    axes: Axes,
    view: np.ndarray,
    anchor: np.ndarray,
    store: ScanSource,
    geometry: ScanGeometry,
    params: ViewParams,
    scan: int,
    number: int,
) -> None:
    image = np.moveaxis(view, 0, -1) if params.channels == 3 else view[len(view) // 2]
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    mask = store.mask(int(params.rows[scan]))
    if mask is not None:
        seen = sample_nearest(view_plane(mask, params, scan, number), params, scan, number)
        if seen.any():
            axes.contour(seen > 0, [0.5], colors=VIEW_MASK, linewidths=1)
    at = np.linalg.norm(pixel_positions(params, scan, number) - anchor, axis=-1)
    row, column = np.unravel_index(at.argmin(), at.shape)
    axes.plot(column, row, "+", color=ANCHOR, markersize=10, markeredgewidth=1.5)
    _sides(axes, geometry, scan, params.mirror[scan, number])
    _frame(axes, COLORS[number])


def _sides(axes: Axes, geometry: ScanGeometry, scan: int, mirror: np.ndarray) -> None:
    """Write at its four edges which side of the patient a slice of a volume shows there."""
    if geometry.slice_axis[scan] < 0:
        return
    letters = edge_letters(int(geometry.slice_axis[scan]), mirror)
    places = ((0.02, 0.5), (0.98, 0.5), (0.5, 0.97), (0.5, 0.03))
    for letter, (x, y) in zip(letters, places, strict=True):
        axes.text(x, y, letter, color="w", size=9, ha="center", va="center", transform=axes.transAxes)


def _scale_bar(axes: Axes, geometry: ScanGeometry, scan: int) -> None:
    if not geometry.spaced[scan]:
        return
    height, width = geometry.length[scan]
    bar = max(n for n in (1, 2, 5, 10, 20, 50, 100) if n <= width / 4 or n == 1)
    axes.plot([0.04 * width, 0.04 * width + bar], [0.96 * height] * 2, color="w", linewidth=2.5)
    axes.text(0.04 * width, 0.94 * height, f"{bar} mm", color="w", size=8)


def _frame(axes: Axes, color: str = "#555555") -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_color(color)
        side.set_linewidth(1.6 if color in COLORS else 0.8)
