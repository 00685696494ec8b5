"""Packages are used by their interface: what a package exports is imported from it, not from its modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAZY = "cli"
"""Imports single modules inside of functions, so that a command loads no more than it needs."""


def cross_imports() -> Iterator[tuple[Path, str, str, str]]:
    """Yield file, package, module and name of each import of one package of medcl from another."""
    for path in sorted((ROOT / "medcl").rglob("*.py")):
        package = path.relative_to(ROOT / "medcl").parts[0]
        if package == LAZY:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("medcl."):
                imported = node.module.split(".")[1]
                if imported != package and (ROOT / "medcl" / imported).is_dir():
                    for alias in node.names:
                        yield path, f"medcl.{imported}", node.module, alias.name


@cache
def exported(package: str) -> frozenset[str]:
    """Return the names in `__all__` of a package."""
    source = (ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def test_what_a_package_exports_is_imported_from_it() -> None:
    imports = list(cross_imports())
    assert len(imports) > 200
    assert "Store" in exported("medcl.store")
    around = [
        f"{path.relative_to(ROOT)}: from {package} import {name}"
        for path, package, module, name in imports
        if module != package and name in exported(package)
    ]
    assert not around
