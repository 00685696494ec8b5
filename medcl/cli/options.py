"""Options that several commands share, and how a result is printed."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from medcl.text import printable

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]
FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links",
        help="Read what links lead to, once, under the link's name (DataLad, git-annex, the Hugging Face "
        "cache, Nextflow).",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace those of the file."),
]


def print_result(result: dict[str, Any], lines: list[str], as_json: bool) -> None:
    """Print `result` as JSON, or `lines` for a person, in which names of files take one line."""
    print(json.dumps(result, indent=2, default=str) if as_json else "\n".join(map(printable, lines)))


def counts_text(counts: dict[str, int]) -> str:
    """Return `name count, name count`."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())
