"""Write the tree of medcl's packages and modules into docs/architecture.md: `python docs/write_tree.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- tree: written by docs/write_tree.py -->\n```\n", "```\n<!-- end of tree -->"
DEPTH = 3


def tree() -> str:
    """Return one line per package and module down to `DEPTH`: its name and its docstring's first line."""
    lines = [("medcl/", _summary(ROOT / "medcl" / "__init__.py")), *_below(ROOT / "medcl", 2)]
    return "".join(f"{name:<34} {summary}".rstrip() + "\n" for name, summary in lines)


def _below(folder: Path, depth: int) -> Iterator[tuple[str, str]]:
    indent = "  " * (depth - 1)
    for package in sorted(path.parent for path in folder.glob("*/__init__.py")):
        yield f"{indent}{package.name}/", _summary(package / "__init__.py")
        if depth < DEPTH:
            yield from _below(package, depth + 1)
    for module in sorted(folder.glob("*.py")):
        if not module.name.startswith("__"):
            yield f"{indent}{module.name}", _summary(module)


def _summary(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def main() -> None:
    """Replace the tree between the page's two markers."""
    before, rest = PAGE.read_text(encoding="utf-8").split(START)
    PAGE.write_text(before + START + tree() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
