"""Commands that show a study: review, demo."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from medcl.cli.app import app
from medcl.cli.options import AsJson, print_result


@app.command(epilog="Example: medcl review study --store study/store")
def review(
    study: Annotated[Path, typer.Argument(help="Folder that 'medcl study' wrote.")],
    store: Annotated[
        Path | None, typer.Option(help="Store with the images; default: the study's own.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port on this machine; default: Streamlit's.")] = None,
) -> None:
    """Open the review app in a browser, on this machine only."""
    from medcl.review.launch import serve

    default = study / "store"
    images = store or (default if default.is_dir() else None)
    sys.exit(serve(study, images, port))


@app.command(epilog="Example: medcl demo -o demo-output")
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for the results.")] = Path(
        "demo-output"
    ),
    as_json: AsJson = False,
) -> None:
    """Run a complete study on a cohort of synthetic patients, written by this command."""
    from medcl.demo.run import run_demo

    evaluation = run_demo(out)
    report = out / "study" / "report.html"
    lines = [
        f"(synthetic patients) {evaluation.answer}",
        f"report: {report}",
        f"review the cases with: medcl review {out / 'study'}",
    ]
    print_result({"answer": evaluation.answer, "report": report}, lines, as_json)
