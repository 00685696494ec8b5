"""The Markdown pages of the repository, and the code that is in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(path for name in ("docs", "examples", "data_cards") for path in ROOT.glob(f"{name}/*.md")),
    ]
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of a page that are marked with `language`."""
    return [text for marked, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if marked == language]


def prose(page: Path) -> str:
    """Return the text of a page without its fenced code blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def inline_code(page: Path) -> list[str]:
    """Return what stands between single backticks in a page."""
    return re.findall(r"`([^`\n]+)`", prose(page))
