"""The command line: it calls the rooms in the order in which data flows, and holds no logic of its own."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from medcl.errors import Interrupted, MedclError, UsageError, WorkFailed

app = typer.Typer(
    name="medcl",
    help="Contrastive pretraining and honest few-label evaluation for medical images. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for scripts.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace those of the file."),
]


def main() -> None:
    """Run a command; a fault is one line on standard error and an exit code of 1 or 2."""
    handlers = {number: signal.signal(number, _stopped) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        app()
    except MedclError as error:
        print(f"medcl: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read the output has seen enough
        sys.stdout = None
    except OSError as error:  # its file name may be a patient's
        told = f"{error.strerror or type(error).__name__}; can the output be written, and has the disk room?"
        print(f"medcl: {told}", file=sys.stderr)
        sys.exit(2)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _stopped(number: int, _: FrameType | None) -> None:
    raise Interrupted("stopped; what is finished is kept: run the same command again to go on", number)


def _tell(result: dict[str, Any], lines: list[str], as_json: bool) -> None:
    print(json.dumps(result, indent=2, default=str) if as_json else "\n".join(lines))


@app.command(epilog="Example: medcl scan archive/ more.zip -o catalog; medcl scan catalog --explain SCAN")
def scan(
    archives: Annotated[
        list[str], typer.Argument(help="Folders, files, zips or s3:// addresses with scans.")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="New folder for the catalog.")] = None,
    policy: Annotated[
        str, typer.Option(help="strict, default or lenient: what flags are let through.")
    ] = "default",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler to scan on.")] = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="SCAN", help="Of a catalog: say what was found and repaired in a scan."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List every scan of an archive, and account for every file."""
    from medcl.archive import Catalog, explain_scan, scan_archive

    if explain is not None:
        if len(archives) > 1:
            raise UsageError("--explain reads one catalog; leave the other names out")
        print(explain_scan(Catalog.open(Path(archives[0])), explain))
        return
    if out is None:
        raise UsageError("name a new folder for the catalog with -o")
    summary = scan_archive(archives, out, policy=policy, workers=workers, scheduler=scheduler).summary()
    _tell(summary, _summary_lines(summary, out), as_json)


def _summary_lines(summary: dict[str, Any], out: Path) -> list[str]:
    states = [f"{summary[state]} {state}" for state in ("used", "dropped", "quarantined")]
    lines = [f"{summary['files']} files: {', '.join(states)}", f"{summary['scans']} scans in {out}"]
    lines += [f"  {count:>7} {what}" for what, count in (summary["kinds"] | summary["modalities"]).items()]
    lines += [
        f"decoder missing: {syntax}: {told['install']} ({told['files']} files)"
        for syntax, told in summary["missing_decoders"].items()
    ]
    if summary["reasons"]:
        lines += ["not used, by reason:"] + [f"  {n:>7} {code}" for code, n in summary["reasons"].items()]
    return lines


@app.command(epilog="Example: medcl convert catalog -o nifti")
def convert(
    catalog: Annotated[Path, typer.Argument(help="Folder that 'medcl scan' wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for the NIfTI files.")],
    as_json: AsJson = False,
) -> None:
    """Write every scan as NIfTI (RAS+ affine, physical units) with a JSON of what was noticed."""
    from medcl.archive import Catalog
    from medcl.archive import convert as convert_catalog

    result = convert_catalog(Catalog.open(catalog), out)
    _tell(
        result, [f"{result['written']} scans written to {out}, {result['failed']} could not be read"], as_json
    )


