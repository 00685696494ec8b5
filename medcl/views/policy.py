"""View policies: what views may change, as limits in millimeters, degrees, HU and fractions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from medcl.config import Config, dump, read_yaml, shipped, validate
from medcl.errors import UsageError


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("a range is written [low, high]")
    return pair


def _positive(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] <= 0:
        raise ValueError("a range of factors lies above zero")
    return pair


def _fraction(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] <= 0 or pair[1] > 1:
        raise ValueError("a range of fractions lies above 0 and ends at 1 at most")
    return pair


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Factors = Annotated[tuple[float, float], AfterValidator(_ordered), AfterValidator(_positive)]
Fractions = Annotated[tuple[float, float], AfterValidator(_ordered), AfterValidator(_fraction)]
Probability = Annotated[float, Field(ge=0, le=1)]
Axis = Literal["left-right", "anterior-posterior", "superior-inferior", "rows", "columns"]


class Preset(Config):
    """A named display window in the scan's unit; with `body_parts`, only for scans of those."""

    name: str
    level: float
    width: PositiveFloat
    body_parts: tuple[str, ...] = ()


class Window(Config):
    """The range of intensities that a view shows, mapped to [0, 1].

    With `presets` (unit HU or SUV) both views of a pair take the same preset, each with its own jitter: the
    width is multiplied by a draw from `width`, the level moved by a draw from `level` times the width.
    Without, or where a scan is not calibrated, it is the scan's own robust range (`lo` to `hi`).
    """

    presets: tuple[Preset, ...] = ()
    width: Factors = (1.0, 1.0)
    level: Range = (0.0, 0.0)


class Crop(Config):
    """Where views lie. The field of view is a square (cube) round the tissue, inside the scan.

    Attributes:
        area: of a 2-D view, as a fraction of the field of view.
        overlap: least intersection over union of the two views of a pair.
        edge_3d, overlap_3d: the same for 3-D views, whose edge is given.
        anchor: radius of the ball round the shared anchor that both views hold, as a fraction of the field
            of view's edge.
        disagree: largest share of pairs of which one view shows a small lesion that the other has lost (twice
            that in 3-D, of those that the first shows); 0.1 is safe, variants that accept more say so.
        marked: share of pairs whose anchor lies on labeled tissue, in scans that have a mask.
    """

    area: Fractions = (0.6, 1.0)
    overlap: Probability = 0.6
    edge_3d: Fractions = (0.6, 1.0)
    overlap_3d: Probability = 0.5
    anchor: Annotated[float, Field(ge=0, le=0.35)] = 0.15
    disagree: Probability = 0.1
    marked: Probability = 0.5


class Motion(Config):
    """Rigid motion in millimeters, and scale; `out_of_plane_deg` is for 3-D views.

    `flips` names the axes that may be mirrored, each with probability one half: anatomical axes for
    volumes, `rows` and `columns` for images without anatomical sides.
    """

    rotation_deg: NonNegativeFloat = 0.0
    out_of_plane_deg: NonNegativeFloat = 0.0
    scale: Factors = (1.0, 1.0)
    shift_mm: NonNegativeFloat = 0.0
    flips: tuple[Axis, ...] = ()


class Intensity(Config):
    """Changes of intensity, in this order.

    `gain` and `offset` (scan's unit) act before the window. Inside the window, on [0, 1]: a smooth `bias`
    field within 1 +- bias, a `depth_gain` along the rows within 1 +- depth_gain, then `gamma`, and
    `contrast` about the middle with `brightness`.
    """

    gain: Factors = (1.0, 1.0)
    offset: Range = (0.0, 0.0)
    bias: Annotated[float, Field(ge=0, lt=1)] = 0.0
    depth_gain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    gamma: Factors = (1.0, 1.0)
    contrast: Factors = (1.0, 1.0)
    brightness: Range = (0.0, 0.0)


class Color(Config):
    """Color changes for modalities whose color is diagnostic; elsewhere views are luminance.

    `saturation` is a factor range about gray, `hue` the largest turn (1 is the full circle), `stain_gain`
    and `stain_offset` the largest change of each haematoxylin, eosin and residual optical density.
    """

    saturation: Factors = (1.0, 1.0)
    hue: NonNegativeFloat = 0.0
    stain_gain: NonNegativeFloat = 0.0
    stain_offset: NonNegativeFloat = 0.0

    @property
    def stained(self) -> bool:
        """True where color changes are those of stains."""
        return self.stain_gain > 0 or self.stain_offset > 0


