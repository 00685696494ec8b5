"""Settings of a tissue study: the shipped ones hold, and contradictions are one line."""

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
from medcl.tissue.config import tissue_arms
from tests.tissue.samples import settings, write_archive

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


def test_an_encoder_without_stages_is_refused_in_one_line(tmp_path: Path) -> None:
    for encoder, reason in (
        ({"name": "densenet121"}, "'densenet121'"),
        ({"name": "efficientnet-b0"}, "'efficientnet-b0'"),
        ({"name": "torch.nn:Identity", "feature_size": 8}, "'torch.nn:Identity'"),
        ({"name": "resnet10", "spatial_dims": 3, "sequence": "gru"}, "a sequence of slices"),
    ):
        pretrain = {"encoder": encoder, "epochs": 1, "batch_size": 24}
        with pytest.raises(ValueError, match=f"supervised-segment' needs the stages.*it is {reason}"):
            settings(tmp_path, pretrain=pretrain, arms=["supervised", "supervised-segment", "simclr-probe"])


def test_settings_that_contradict_each_other_are_refused(tmp_path) -> None:
    for changes, message in (
        ({"patches": {"edge_mm": 9, "stride_mm": 6, "healthy": 0.6}}, "must be below abnormal"),
        ({"arms": ["classical", "supervised"]}, "arm 'classical' cannot map tissue"),
        ({"budgets": [2, 1]}, "in increasing order"),
        ({"pretrain": {"encoder": {"in_channels": 3}, "epochs": 1}}, "patches are gray"),
        ({"primary": {"arm": "simclr-probe", "budget": 3}}, "budget 3 is not among"),
    ):
        with pytest.raises(ValueError, match=message):
            settings(tmp_path, **changes)


def test_arms_are_those_that_end_in_a_network_and_those_that_segment() -> None:
    arms = tissue_arms("byol")
    assert {"byol-probe", "byol-finetune", "supervised", "byol-segment", "supervised-segment"} <= set(arms)
    assert not {"classical", "byol-knn", "metadata-only"} & set(arms)
