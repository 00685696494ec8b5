"""The command line: each command reads its options, calls one package and prints the result."""

from medcl.cli import archive, views, studies, review  # noqa: F401, I001  (in the order of `medcl --help`)
from medcl.cli.app import app, main

__all__ = ["app", "main"]