@app.command(epilog="Example: medcl prepare catalog -o store --labels labels.csv")
def prepare(
    catalog: Annotated[Path, typer.Argument(help="Folder that 'medcl scan' wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for the store.")],
    labels: Annotated[
        str | None,
        typer.Option(help="A table with 'label' and 'file', 'patient' or 'scan', or the word 'folders'."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split by patient.")] = 0,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler to read on.")] = None,
    as_json: AsJson = False,
) -> None:
    """Store the scans as memory-mapped arrays, measured once and split by patient."""
    from medcl.archive import Catalog
    from medcl.store import prepare as prepare_store

    facts = prepare_store(Catalog.open(catalog), out, labels, seed, scheduler).facts
    copies = facts["duplicates"]
    lines = [
        f"{facts['scans']} scans of {facts['patients']} patients in {out}",
        f"splits: {_counts(facts['splits'])}; classes: {_counts(facts['classes']) or 'no labels'}",
        f"exact copies set aside: {copies['copies']} ({copies['crossing_splits']} across given splits), "
        f"and {copies['conflicting_labels']} with contradicting labels",
    ]
    if facts["masks"]:
        lines.append(f"scans with a mask, by what it was made from: {_counts(facts['masks'])}")
    if facts["faults"]:
        lines.append(f"{len(facts['faults'])} scans could not be read; see {out / 'store.json'}")
    _tell(facts, lines, as_json)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


@app.command(epilog="Example: medcl views store -o sheet.png --policy ct")
def views(
    store: Annotated[Path, typer.Argument(help="Folder that 'medcl prepare' wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG to write.")],
    policy: Annotated[
        str | None,
        typer.Option(help="One of configs/views or a YAML file; that of the scans' modality if not given."),
    ] = None,
    variant: Annotated[str | None, typer.Option(help="A named variant of the policy.")] = None,
    size: Annotated[int, typer.Option(min=8, help="Edge of a view in pixels.")] = 128,
    scans: Annotated[int, typer.Option(min=1, help="How many scans to show.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the views and of which scans.")] = 0,
) -> None:
    """Draw a contact sheet: each source beside a pair of its views."""
    import numpy as np

    from medcl.store import Store
    from medcl.views import flags, load_policy, policy_for
    from medcl.views.show.contact_sheet import contact_sheet

    opened = Store.open(store)
    rows = np.sort(np.random.default_rng(seed).permutation(opened.showable())[:scans])
    chosen = policy_for(opened.scans, variant) if policy is None else load_policy(policy, variant)
    contact_sheet(opened, rows.tolist(), chosen, size, seed, out)
    print(f"{out}: {len(rows)} scans under policy {chosen.name}")
    for flag, meaning in flags(chosen, opened, rows, size).items():
        print(f"{flag}: {meaning}")


