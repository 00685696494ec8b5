"""Smooth shapes in world millimeters, of which the synthetic patients are made.

Each shape computes the depth of any point under its surface, so that a sample on any grid is exact and
needs no interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shape:
    """An ellipsoid with bulges and one value.

    Attributes:
        center: (3,) in millimeters.
        radii: (3,) in millimeters along the shape's own axes.
        value: Value of its inside.
        rotation_deg: Rotation about the head-foot axis.
        wobble: (waves, amplitude, phase) of smooth bulges around that axis; amplitudes are shares of the
            radius.
    """

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    value: float
    rotation_deg: float = 0.0
    wobble: tuple[tuple[int, float, float], ...] = ()

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Return the depth of each of `points` (3, ...) under the surface; negative outside."""
        local = points - np.asarray(self.center, points.dtype).reshape(3, *[1] * (points.ndim - 1))
        angle = np.deg2rad(self.rotation_deg)
        across = np.cos(angle) * local[0] + np.sin(angle) * local[1]
        along = np.cos(angle) * local[1] - np.sin(angle) * local[0]
        u, v, w = across / self.radii[0], along / self.radii[1], local[2] / self.radii[2]
        radius = np.sqrt(u * u + v * v + w * w) + np.float32(1e-6)
        distance = np.sqrt((local * local).sum(axis=0))
        edge = np.ones_like(radius)
        if self.wobble:
            around = np.arctan2(v, u)
            flat = np.sqrt(u * u + v * v) / radius
            for waves, amplitude, phase in self.wobble:
                edge += amplitude * flat * np.sin(waves * around + phase)
        at_center = np.where(distance < 1e-3, min(self.radii), 0)
        depth: np.ndarray = (edge / radius - 1) * distance + at_center
        return depth


@dataclass(frozen=True)
class Interior:
    """The part of a shape that is deeper than `margin_mm` under its surface."""

    shape: Shape
    margin_mm: float

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Return the depth of each of `points` (3, ...) under the inner surface; negative outside."""
        return self.shape.depth_mm(points) - self.margin_mm


@dataclass(frozen=True)
class Tube:
    """A vessel: straight, of constant radius, from `start` to `end`, in millimeters."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float
    value: float

    @property
    def center(self) -> tuple[float, ...]:
        """Middle of its axis (3,)."""
        return tuple((np.asarray(self.start) + np.asarray(self.end)) / 2)

    @property
    def radii(self) -> tuple[float, ...]:
        """Half extents (3,) along the world axes."""
        return tuple(np.abs(np.asarray(self.end) - np.asarray(self.start)) / 2 + self.radius)

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Return the depth of each of `points` (3, ...) under the vessel's surface; negative outside."""
        column = (3, *[1] * (points.ndim - 1))
        start = np.asarray(self.start, points.dtype).reshape(column)
        axis = np.asarray(self.end, points.dtype).reshape(column) - start
        length = float((axis * axis).sum()) + 1e-9
        along = np.clip(((points - start) * axis).sum(axis=0) / length, 0, 1)
        to_axis: np.ndarray = np.sqrt(((points - start - along * axis) ** 2).sum(axis=0))
        return self.radius - to_axis


@dataclass(frozen=True)
class Lesion:
    """A spheroid lesion: center and diameter in millimeters, contrast to its organ."""

    center: tuple[float, float, float]
    diameter_mm: float
    flattening: float
    contrast: float

    def shape(self, value: float) -> Shape:
        """Return the lesion as a shape of value `value`."""
        radius = self.diameter_mm / 2
        return Shape(self.center, (radius, radius, radius * self.flattening), value)
