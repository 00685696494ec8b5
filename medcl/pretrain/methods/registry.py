"""Registry of contrastive methods: which configuration builds which method."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

from medcl.pretrain.methods.base import Method, MethodConfig

MethodType = TypeVar("MethodType", bound=Method)

METHODS: dict[type[MethodConfig], type[Method]] = {}
"""The method that each configuration builds, in the order of registration."""


def register(config: type[MethodConfig]) -> Callable[[type[MethodType]], type[MethodType]]:
    """Register the decorated method under its configuration.

    Args:
        config: Configuration of the method. Its `name` has a default, by which users choose the method.

    Raises:
        TypeError: The configuration or the method lacks something abstract, such as `cost`, or the name is
            missing or taken.
    """

    def decorate(method: type[MethodType]) -> type[MethodType]:
        for part in (config, method):
            if inspect.isabstract(part):
                missing = ", ".join(sorted(part.__abstractmethods__))
                raise TypeError(f"{part.__name__} cannot be registered: it does not define {missing}")
        name = method_name(config)
        if name in map(method_name, METHODS):
            raise TypeError(f"{config.__name__} cannot be registered: the name {name!r} is taken")
        METHODS[config] = method
        return method

    return decorate


def method_name(config: type[MethodConfig]) -> str:
    """Return the name by which users choose the method of `config`.

    Raises:
        TypeError: The configuration gives its `name` no default.
    """
    name = config.model_fields["name"].default
    if not isinstance(name, str):
        raise TypeError(f'{config.__name__} needs a name: Literal["..."] = "..."')
    return name
