"""Typed configuration: a YAML file, then `key=value` overrides, checked against a pydantic model.

Each package defines the models that configure it. Every key carries its unit in its name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from medcl.errors import UsageError


class Config(BaseModel):
    """Base of every configuration: unknown keys are refused and values never change after checking."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        """Name the nearest known key, or all of them; pydantic's own refusal names none."""
        known = cls.model_fields
        for key in values if isinstance(values, Mapping) else ():
            if key not in known:
                near = [name for name in RENAMED.get(str(key), ()) if name in known]
                near += difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
                context = {"key": str(key), "hint": hint}
                raise PydanticCustomError(UNKNOWN_KEY, "unknown key '{key}'; {hint}", context)
        return values


RENAMED: Mapping[str, tuple[str, ...]] = {
    "trials": ("candidates",),
    "outside_weights": ("external_weights",),
    "outside": ("padding_value",),
    "unlabelled": ("unlabeled",),
    "protocol": ("primary",),
}
"""Names of keys before the first release -> their names now, where spelling alone does not lead there."""

UNKNOWN_KEY = "unknown_key"
"""Type of the pydantic error; its context is the key and the hint."""

Model = TypeVar("Model", bound=Config)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping with the safe loader.

    Raises:
        UsageError: the file is missing, is no valid YAML, or holds something other than a mapping.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such configuration file")
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise UsageError(f"{path}: a configuration is a mapping of keys to values")
    return document


def load(path: Path, model: type[Model], overrides: Iterable[str] = ()) -> Model:
    """Read `path` into `model`, with `overrides` such as `optimizer.lr=0.1` applied on top.

    Raises:
        UsageError: a missing file, an unknown key, or a value of the wrong type.
    """
    document = read_yaml(path)
    for override in overrides:
        _override(document, override)
    return validate(document, model, str(path))


def validate(document: Mapping[str, Any], model: type[Model], source: str) -> Model:
    """Return `document` as a `model`.

    Args:
        document: Keys and values, nested as in the YAML file.
        model: Class of the configuration.
        source: Name of the file, for errors.

    Raises:
        UsageError: an unknown key (the nearest known one is named), a missing key, or a
            value of the wrong type.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"{source}: {_first_fault(error, document)}") from None


def shipped(relative: str) -> Path:
    """Return the path of a shipped configuration, in an installed wheel or in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "shipped" / "configs"
    return (installed if installed.is_dir() else package.parent / "configs") / relative


def dump(config: Config) -> str:
    """Return the configuration as YAML text that `load` reads back."""
    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _override(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise UsageError(f"'{override}': an override is written key=value, such as epochs=20")
    *parents, last = key.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
        if not isinstance(document, dict):
            raise UsageError(f"'{override}': '{parent}' is a value, not a section")
    try:
        document[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"'{override}': the value is not valid YAML") from None


def _first_fault(error: ValidationError, document: Mapping[str, Any]) -> str:
    faults = error.errors(include_url=False)
    fault = faults[0]
    keys = _keys(fault["loc"], document)
    if fault["type"] == "missing":
        keys.append(fault["loc"][-1])
    location = ".".join(map(str, keys))
    if fault["type"] == UNKNOWN_KEY:
        key = ".".join([*map(str, keys), fault["ctx"]["key"]])
        text = f"unknown key '{key}'; {fault['ctx']['hint']}"
    elif fault["type"] == "missing":
        text = f"key '{location}' is required"
    else:
        message = fault["msg"].removeprefix("Value error, ")
        text = f"{location}: {message} (got {fault['input']!r})" if location else message
    others = len(faults) - 1
    return text + (f" (and {others} more fault{'s' if others > 1 else ''})" if others else "")


def _keys(location: Iterable[int | str], document: Any) -> list[int | str]:
    """Return the keys of a location in a document, without the tags that pydantic adds for unions."""
    keys: list[int | str] = []
    for part in location:
        in_mapping = isinstance(document, Mapping) and part in document
        in_list = isinstance(document, (list, tuple)) and isinstance(part, int)
        if in_mapping or in_list:
            document = document[part]
            keys.append(part)
    return keys
