"""Simulated scanners: sampling grid, blur and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medcl.demo.anatomy import HALF_HEIGHT_MM, Body
from medcl.demo.modality import AIR, VALUE_RANGE, Scanner
from medcl.demo.shapes import Shape, Tube


@dataclass(frozen=True)
class Grid:
    """Sampling grid of a series.

    Attributes:
        affine: (4, 4) from index (column, row, slice) to RAS+ millimeters.
        shape: (columns, rows, slices).
    """

    affine: np.ndarray
    shape: tuple[int, int, int]

    def points(self) -> np.ndarray:
        """Return the sampled points (3, columns, rows, slices) in millimeters, float32."""
        index = np.indices(self.shape, dtype=np.float32)
        rotated = np.tensordot(self.affine[:3, :3].astype(np.float32), index, axes=1)
        return rotated + self.affine[:3, 3].astype(np.float32).reshape(3, 1, 1, 1)

    def index_box(self, shape: Shape | Tube, margin_mm: float) -> tuple[slice, slice, slice]:
        """Return slices of the smallest index box with `shape` and a margin around it."""
        inverse = np.linalg.inv(self.affine)
        center = inverse[:3, :3] @ np.asarray(shape.center) + inverse[:3, 3]
        widest = np.array([max(shape.radii[:2]), max(shape.radii[:2]), shape.radii[2]]) * 1.25 + margin_mm
        half = np.abs(inverse[:3, :3]) @ widest
        low = np.clip(np.floor(center - half), 0, self.shape).astype(int)
        high = np.clip(np.ceil(center + half) + 1, 0, self.shape).astype(int)
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def draw_grid(rng: np.random.Generator, scanner: Scanner) -> Grid:
    """Draw a grid: off-center, a third of them tilted, slices upward or downward.

    Columns run to the patient's left and rows to the back, as axial slices are displayed.
    """
    pixel = scanner.field_mm / scanner.matrix
    slices = int(2 * HALF_HEIGHT_MM / scanner.slice_mm) + 1
    tilt = np.deg2rad(rng.uniform(-9, 9)) if rng.random() < 1 / 3 else 0.0
    rotation = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    upward = 1.0 if rng.random() < 0.6 else -1.0
    axes = rotation @ np.diag([-1.0, -1.0, upward]) @ np.diag([pixel, pixel, scanner.slice_mm])
    shape = (scanner.matrix, scanner.matrix, slices)
    middle = axes @ ((np.array(shape) - 1) / 2)
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = np.round(rng.uniform(-6, 6, 3) * (1, 1, 0.3) - middle, 3)
    return Grid(affine, shape)


def lesion_mask(body: Body, grid: Grid) -> np.ndarray:
    """Return the mask, uint8 (columns, rows, slices): k in the k-th lesion, 0 elsewhere."""
    mask = np.zeros(grid.shape, np.uint8)
    points = grid.points()
    for number, lesion in enumerate(body.lesions, start=1):
        box = grid.index_box(lesion.shape(0), 0)
        mask[box][lesion.shape(0).depth_mm(points[(slice(None), *box)]) > 0] = number
    return mask


def acquire(rng: np.random.Generator, body: Body, grid: Grid, scanner: Scanner) -> np.ndarray:
    """Return int16 values (columns, rows, slices): the body sampled, blurred, with correlated noise."""
    clean = _paint(rng, body, grid)
    pixel = scanner.field_mm / scanner.matrix
    blur = (scanner.psf_mm / pixel, scanner.psf_mm / pixel, 0)
    image: np.ndarray = ndimage.gaussian_filter(clean, blur, truncate=3)
    grain = rng.standard_normal(grid.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(
        grain, (scanner.grain_mm / pixel, scanner.grain_mm / pixel, 0), truncate=3
    )
    dose = rng.uniform(0.85, 1.15)
    image += grain / grain.std() * np.float32(scanner.noise * dose)
    values: np.ndarray = np.clip(np.rint(image), *VALUE_RANGE).astype(np.int16)
    return values


def _paint(rng: np.random.Generator, body: Body, grid: Grid) -> np.ndarray:
    points = grid.points()
    edge = float(np.linalg.norm(grid.affine[:3, 0]))
    image = np.full(grid.shape, AIR, np.float32)
    skin = body.trunk.depth_mm(points)
    for depth_mm, value in body.layers:
        _blend(image, skin - depth_mm, edge, value)
    cavity = skin - body.wall_mm
    lesions = [lesion.shape(body.liver_value + lesion.contrast) for lesion in body.lesions]
    layers: list[tuple[Sequence[Shape | Tube], bool]] = [
        (body.ribs, False),
        (body.organs, True),
        (lesions, True),
        (body.spine, False),
    ]
    for shapes, inside_cavity in layers:
        for shape in shapes:
            box = grid.index_box(shape, edge)
            if not image[box].size:
                continue
            depth = shape.depth_mm(points[(slice(None), *box)])
            _blend(image[box], np.minimum(depth, cavity[box]) if inside_cavity else depth, edge, shape.value)
    return image + _texture(rng, grid) * np.float32(body.texture) * (cavity > 0)


def _blend(image: np.ndarray, depth: np.ndarray, edge: float, value: float) -> None:
    """Paint in place: `value` where deeper than half a pixel, a mixture at the edge (partial volume)."""
    cover = np.clip(0.5 + depth / np.float32(edge), 0, 1)
    image += cover * (np.float32(value) - image)


def _texture(rng: np.random.Generator, grid: Grid) -> np.ndarray:
    """Return a smooth random field of unit variance that varies over about 25 mm."""
    coarse = rng.standard_normal((12, 12, 5)).astype(np.float32)
    zoom = np.array(grid.shape) / coarse.shape
    fine: np.ndarray = ndimage.zoom(coarse, zoom, order=1)
    texture: np.ndarray = fine / fine.std()
    return texture
