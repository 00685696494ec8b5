"""Reading typed configuration: YAML file, then `key=value` words, checked against a pydantic model.

The models themselves stand with the room that they configure; every key carries its unit in its name.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from medcl.errors import UsageError


class Config(BaseModel):
    """Base of every configuration: unknown keys are refused and values never change after checking."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
        UsageError: a missing file, a key that the model does not know, or a value of the wrong type.
    """
    document = read_yaml(path)
    for word in overrides:
        _override(document, word)
    return validate(document, model, str(path))


def validate(document: Mapping[str, Any], model: type[Model], source: str) -> Model:
    """Check `document` against `model`; errors name `source`, the key and what would be right."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"{source}: {_first_fault(error, model)}") from None


def dump(config: Config) -> str:
    """Return the configuration as YAML text that `load` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _override(document: dict[str, Any], word: str) -> None:
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(f"'{word}': an override is written key=value, such as epochs=20")
    *parents, last = key.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
        if not isinstance(document, dict):
            raise UsageError(f"'{word}': '{parent}' is a value, not a section")
    try:
        document[last] = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"'{word}': the value is not valid YAML") from None


def _first_fault(error: ValidationError, model: type[BaseModel]) -> str:
    faults = error.errors(include_url=False)
    fault = faults[0]
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(fault["loc"][-1]), _keys_at(model, fault["loc"][:-1]), n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        text = f"unknown key '{where}'{hint}"
    elif fault["type"] == "missing":
        text = f"key '{where}' is required"
    else:
        said = fault["msg"].removeprefix("Value error, ")
        text = f"{where}: {said} (got {fault['input']!r})" if where else said
    more = len(faults) - 1
    return text + (f" (and {more} more fault{'s' if more > 1 else ''})" if more else "")


def _keys_at(model: type[BaseModel], location: Iterable[int | str]) -> list[str]:
    """Return the keys that are allowed at `location`, following nested models (through Optional)."""
    here: list[type[BaseModel]] = [model]
    for part in location:
        inner = [m.model_fields[str(part)].annotation for m in here if str(part) in m.model_fields]
        here = [found for annotation in inner for found in _models(annotation)] or here
    return [key for found in here for key in found.model_fields]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated, list, tuple, dict):
        return [found for part in typing.get_args(annotation) for found in _models(part)]
    return []
