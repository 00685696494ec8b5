"""Anatomy of a synthetic patient: an upper abdomen of smooth shapes, some with lesions in the liver.

World axes are RAS+ millimeters: x increases to the patient's right, y to the front, z to the head. A body
is a list of shapes, painted in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medcl.demo import modality
from medcl.demo.shapes import Interior, Lesion, Shape, Tube

HALF_HEIGHT_MM = 38.0
"""The imaged slab reaches this far above and below the origin; lesions lie well inside it."""


@dataclass(frozen=True)
class Body:
    """Anatomy of one patient.

    Attributes:
        trunk: Surface of the skin.
        layers: (depth under the skin in mm, value) from outside in; the last is the fat of the cavity.
        ribs: Painted over the layers.
        organs: Painted in order inside the cavity; the lobes of the liver are among them.
        spine: Painted last.
        liver_value: Value of the liver, to which the lesions' contrast is relative.
        texture: Standard deviation of the texture of tissue.
        lesions: Painted over the organs.
    """

    trunk: Shape
    layers: tuple[tuple[float, float], ...]
    ribs: tuple[Shape, ...]
    organs: tuple[Shape | Tube, ...]
    spine: tuple[Shape | Tube, ...]
    liver_value: float
    texture: float
    lesions: tuple[Lesion, ...]

    @property
    def wall_mm(self) -> float:
        """Depth under the skin at which the cavity begins."""
        return self.layers[-1][0]


def draw_body(rng: np.random.Generator, abnormal: bool) -> Body:
    """Draw an upper abdomen; an abnormal one has lesions in the liver and no other difference."""
    size = rng.normal(1.0, 0.05)
    blood = rng.uniform(*modality.BLOOD)
    liver_value = modality.enhanced(modality.LIVER, blood) + rng.normal(0, modality.LIVER_SPREAD)
    trunk, layers, ribs = _wall(rng, size)
    cavity = Interior(trunk, layers[-1][0])
    liver = _liver(rng, size, liver_value)
    organs = [*_chest(rng, size), *_gut(rng, size), *_kidneys_and_spleen(rng, size, blood), *liver]
    organs += _vessels(rng, liver[0], liver_value + _vessel_contrast(blood), blood)
    mimics = _lesion_mimics(rng, liver, cavity)
    organs += mimics
    spine = _spine(rng, size, blood)
    texture = rng.uniform(*modality.TEXTURE)
    lesions = _lesions(rng, liver, cavity, mimics) if abnormal else ()
    return Body(trunk, layers, ribs, tuple(organs), spine, liver_value, texture, lesions)


def _vessel_contrast(blood: float) -> float:
    """Return how much brighter than the liver its vessels are."""
    least, share = modality.LIVER_VESSELS
    return max(least, share * (blood - modality.BLOOD_AT_REST))


def _wobble(rng: np.random.Generator, amplitude: float) -> tuple[tuple[int, float, float], ...]:
    return tuple(
        (waves, amplitude * rng.uniform(0.3, 1) / (waves - 1), rng.uniform(0, 2 * np.pi))
        for waves in (2, 3, 4)
    )


def _jittered(
    rng: np.random.Generator, x: float, y: float, z: float, std_mm: float
) -> tuple[float, float, float]:
    moved = np.array([x, y, z]) + rng.normal(0, std_mm, 3)
    return float(moved[0]), float(moved[1]), float(moved[2])


def _wall(
    rng: np.random.Generator, size: float
) -> tuple[Shape, tuple[tuple[float, float], ...], tuple[Shape, ...]]:
    width, depth = 122 * size * rng.normal(1, 0.03), 88 * size * rng.normal(1, 0.04)
    fat, muscle = rng.uniform(5, 17), rng.uniform(9, 13)
    trunk = Shape((0, 0, 0), (width, depth, 900), 45, wobble=_wobble(rng, 0.025))
    layers = (
        (0.0, modality.SKIN),
        (2.0, modality.FAT_UNDER_SKIN),
        (fat, modality.MUSCLE),
        (fat + muscle, modality.FAT_OF_CAVITY),
    )
    ribs = []
    for side in (-1, 1):
        for angle in np.deg2rad(np.arange(-55, 75, 24) + rng.uniform(-6, 6)):
            ring_x, ring_y = width - fat - muscle / 2, depth - fat - muscle / 2
            place = (side * ring_x * np.cos(angle), ring_y * np.sin(angle), rng.uniform(-40, 40))
            rotation = float(np.rad2deg(np.arctan2(ring_y * np.cos(angle), -side * ring_x * np.sin(angle))))
            ribs.append(Shape(place, (15, 4.5, 9), modality.RIB, rotation))
            ribs.append(Shape(place, (12, 2.6, 6), modality.RIB_MARROW, rotation))
    return trunk, layers, tuple(ribs)


def _chest(rng: np.random.Generator, size: float) -> list[Shape | Tube]:
    domes: list[Shape | Tube] = []
    for x, height in ((62, rng.uniform(56, 74)), (-60, rng.uniform(54, 70))):
        center = _jittered(rng, x * size, -6, height, 4)
        domes.append(
            Shape(center, (44 * size, 58 * size, 42), rng.uniform(*modality.LUNG), wobble=_wobble(rng, 0.04))
        )
    return domes


def _liver(rng: np.random.Generator, size: float, value: float) -> tuple[Shape, ...]:
    right = Shape(
        _jittered(rng, 50 * size, 6, 2, 5),
        (50 * size * rng.normal(1, 0.06), 58 * size * rng.normal(1, 0.06), 52 * rng.normal(1, 0.06)),
        value,
        rng.uniform(-12, 12),
        _wobble(rng, 0.09),
    )
    left = Shape(
        _jittered(rng, 8 * size, 38 * size, 8, 5),
        (46 * size * rng.normal(1, 0.1), 22 * size * rng.normal(1, 0.1), 34 * rng.normal(1, 0.1)),
        value,
        rng.uniform(-4, 18),
        _wobble(rng, 0.08),
    )
    return right, left


def _gut(rng: np.random.Generator, size: float) -> list[Shape]:
    center = _jittered(rng, -52 * size, 24 * size, 6, 6)
    radii = (30 * size * rng.normal(1, 0.12), 27 * size * rng.normal(1, 0.12), 34.0)
    wall = Shape(center, radii, modality.GUT_WALL, wobble=_wobble(rng, 0.08))
    filling = rng.choice(modality.GUT_FILLINGS)
    inside = Shape(center, (radii[0] - 4, radii[1] - 4, radii[2] - 4), filling, wobble=wall.wobble)
    front = (center[0], center[1] + radii[1] * rng.uniform(0.45, 0.7), center[2])
    gas = Shape(front, (radii[0] * 0.6, radii[1] * 0.3, radii[2] * 0.6), modality.GUT_GAS)
    loops = []
    for _ in range(8):
        place = _jittered(
            rng, rng.uniform(-70, 50) * size, rng.uniform(-10, 48) * size, rng.uniform(-62, -34), 3
        )
        reach = rng.uniform(9, 17)
        loops.append(
            Shape(
                place, (reach, reach * 0.8, reach), modality.LOOP_WALL, rng.uniform(0, 180), _wobble(rng, 0.1)
            )
        )
        loops.append(
            Shape(place, (reach - 4, reach * 0.8 - 4, reach - 4), float(rng.choice(modality.LOOP_FILLINGS)))
        )
    return [wall, inside, gas, *loops]


def _kidneys_and_spleen(rng: np.random.Generator, size: float, blood: float) -> list[Shape]:
    parts = [
        Shape(
            _jittered(rng, -76 * size, -26 * size, 8, 5),
            (24, 34, 34),
            modality.enhanced(modality.SPLEEN, blood),
            25,
            _wobble(rng, 0.08),
        )
    ]
    for x in (-46, 46):
        center = _jittered(rng, x * size, -38 * size, -36, 5)
        parts.append(
            Shape(
                center,
                (22, 24, 36),
                modality.enhanced(modality.KIDNEY, blood),
                -np.sign(x) * 30,
                _wobble(rng, 0.06),
            )
        )
        parts.append(
            Shape((center[0] - np.sign(x) * 6, center[1] + 3, center[2]), (10, 8, 20), modality.RENAL_FAT)
        )
    return parts


def _spine(rng: np.random.Generator, size: float, blood: float) -> tuple[Shape | Tube, ...]:
    y = -50 * size
    parts: list[Shape | Tube] = []
    for z in (-62.0, -31.0, 0.0, 31.0, 62.0):
        z += rng.uniform(-2, 2)
        parts.append(Shape((0, y, z), (20, 16, 14), modality.VERTEBRA))
        parts.append(Shape((0, y, z), (17, 13, 12), rng.uniform(*modality.VERTEBRAL_MARROW)))
        parts.append(Shape((0, y - 38, z - 6), (4, 13, 8), modality.SPINOUS_PROCESS))
        parts += [
            Shape((side * 22, y - 22, z), (13, 5, 7), modality.VERTEBRAL_ARCH, side * -20) for side in (-1, 1)
        ]
    parts.append(Tube((0, y - 23, -90), (0, y - 23, 90), 8.5, modality.SPINAL_CORD))
    parts += [Tube((side * 30, y - 22, -90), (side * 30, y - 22, 90), 15, modality.PSOAS) for side in (-1, 1)]
    parts.append(Tube((-9, y + 27, -90), (-9, y + 27, 90), rng.uniform(8, 11), blood + modality.CAVAL_BLOOD))
    parts.append(Tube((17, y + 28, -90), (17, y + 28, 90), rng.uniform(9, 12), blood))
    return tuple(parts)


def _vessels(rng: np.random.Generator, right: Shape, value: float, blood: float) -> list[Tube]:
    hilum = np.array([18.0, 0.0, right.center[2] - 8]) + rng.normal(0, 3, 3)
    trunk = (0.0, -5.0, -45.0)
    tubes = [Tube(trunk, _point(hilum), 6.5, blood)]
    for _ in range(7):
        direction = np.array([rng.uniform(0.2, 1), rng.uniform(-0.9, 0.9), rng.uniform(-0.8, 0.8)])
        reach = rng.uniform(22, 36) * direction / np.linalg.norm(direction)
        fork = hilum + reach
        tubes.append(Tube(_point(hilum), _point(fork), rng.uniform(2.6, 4.2), value))
        for _ in range(2):
            twig = fork + 22 * (reach / np.linalg.norm(reach) + rng.normal(0, 0.5, 3))
            if right.depth_mm(twig) > 4:
                tubes.append(Tube(_point(fork), _point(twig), rng.uniform(1.6, 2.6), value))
    return tubes


def _lesion_mimics(
    rng: np.random.Generator, liver: tuple[Shape, ...], cavity: Interior
) -> list[Shape | Tube]:
    """Return lesion mimics: gall bladder, fat of the fissure, calcifications."""
    right, left = liver
    gall = Shape(
        _jittered(rng, 38, 30, -30, 4),
        (rng.uniform(9, 14), rng.uniform(14, 22), 17),
        modality.GALL,
        rng.uniform(-40, 0),
    )
    top = (left.center[0] + 20, left.center[1] + 12, 30.0)
    fissure = Tube(top, (top[0] - 6, top[1] - 20, -30.0), rng.uniform(1.8, 3.2), modality.FISSURE_FAT)
    specks = [
        Shape(place, (2, 2, 2.5), modality.CALCIFICATION)
        for place in _free_points(rng, (right, cavity), int(rng.integers(0, 3)), 8)
    ]
    return [gall, fissure, *specks]


def _lesions(
    rng: np.random.Generator, liver: tuple[Shape, ...], cavity: Interior, mimics: list[Shape | Tube]
) -> tuple[Lesion, ...]:
    sizes = rng.uniform(12, 26, int(rng.integers(6, 12)))
    sign = -1 if modality.LESIONS_ARE == "darker" else 1
    contrast = sign * rng.uniform(*modality.LESION_CONTRAST)
    lesions: list[Lesion] = []
    for diameter in sizes:
        lobe = liver[0] if rng.random() < 0.75 else liver[1]
        others = [*mimics, *(lesion.shape(0) for lesion in lesions)]
        for place in _free_points(rng, (lobe, cavity), 1, diameter / 2 + 3, others):
            lesions.append(Lesion(place, float(diameter), float(rng.uniform(0.8, 1.1)), float(contrast)))
    return tuple(lesions)


def _free_points(
    rng: np.random.Generator,
    within: tuple[Shape, Interior],
    count: int,
    margin: float,
    avoid: Sequence[Shape | Tube] = (),
) -> list[tuple[float, float, float]]:
    """Draw up to `count` points in the slab, `margin` mm deep in all of `within` and as far from `avoid`."""
    places: list[tuple[float, float, float]] = []
    for _ in range(400):
        if len(places) == count:
            break
        place = np.asarray(within[0].center) + rng.uniform(-1, 1, 3) * within[0].radii
        inside = all(shape.depth_mm(place) > margin for shape in within)
        clear = all(shape.depth_mm(place) < -margin for shape in avoid)
        if inside and clear and abs(place[2]) < HALF_HEIGHT_MM - 12:
            places.append(_point(place))
    return places


def _point(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
