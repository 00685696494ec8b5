"""Commands that train and evaluate: pretrain, study, tissue, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medcl.cli.app import app
from medcl.cli.options import AsJson, FollowLinks, Overrides, print_result
from medcl.errors import UsageError

ConfigFile = Annotated[Path, typer.Argument(help="YAML file.")]
StudyFolder = Annotated[
    Path, typer.Option("-o", "--out", help="Folder of the study; run the same command again to resume.")
]


@app.command(epilog="Example: medcl pretrain configs/pretrain.yaml -o run epochs=20 store=store")
def pretrain(
    config: ConfigFile,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="New folder for the run.")] = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only estimate the cost, from speeds measured on this machine.")
    ] = False,
    scans: Annotated[
        int | None, typer.Option(min=1, help="With --plan: number of scans, instead of the store's.")
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, help="With --plan: number of GPUs like this one.")] = 1,
    wire: Annotated[
        float, typer.Option(min=0.001, help="With --plan: network bandwidth of a GPU in GB/s.")
    ] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Pretrain an encoder by contrastive learning, without labels."""
    from medcl.config import load
    from medcl.pretrain import PretrainConfig
    from medcl.pretrain import pretrain as run_pretraining
    from medcl.pretrain.cost import plan_run
    from medcl.pretrain.distributed import rank

    settings = load(config, PretrainConfig, overrides or ())
    if plan:
        print(plan_run(settings, scans, gpus, wire))
        return
    if out is None:
        raise UsageError("name a new folder for the run with -o")
    summary = run_pretraining(settings, out, resume)
    line = (
        f"{summary['steps']} steps in {summary['seconds']:.0f} s, loss {summary['final_loss']:.3f}, "
        f"{summary['waiting_share']:.1%} of the time waiting for data; encoder in {out}"
    )
    if rank() == 0:
        print_result(summary, [line, *filter(None, [summary["collapsed"]])], as_json)


@app.command(epilog="Example: medcl study configs/studies/pneumonia.yaml -o study")
def study(
    config: ConfigFile,
    out: StudyFolder,
    overrides: Overrides = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes that train side by side.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare pretraining with supervised baselines at every label budget, and write the report."""
    from medcl.config import load
    from medcl.files import read_json
    from medcl.study import StudyConfig, run_study

    evaluation = run_study(load(config, StudyConfig, overrides or ()), out, workers)
    warnings = read_json(out / "study.json")["warnings"]
    result = {
        "answer": evaluation.answer,
        "report": out / "report.html",
        "caveats": [*warnings, *evaluation.caveats],
    }
    lines = [evaluation.answer, *(f"warning: {text}" for text in warnings), f"report: {out / 'report.html'}"]
    print_result(result, lines, as_json)


@app.command(epilog="Example: medcl tissue configs/studies/brats6_tissue.yaml -o tissue store=store")
def tissue(
    config: ConfigFile, out: StudyFolder, overrides: Overrides = None, as_json: AsJson = False
) -> None:
    """Map abnormal tissue in held-out patients, from few masks, and write the report."""
    from medcl.config import load
    from medcl.evaluate.tissue import answer
    from medcl.tissue import TissueConfig, run_tissue

    text = answer(run_tissue(load(config, TissueConfig, overrides or ()), out))
    report = out / "report.html"
    print_result({"answer": text, "report": report}, [text, f"report: {report}"], as_json)


@app.command(epilog="Example: medcl predict study archive/ -o predictions.parquet")
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a study or of a saved model.")],
    archive: Annotated[list[Path], typer.Argument(help="Folders or files with scans.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New table (.parquet or .csv).")],
    modality: Annotated[
        str | None,
        typer.Option(help="Modality of NIfTI files and images, which do not record one: CT, MR, US, ..."),
    ] = None,
    follow_links: FollowLinks = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Number of processes that read scans; the table is the same.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Predict the scans of an archive with a study's model; run the same command again to resume."""
    from medcl.predict import predict_archive

    result = predict_archive(run, archive, out, modality, follow_links, workers)
    print_result(result, _predict_lines(result, out), as_json)


def _predict_lines(result: dict[str, Any], out: Path) -> list[str]:
    from medcl.store.left_out import left_out_lines

    scans = result["scans"] + sum(result["left_out"].values())
    lines = [f"{result['scans']} of {scans} scans predicted with {result['model']}: {out}"]
    lines += left_out_lines(result["left_out"])
    return lines + left_out_lines(result["files_not_used"], "files that are no scan or cannot be read")
