"""Messages that send people somewhere send them to a command and an option that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import typer

import medcl
from medcl.cli import app

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = {
    name: {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for name, command in COMMANDS.items()
}
OTHER_LANGUAGES = ("launch.py", "html.py")
"""Files whose texts are arguments of Streamlit, or CSS."""


def texts() -> list[str]:
    """Return all texts of the package, f-strings without their values."""
    found = []
    paths = Path(medcl.__file__).parent.rglob("*.py")
    for path in sorted(path for path in paths if path.name not in OTHER_LANGUAGES):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in node.values)
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


def named_commands(text: str) -> list[tuple[str, list[str]]]:
    """Return the commands that a text names in quotes or with arguments, with their options."""
    found = re.findall(r"['`]medcl ([a-z]+)([^'`]*)['`]|\bmedcl ([a-z]+)(?= [A-Z]{3})([^;,]*)", text)
    return [(a or c, re.findall(r"--[a-z][a-z-]+", b or d)) for a, b, c, d in found]


def test_every_option_that_a_message_names_exists() -> None:
    every = set.union(*OPTIONS.values(), {"--version"})
    named = {option for text in texts() for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)}
    assert len(named) >= 10
    assert named <= every


def test_every_command_that_a_message_names_exists_and_has_the_option() -> None:
    named = [command for text in texts() for command in named_commands(text)]
    assert len(named) > 8
    for name, options in named:
        assert name in OPTIONS
        assert set(options) <= OPTIONS[name], name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("run 'medcl prepare --image-types'", [("prepare", ["--image-types"])]),
        ("make one with medcl scan ARCHIVE -o X", [("scan", [])]),
        ("update medcl or scan again", []),
    ],
)
def test_commands_are_found_in_a_text(text: str, named: list[tuple[str, list[str]]]) -> None:
    assert named_commands(text) == named