@app.command(epilog="Example: medcl audit cxr --store store -o audit")
def audit(
    policy: Annotated[str, typer.Argument(help="A shipped policy such as ct, or a YAML file.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="New folder for the page with pictures.")
    ] = None,
    variant: Annotated[str | None, typer.Option(help="A named variant of the policy.")] = None,
    store: Annotated[Path | None, typer.Option(help="Audit on this store's scans too.")] = None,
    size: Annotated[int, typer.Option(min=8, help="Edge of the store's views in pixels.")] = 224,
    as_json: AsJson = False,
) -> None:
    """Measure whether a policy's views stay true of the patient; exit code 1 when an invariant fails."""
    from medcl.store import Store
    from medcl.views import load_policy
    from medcl.views.audit import audit_policy

    report = audit_policy(load_policy(policy, variant), Store.open(store) if store else None, size)
    if out is not None:
        report.write(out)
    _tell(report.facts(), [report.table()], as_json)
    if not report.passed:
        raise WorkFailed(f"policy {policy} fails {', '.join(report.failed)}")


@app.command(epilog="Example: medcl pretrain configs/pretrain.yaml -o run epochs=20 store=store")
def pretrain(
    config: Annotated[Path, typer.Argument(help="YAML file.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="New folder for the run.")] = None,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what it would cost, from rates measured here.")
    ] = False,
    scans: Annotated[
        int | None, typer.Option(min=1, help="With --plan: on so many scans instead of the store's.")
    ] = None,
    gpus: Annotated[int, typer.Option(min=1, help="With --plan: on so many GPUs like this one.")] = 1,
    wire: Annotated[float, typer.Option(min=0.001, help="With --plan: GB/s that a GPU sends.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Pretrain an encoder by contrastive learning, without labels."""
    from medcl.config import load
    from medcl.pretrain import PretrainConfig
    from medcl.pretrain import pretrain as run_pretraining
    from medcl.pretrain.cost.measure_rates import plan_run
    from medcl.pretrain.distributed.collectives import rank

    told = load(config, PretrainConfig, overrides or ())
    if plan:
        print(plan_run(told, scans, gpus, wire))
        return
    if out is None:
        raise UsageError("name a new folder for the run with -o")
    summary = run_pretraining(told, out, resume)
    line = (
        f"{summary['steps']} steps in {summary['seconds']:.0f} s, loss {summary['final_loss']:.3f}, "
        f"{summary['waiting_share']:.1%} of the time waiting for data; encoder in {out}"
    )
    if rank() == 0:
        _tell(summary, [line, *filter(None, [summary["collapsed"]])], as_json)


@app.command(epilog="Example: medcl study configs/studies/pneumonia.yaml -o study")
def study(
    config: Annotated[Path, typer.Argument(help="YAML file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the study; the same command resumes.")],
    overrides: Overrides = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that compute cells side by side.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare pretraining with supervised baselines at every label budget, and write the report."""
    from medcl.config import load
    from medcl.study import StudyConfig, run_study

    result = run_study(load(config, StudyConfig, overrides or ()), out, workers)
    told = {"answer": result.answer, "report": out / "report.html", "caveats": result.caveats}
    _tell(told, [result.answer, f"report: {out / 'report.html'}"], as_json)


@app.command(epilog="Example: medcl tissue configs/studies/brats6_tissue.yaml -o tissue store=store")
def tissue(
    config: Annotated[Path, typer.Argument(help="YAML file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the study; the same command resumes.")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Map abnormal tissue in patients that nobody has seen, from few masks, and write the report."""
    from medcl.config import load
    from medcl.evaluate.tissue.report import answer
    from medcl.tissue import TissueConfig, run_tissue

    told = answer(run_tissue(load(config, TissueConfig, overrides or ()), out))
    _tell({"answer": told, "report": out / "report.html"}, [told, f"report: {out / 'report.html'}"], as_json)


@app.command(epilog="Example: medcl predict study archive/ -o predictions.parquet")
def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a study, or of a model that was saved.")],
    archive: Annotated[list[Path], typer.Argument(help="Folders or files with scans.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write (.parquet or .csv).")],
    modality: Annotated[
        str | None, typer.Option(help="What NIfTI files and pictures are, who cannot say: CT, MR, US, ...")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Predict the scans of an archive with a study's model."""
    from medcl.predict import predict_archive

    result = predict_archive(run, archive, out, modality)
    lines = [f"{result['scans']} scans predicted with {result['model']}: {out}"]
    if result["left_out"]:
        lines.append(f"{result['left_out']} left out: not known to be what the model was trained on")
    if result["unreadable"] or result["files_not_used"]:
        lines.append(
            f"{result['unreadable']} scans and {result['files_not_used']} files could not be used; "
            "'medcl scan' tells why"
        )
    _tell(result, lines, as_json)


@app.command(epilog="Example: medcl review study --store study/store")
def review(
    study: Annotated[Path, typer.Argument(help="Folder that 'medcl study' wrote.")],
    store: Annotated[Path | None, typer.Option(help="Where the pictures come from.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port on this machine; Streamlit's own if not given.")
    ] = None,
) -> None:
    """Open the review app in a browser, on this machine only."""
    import subprocess

    from medcl.review.launch import command

    own = study / "store"
    chosen = store or (own if own.is_dir() else None)
    sys.exit(subprocess.run(command(study, chosen, port), check=False).returncode)


@app.command(epilog="Example: medcl demo -o demo-output")
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for everything.")] = Path(
        "demo-output"
    ),
    as_json: AsJson = False,
) -> None:
    """Run everything on an embedded cohort of synthetic patients."""
    from medcl.demo.run import run_demo

    result = run_demo(out)
    told = {"answer": result.answer, "report": out / "study" / "report.html"}
    lines = [f"(synthetic patients) {result.answer}", f"report: {out / 'study' / 'report.html'}"]
    _tell(told, [*lines, f"look at the cases with: medcl review {out / 'study'}"], as_json)
