"""Commands from files to a store: scan, convert, prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medcl.cli.app import app
from medcl.cli.options import AsJson, FollowLinks, counts_text, print_result
from medcl.errors import UsageError


@app.command(epilog="Example: medcl scan archive/ more.zip -o catalog; medcl scan catalog --explain SCAN")
def scan(
    archives: Annotated[
        list[str], typer.Argument(help="Folders, files, zips or s3:// addresses with scans.")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="New folder for the catalog.")] = None,
    accept: Annotated[
        str, typer.Option(help="strict, default or lenient: which flagged scans are used.")
    ] = "default",
    policy: Annotated[str | None, typer.Option(hidden=True)] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler to scan on.")] = None,
    patient_pattern: Annotated[
        str | None,
        typer.Option(
            help="Regular expression for the patient in a file's path; its group 'patient', or its first "
            "group, is the patient. Takes precedence over PatientID and folder layouts."
        ),
    ] = None,
    follow_links: FollowLinks = False,
    explain: Annotated[
        str | None,
        typer.Option(metavar="SCAN", help="Given a catalog: print what was found and repaired in this scan."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List every scan of an archive, and account for every file."""
    from medcl.archive import Catalog, explain_scan, scan_archive

    if policy is not None:
        raise UsageError("--policy is named --accept now")
    if explain is not None:
        if len(archives) > 1:
            raise UsageError("--explain takes one catalog; remove the other arguments")
        print(explain_scan(Catalog.open(Path(archives[0])), explain))
        return
    if out is None:
        raise UsageError("name a new folder for the catalog with -o")
    catalog = scan_archive(archives, out, accept, workers, scheduler, patient_pattern, follow_links)
    summary = catalog.summary()
    print_result(summary, _scan_lines(summary, out), as_json)


def _scan_lines(summary: dict[str, Any], out: Path) -> list[str]:
    from medcl.store.left_out import left_out_lines

    states = [f"{summary[state]} {state}" for state in ("used", "dropped", "quarantined")]
    lines = [f"{summary['files']} files: {', '.join(states)}", f"{summary['scans']} scans in {out}"]
    evidence = ", ".join(f"{name} {count}" for name, count in summary["patient_evidence"].items())
    lines.append(f"{summary['patients']} patients; evidence for the patient, scans per source: {evidence}")
    lines += [f"  {count:>7} {name}" for name, count in (summary["kinds"] | summary["modalities"]).items()]
    lines += [
        f"decoder missing: {syntax}: {decoder['install']} ({decoder['files']} files)"
        for syntax, decoder in summary["missing_decoders"].items()
    ]
    by_count = dict(sorted(summary["reasons"].items(), key=lambda item: -item[1]))
    return lines + left_out_lines(by_count, "files not used")


@app.command(epilog="Example: medcl convert catalog -o nifti")
def convert(
    catalog: Annotated[Path, typer.Argument(help="Folder that 'medcl scan' wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for the NIfTI files.")],
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Write every scan as NIfTI (RAS+ affine, physical units) with its flags in a JSON file."""
    from medcl.archive import Catalog
    from medcl.archive import convert as convert_catalog
    from medcl.store.left_out import count_reasons, left_out_lines

    result = convert_catalog(Catalog.open(catalog), out, workers)
    lines = [f"{result['written']} scans written to {out}"]
    lines += left_out_lines(count_reasons(result["faults"].values()), "scans not written")
    print_result(result, lines, as_json)


@app.command(epilog="Example: medcl prepare catalog -o store --labels labels.csv")
def prepare(
    catalog: Annotated[Path, typer.Argument(help="Folder that 'medcl scan' wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for the store.")],
    labels: Annotated[
        str | None,
        typer.Option(
            help="Table with a column 'label' and a column 'file', 'patient' or 'scan'; or 'folders', where "
            "each class has its own folder."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the split by patient.")] = 0,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler to read on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
    image_types: Annotated[
        Path | None,
        typer.Option(help="YAML of the image types to leave out; default: the shipped image_types.yaml."),
    ] = None,
    spacing_mm: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Finest spacing to keep of volumes; finer axes are resampled. Default: all."
        ),
    ] = None,
    crop_body: Annotated[
        bool, typer.Option("--crop-body", help="Cut the air round the body off volumes.")
    ] = False,
    compress: Annotated[
        bool, typer.Option("--compress", help="Compress pixels without loss: less disk, slower views.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store the scans as memory-mapped arrays, measured once and split by patient."""
    from medcl.archive import Catalog
    from medcl.store import StoreForm
    from medcl.store import prepare as prepare_store

    form = StoreForm(spacing_mm=spacing_mm, crop_body=crop_body, compress=compress)
    opened = Catalog.open(catalog)
    record = prepare_store(opened, out, labels, seed, scheduler, workers, image_types, form).record
    print_result(record, _prepare_lines(record, out), as_json)


def _prepare_lines(record: dict[str, Any], out: Path) -> list[str]:
    from medcl.store.left_out import left_out_lines

    kinds = counts_text(record["kinds"])
    lines = [
        f"{record['used']} scans of {record['patients']} patients used in {out}: {kinds}",
        f"splits: {counts_text(record['splits'])}; classes: {counts_text(record['classes']) or 'no labels'}",
    ]
    if record["masks"]:
        lines.append(f"scans with a mask, by its source: {counts_text(record['masks'])}")
    if record["mask_faults"]:
        lines.append(f"masks that could not be used, by reason: {counts_text(record['mask_faults'])}")
    if record["strangers_joined"]:
        lines.append(
            f"{record['strangers_joined']} scans share pixels, mask or an unusual grid with a scan of "
            "another patient and count as of that patient"
        )
    lines += left_out_lines(record["left_out"])
    if crossing := record["duplicates"]["crossing_splits"]:
        lines.append(f"{crossing} of the exact copies were in another split of the source")
    if record["left_out"]:
        lines.append(f"each scan left out, with its reason: {out / 'left_out.parquet'}")
    return lines + [f"warning: {text}" for text in record["warnings"]]
