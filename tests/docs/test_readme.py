"""README and docs say what is true: commands and options exist, Python compiles, links and paths resolve."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from medcl.cli import app
from medcl.config import load
from medcl.pretrain import PretrainConfig
from medcl.study import StudyConfig
from medcl.tissue import TissueConfig
from tests.docs.pages import PAGES, ROOT, blocks, inline_code, prose

CONFIGS = {"pretrain": PretrainConfig, "study": StudyConfig, "tissue": TissueConfig}
TOP_FOLDERS = ("apps/", "benchmarks/", "configs/", "data_cards/", "docs/", "examples/", "medcl/", "tests/")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def subcommand(name: str) -> Any:
    commands = getattr(typer.main.get_command(app), "commands")  # noqa: B009, a group at run time
    assert name in commands, f"no command 'medcl {name}'"
    return commands[name]


def check_medcl(words: list[str]) -> None:
    context = subcommand(words[0]).make_context(words[0], words[1:])
    config = context.params.get("config")
    if config is not None:
        load(ROOT / config, CONFIGS[words[0]], context.params["overrides"] or ())


def check_command(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] == "medcl":
        check_medcl(words[1:])
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
    elif words[0].removeprefix(".venv/bin/") in ("python", "pytest", "pre-commit"):
        assert all((ROOT / word).is_file() for word in words if word.endswith(".py")), line
    else:
        assert words[:2] == ["pip", "install"], line
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        named = re.search(r"\[(.*)\]", words[-1])
        assert named is None or set(named[1].split(",")) <= set(extras), line


@every_page
def test_shell_commands_exist_with_their_options(page: Path) -> None:
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            check_command(line)


@every_page
def test_commands_named_in_the_text_exist_with_their_options(page: Path) -> None:
    for code in inline_code(page):
        words = code.split()
        if words[0] == "medcl" and len(words) > 1:
            options = {option for parameter in subcommand(words[1]).params for option in parameter.opts}
            assert {word for word in words[2:] if word.startswith("-")} <= options, code
        elif words[0] == "make" and len(words) > 1:
            check_command(code)


@every_page
def test_python_compiles_and_imports_what_exists(page: Path) -> None:
    for block in blocks(page, "python"):
        tree = ast.parse(block)
        for node in (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                assert hasattr(module, alias.name) or importlib.util.find_spec(submodule), submodule


@every_page
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, heading = target.partition("#")
        assert "://" not in target, target
        linked = (page.parent / path) if path else page
        assert linked.is_file(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", prose(linked), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in slugs, target


@every_page
def test_paths_and_modules_named_in_the_text_exist(page: Path) -> None:
    for code in inline_code(page):
        path = code.split()[0].rstrip(".,;:")
        if path.startswith(TOP_FOLDERS) and not re.search(r"[<*{]|\.\.\.", path):
            assert (ROOT / path).exists(), code
        for name in re.findall(r"\bmedcl(?:\.[A-Za-z_]\w*)+", code):
            check_name(name)


def check_name(dotted: str) -> None:
    """Import the longest module of a dotted name and look the rest up in it."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            value = getattr(value, attribute)
        return


def test_the_readme_is_a_screen_and_a_half() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_every_page_of_docs_is_listed_in_their_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in ROOT.glob("docs/*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index, page.name
