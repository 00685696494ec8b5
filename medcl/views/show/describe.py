"""Parameters of a view as text for people."""

from __future__ import annotations

from medcl.views.policy import Policy
from medcl.views.sampling.params import ViewParams, described_parameters
from medcl.views.sampling.scan_geometry import ScanGeometry


def describe(policy: Policy, geometry: ScanGeometry, params: ViewParams, scan: int, view: int) -> str:
    """Return what was done to one view, in lines: where it lies, then how its intensities were changed."""
    return f"{_location(geometry, params, scan, view)}\n{_intensity(policy, geometry, params, scan, view)}"


def _location(geometry: ScanGeometry, params: ViewParams, scan: int, view: int) -> str:
    edge, rotation = params.edge[scan, view], params.rotation[scan, view]
    unit = "mm" if geometry.spaced[scan] else "px"
    share = (edge / geometry.fov[scan]) ** params.dims
    size = " × ".join([f"{edge:.3g}"] * params.dims)
    parts = [f"{size} {unit} ({share:.0%} of the tissue's field)"]
    parts.append("rotated " + "/".join(f"{angle:+.1f}" for angle in rotation) + "°")
    if params.slice_axis[scan] >= 0:
        parts.append(f"slice {params.slices[scan, view]}")
    if (params.mirror[scan, view] < 0).any():
        parts.append("mirrored")
    return ", ".join(parts)


def _intensity(policy: Policy, geometry: ScanGeometry, params: ViewParams, scan: int, view: int) -> str:
    def at(name: str) -> float:
        return float(getattr(params, name)[scan, view])

    parts = []
    preset = int(params.preset[scan])
    if preset >= 0:
        level = at("low") + at("width") / 2
        parts.append(f"{policy.window.presets[preset].name} window {level:.0f}/{at('width'):.0f}")
    for name, described in described_parameters().items():
        if at(name) != described.unchanged:
            parts.append(described.text.format(at(name), unit=geometry.unit[scan]))
    if abs(params.field[scan, view].ravel()[1:]).sum():
        parts.append(f"shading ≤ {abs(params.field[scan, view].ravel()[1:]).sum():.0%}")
    if at("blur_px"):
        parts.append(f"blur {at('blur_px') * at('edge') / params.size:.2f} mm")
    if at("noise"):
        parts.append(f"{params.kind} noise {at('noise'):.1%}")
    return ", ".join(parts) or "unchanged"
