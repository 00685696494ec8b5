"""Start of the review app: served on this machine only, with nothing sent anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from medcl.errors import UsageError
from medcl.palette import BLUE, INK

SETTINGS = (
    "--server.address=127.0.0.1",
    "--server.enableXsrfProtection=true",
    "--server.enableCORS=true",
    "--server.fileWatcherType=none",
    "--server.showEmailPrompt=false",
    "--browser.gatherUsageStats=false",
    "--client.showErrorDetails=none",
    "--client.toolbarMode=minimal",
    "--theme.base=light",
    f"--theme.primaryColor={BLUE}",
    f"--theme.textColor={INK}",
    "--theme.baseRadius=small",
)


def serve(study: Path, store: Path | None, port: int | None) -> int:
    """Serve the review app until it is stopped, and return Streamlit's exit code; raises as `command`."""
    return subprocess.run(command(study, store, port), env=environment(), check=False).returncode


def environment() -> dict[str, str]:
    """Return this process's environment with `apps` importable, which an installed wheel hides in medcl."""
    paths = (str(app_file().parents[2]), os.environ.get("PYTHONPATH"))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def command(study: Path, store: Path | None, port: int | None) -> list[str]:
    """Return the command that serves the review app of `study`, with pictures from `store` if given.

    Raises:
        UsageError: the study or the store is missing, or the app's packages are not installed.
    """
    if find_spec("streamlit") is None or find_spec("plotly") is None:
        raise UsageError("the review app needs streamlit and plotly; install medcl[app]")
    if not (study / "study.json").is_file():
        raise UsageError(f"{study}: no study; name a folder that 'medcl study' wrote")
    if store is not None and not store.is_dir():
        raise UsageError(f"{store}: no such store; name a folder that 'medcl prepare' wrote")
    settings = [*SETTINGS, *([f"--server.port={port}"] if port is not None else [])]
    pictures = ["--store", str(store.resolve())] if store is not None else []
    return [
        *(sys.executable, "-m", "streamlit", "run", str(app_file()), *settings),
        *("--", "--study", str(study.resolve()), *pictures),
    ]


def app_file() -> Path:
    """Return the path of the app's entry, in an installed wheel or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "shipped" / "apps"
    return (installed if installed.is_dir() else package.parent / "apps") / "review" / "app.py"
