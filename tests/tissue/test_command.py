"""`medcl tissue` from the command line: the shipped settings hold, and faults are one line."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from medcl.archive import scan_archive
from medcl.cli import app, main
from medcl.config import load
from medcl.store import Store
from medcl.tissue import TissueConfig
from tests.tissue.samples import write_archive

SHIPPED = Path(__file__).parents[2] / "configs" / "studies" / "brats6_tissue.yaml"


def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    monkeypatch.setattr(sys, "argv", ["medcl", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("medcl:")]
    assert len(lines) == 1
    return lines[0]


def test_the_shipped_study_is_valid_and_the_command_explains_itself() -> None:
    config = load(SHIPPED, TissueConfig)
    assert config.pretrain.encoder.spatial_dims == 2
    assert config.budgets == (1, 2, 4)
    result = CliRunner().invoke(app, ["tissue", "--help"])
    assert result.exit_code == 0
    assert "Example: medcl tissue" in result.stdout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["patches.edge=9"], "unknown key 'patches.edge'; did you mean 'edge_mm'?"),
        (["budgets=[4]", "primary.budget=4"], "4 patients with masks: 4 to learn from"),
        (["budgets=[2]", "primary.budget=1"], "primary: budget 1 is not among the budgets"),
        (["arms=[texture]"], "arm 'texture' cannot map tissue; there are simclr-probe"),
        (["budgets=[1]", "patches.edge_mm=40"], "no abnormal patch in scan"),
        (["store=nowhere"], "nowhere: no store"),
        (["views.policy=xray"], "no such view policy"),
        (["budgets=[1]", "catalog=nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: list[str],
    message: str,
) -> None:
    words = [f"store={store.folder}", *changes]
    assert message in refused(capsys, monkeypatch, "tissue", SHIPPED, "-o", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_scans_without_a_number_never_reach_a_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = write_archive(tmp_path)
    for path in (tmp_path / "archive").glob("*/flair.nii.gz"):
        image = nib.load(path)
        nib.save(nib.Nifti1Image(np.full(image.shape, np.nan, np.float32), image.affine), path)
    scan_archive([tmp_path / "archive"], tmp_path / "catalog")
    words = ("prepare", tmp_path / "catalog", "-o", tmp_path / "store", "--labels", table)
    assert "no scan could be read" in refused(capsys, monkeypatch, *words)
