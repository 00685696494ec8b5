"""The safe views as MONAI transforms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor

from medcl.views.affines import view_affines
from medcl.views.backends.monai_backend import render as render_reference
from medcl.views.policy import Policy
from medcl.views.sampling.draw import draw_views
from medcl.views.sampling.scan_geometry import ScanGeometry, read_geometry
from medcl.views.single import SingleScan

_LOCATION = (
    "fingerprint",
    "low",
    "high",
    "start",
    "end",
    "fov",
    "whole",
    "slice_box",
    "anchors",
    "anchor_slice",
)
"""Fields of a scan's geometry that decide where its views lie."""


class RandSafeViews(RandomizableTransform):  # type: ignore[misc]
    """Make `count` views of an image that share an anchor: (C, *spatial) MetaTensor in, list of views out.

    Volumes are (1, i, j, k) in RAS orientation (`Orientation("RAS")`) with their affine; images (1, row,
    column) or (3, row, column). Each view is a MetaTensor (C, size, size), or with `dims=3` (1, size, size,
    size), whose affine maps to RAS+ millimeters and whose `meta["params"]` repeats it.

    Args:
        policy: View policy.
        size: Edge of a view in pixels.
        count: Views per image.
        dims: 2 or 3.
        unit: Unit of the image: `HU`, `SUV` or `a.u.`.
        spacing_mm: Pixel spacing of 2-D images; unknown when not given.

    Randomness follows the state of MONAI (`set_random_state`, `set_determinism`).
    """

    def __init__(
        self,
        policy: Policy,
        size: int,
        count: int = 2,
        dims: int = 2,
        unit: str = "a.u.",
        spacing_mm: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(prob=1.0)
        self.policy, self.size, self.count, self.dims = policy, size, count, dims
        self.unit, self.spacing_mm = unit, spacing_mm
        self._seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw the key of the next views."""
        super().randomize(None)
        self._seed = int(self.R.randint(0, 2**31 - 1))

    def __call__(self, image: Tensor) -> list[MetaTensor]:
        """Return the views of `image`."""
        self.randomize()
        scan = self.scan(image)
        return self.render(scan, read_geometry(scan, [0], self.dims))

    def scan(self, image: Tensor) -> SingleScan:
        """Return `image` with what is measured of it."""
        return SingleScan.of(image, self.unit, self.spacing_mm)

    def render(self, scan: SingleScan, geometry: ScanGeometry) -> list[MetaTensor]:
        """Return the views that the last `randomize` drew, of a scan with this geometry."""
        params = draw_views(self.policy, geometry, self.size, self._seed, count=self.count)
        affines = view_affines(scan, params)
        views = render_reference(scan, params)[0]
        return [
            MetaTensor(
                views[n],
                affine=None if affines is None else affines[0, n],
                meta={"params": params.view(n)},
            )
            for n in range(self.count)
        ]


class RandSafeViewsd(MapTransform, RandomizableTransform):  # type: ignore[misc]
    """Dictionary twin of `RandSafeViews`: views of `image` become `image_0`, `image_1`, ...

    The images of one call are registered (of one grid); their views lie where those of the first key do.
    """

    def __init__(self, keys: Any, *args: Any, allow_missing_keys: bool = False, **kwargs: Any) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob=1.0)
        self.views = RandSafeViews(*args, **kwargs)

    def set_random_state(
        self, seed: int | None = None, state: np.random.RandomState | None = None
    ) -> RandSafeViewsd:
        """Pass MONAI's state on."""
        super().set_random_state(seed, state)
        self.views.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with the views added."""
        result = dict(data)
        self.views.randomize()
        first: ScanGeometry | None = None
        for key in self.key_iterator(result):
            scan = self.views.scan(result[key])
            geometry = read_geometry(scan, [0], self.views.dims)
            first = first or geometry
            location = {name: getattr(first, name) for name in _LOCATION}
            for number, view in enumerate(self.views.render(scan, replace(geometry, **location))):
                result[f"{key}_{number}"] = view
        return result