class Blur(Config):
    """Gaussian smoothing with standard deviation up to `sigma_mm`, in a share of the views."""

    sigma_mm: NonNegativeFloat = 0.0
    probability: Probability = 0.0


class Noise(Config):
    """Added noise. Its standard deviation is at most `native` times the scan's own.

    `kind`: `gaussian`, `correlated` (Gaussian with the grain of a CT reconstruction), `rician` (magnitude
    MR), `poisson` (deviation grows with the root of the signal), or `speckle` (multiplicative, where
    `native` is the relative deviation itself).
    """

    kind: Literal["gaussian", "correlated", "rician", "poisson", "speckle"] = "gaussian"
    native: NonNegativeFloat = 0.0
    probability: Probability = 0.0


class Policy(Config):
    """Limits of the views of one modality.

    Attributes:
        name: Name of the policy.
        variant: Name of the variant that was applied, if any.
        modalities: DICOM codes of the modalities that it is for.
        unit: Unit of `window.presets`, `intensity.offset` and `padding_value`.
        d_min_mm: Diameter of the smallest structure that every view must still show.
        max_px_mm: Largest pixel of a view that shows it.
        padding_value: Value of samples beyond the scan: a number in `unit`, or the `low` or `high` end of the
            scan's robust range.
        color: Limits of color changes; None where views are luminance.
    """

    name: str
    variant: str | None = None
    modalities: tuple[str, ...]
    unit: Literal["HU", "SUV", "a.u."]
    d_min_mm: PositiveFloat
    max_px_mm: PositiveFloat
    padding_value: float | Literal["low", "high"] = "low"
    window: Window = Window()
    crop: Crop = Crop()
    motion: Motion = Motion()
    intensity: Intensity = Intensity()
    blur: Blur = Blur()
    noise: Noise = Noise()
    color: Color | None = None

    @model_validator(mode="after")
    def _reachable(self) -> Policy:
        if self.crop.overlap > 0.9 or self.crop.overlap_3d > 0.9:
            raise ValueError("crop.overlap above 0.9 leaves nothing to draw; 0.6 is usual")
        return self

    @property
    def channels(self) -> int:
        """1, or 3 where color is kept."""
        return 1 if self.color is None else 3

    def digest(self) -> str:
        """Return 16 hex digits that change with any limit."""
        return hashlib.sha256(dump(self).encode()).hexdigest()[:16]

    def unaugmented(self) -> Policy:
        """Return the policy without any change, for whole, unaugmented scans."""
        return self.model_copy(
            update={
                "window": Window(presets=self.window.presets),
                "crop": Crop(area=(1.0, 1.0), edge_3d=(1.0, 1.0)),
                "motion": Motion(),
                "intensity": Intensity(),
                "blur": Blur(),
                "noise": Noise(kind=self.noise.kind),
                "color": self.color and Color(),
            }
        )

    def with_small_crops(self) -> Policy:
        """Return the policy for the small views of multi-crop: areas from 0.15 to the usual least."""
        crop = self.crop
        area = (min(0.15, crop.area[0]), crop.area[0])
        edge = (min(0.4, crop.edge_3d[0]), crop.edge_3d[0])
        small = Crop(area=area, overlap=0, edge_3d=edge, overlap_3d=0, anchor=min(crop.anchor, 0.1))
        return self.model_copy(update={"crop": small})

    def __str__(self) -> str:
        """Return the whole policy as YAML."""
        return dump(self)


def load_policy(name: str | Path, variant: str | None = None) -> Policy:
    """Load a shipped policy by name (`ct`, `cxr`, ...) or any YAML file, with a named variant applied.

    Raises:
        UsageError: There is no such policy or variant, or a limit is not valid.
    """
    document = _read_policy(name)
    variants = document.pop("variants", None) or {}
    if variant is not None:
        if variant not in variants:
            known = ", ".join(variants) or "none"
            raise UsageError(f"{name}: no variant '{variant}'; it has {known}")
        document = merged(document, variants[variant]) | {"variant": variant}
    return validate(document, Policy, str(name))


def policy_variants(name: str | Path) -> tuple[str, ...]:
    """Return the names of a policy's variants.

    Raises:
        UsageError: There is no such policy.
    """
    return tuple(_read_policy(name).get("variants") or ())


def _read_policy(name: str | Path) -> dict[str, Any]:
    path = Path(name) if str(name).endswith((".yaml", ".yml")) else shipped(f"views/{name}.yaml")
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in shipped("views").glob("*.yaml")))
        raise UsageError(f"'{name}': no such view policy; there are {known}, or name a YAML file")
    return read_yaml(path)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the keys of `over` on top, section by section."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result
