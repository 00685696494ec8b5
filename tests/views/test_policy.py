"""Policies load, name their faults, and are what their comments promise."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from medcl.errors import UsageError
from medcl.views import load_policy, shipped

NAMES = sorted(path.stem for path in shipped("views").glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_policy_and_variant_loads(name: str) -> None:
    variants = yaml.safe_load(shipped(f"views/{name}.yaml").read_text()).get("variants") or {}
    digests = {load_policy(name, variant).digest() for variant in (None, *variants)}
    assert load_policy(name).name == name
    assert len(digests) == 1 + len(variants), "each variant differs in something, be it its name"


@pytest.mark.parametrize("name", NAMES)
def test_limits_stay_within_what_was_measured(name: str) -> None:
    policy = load_policy(name)
    assert policy.blur.sigma_mm <= 0.2 * policy.d_min_mm + 1e-9
    assert policy.noise.native <= 1.0


def test_variant_changes_only_its_sections() -> None:
    plain, local = load_policy("ct"), load_policy("ct", "local")
    assert local.crop.area == (0.4, 1.0)
    assert local.motion == plain.motion
    assert local.variant == "local"


def test_policy_prints_and_reads_back(tmp_path: Path) -> None:
    policy = load_policy("mr")
    path = tmp_path / "copy.yaml"
    path.write_text(str(policy))
    assert load_policy(path) == policy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop": {"aera": [0.5, 1]}}, "did you mean 'area'"),
        ({"crop": {"area": [1, 0.5]}}, "[low, high]"),
        ({"crop": {"area": [0.5, 1.5]}}, "fractions"),
        ({"motion": {"scale": [-1, 1]}}, "above zero"),
        ({"motion": {"rotation_deg": "ten"}}, "rotation_deg"),
        ({"unit": "Hounsfield"}, "unit"),
    ],
)
def test_faults_are_named(tmp_path: Path, change: dict, message: str) -> None:
    document = yaml.safe_load(str(load_policy("ct"))) | change
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(UsageError, match=r"site\.yaml") as fault:
        load_policy(path)
    assert message in str(fault.value)


def test_unknown_names_list_what_there_is() -> None:
    with pytest.raises(UsageError, match="cxr"):
        load_policy("xray")
    with pytest.raises(UsageError, match="permissive"):
        load_policy("ct", "wild")


def test_the_unknown_policy_is_the_strictest() -> None:
    unknown = load_policy("unknown")
    for other in map(load_policy, NAMES):
        assert unknown.crop.area[0] >= other.crop.area[0]
        assert unknown.motion.rotation_deg <= other.motion.rotation_deg
        assert unknown.motion.flips == ()
        assert unknown.intensity.brightness == unknown.intensity.offset == (0.0, 0.0)
        assert unknown.blur.probability == 0
