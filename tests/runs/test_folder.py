"""What a run folder says of itself, and that one process at a time works in it."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from medcl.config import Config, load
from medcl.errors import UsageError
from medcl.runs.folder import PACKAGES, describe_run, exclusive, hash_file

HOLD = """
import sys
from pathlib import Path
from medcl.runs.folder import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


class Small(Config):
    epochs: int = 3


def test_a_run_can_be_repeated_from_its_folder(tmp_path: Path) -> None:
    describe_run(tmp_path, Small(epochs=7), {"store": "abc"})
    assert load(tmp_path / "config.yaml", Small) == Small(epochs=7)
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["store"] == "abc"
    assert provenance["code"]
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["packages"].keys() == set(PACKAGES)
    assert environment["python"] == platform.python_version()


def test_the_environment_names_no_host_and_no_user(tmp_path: Path) -> None:
    describe_run(tmp_path, Small(), {})
    environment = json.loads((tmp_path / "environment.json").read_text())
    texts = {str(value) for value in environment.values()} | environment.keys()
    assert not texts & {platform.node(), getpass.getuser(), os.getcwd()}


def test_a_hash_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content" * 100_000)
    assert hash_file(tmp_path / "file") == hashlib.sha256(b"content" * 100_000).hexdigest()


def test_a_folder_is_held_until_its_process_ends_however_it_does(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UsageError, match=f"in use by process {holder.pid}"), exclusive(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with exclusive(tmp_path):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())
