"""The app is served on this machine only, and wrong folders are refused before it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from medcl.errors import UsageError
from medcl.review.launch import app_file, command, environment
from tests.review import fake_study


def test_the_command_keeps_to_itself(tmp_path: Path) -> None:
    folder = fake_study.write_study(tmp_path / "study")
    args = command(folder, tmp_path, 8123)
    assert app_file().is_file()
    for setting in (
        "--server.address=127.0.0.1",
        "--server.enableXsrfProtection=true",
        "--browser.gatherUsageStats=false",
        "--server.port=8123",
    ):
        assert setting in args
    assert args[args.index("--") + 1 :] == ["--study", str(folder), "--store", str(tmp_path)]


def test_the_app_can_be_imported_wherever_medcl_is_installed() -> None:
    code = "import apps.review; print(apps.review.__file__)"
    args = [sys.executable, "-S", "-P", "-c", code]
    done = subprocess.run(args, env=environment(), cwd="/", capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == app_file().parent


def test_wrong_folders_are_one_line(tmp_path: Path) -> None:
    folder = fake_study.write_study(tmp_path / "study")
    for study, store in ((tmp_path, None), (folder, tmp_path / "nothing")):
        with pytest.raises(UsageError) as caught:
            command(study, store, None)
        assert "\n" not in str(caught.value)
