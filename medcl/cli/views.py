"""Commands that show and check what a view policy does: views, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medcl.cli.app import app
from medcl.cli.options import AsJson, print_result
from medcl.errors import WorkFailed

Variant = Annotated[str | None, typer.Option(help="A named variant of the policy.")]


@app.command(epilog="Example: medcl views store -o sheet.png --policy ct")
def views(
    store: Annotated[Path, typer.Argument(help="Folder that 'medcl prepare' wrote.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="PNG to write.")],
    policy: Annotated[
        str | None,
        typer.Option(help="Name of a shipped policy or a YAML file; default: that of the scans' modality."),
    ] = None,
    variant: Variant = None,
    size: Annotated[int, typer.Option(min=8, help="Edge of a view in pixels.")] = 128,
    scans: Annotated[int, typer.Option(min=1, help="Number of scans to show.")] = 4,
    seed: Annotated[int, typer.Option(help="Random seed of the views and of the choice of scans.")] = 0,
) -> None:
    """Draw a contact sheet: each source beside a pair of its views."""
    import numpy as np

    from medcl.store import Store
    from medcl.views import flags, load_policy, policy_for
    from medcl.views.show.contact_sheet import contact_sheet

    opened = Store.open(store)
    rows = np.sort(np.random.default_rng(seed).permutation(opened.showable())[:scans])
    config = policy_for(opened.scans, variant) if policy is None else load_policy(policy, variant)
    contact_sheet(opened, rows.tolist(), config, size, seed, out)
    print(f"{out}: {len(rows)} scans, policy {config.name}")
    for flag, meaning in flags(config, opened, rows, size).items():
        print(f"{flag}: {meaning}")


@app.command(epilog="Example: medcl audit cxr --store store -o audit")
def audit(
    policy: Annotated[str, typer.Argument(help="Name of a shipped policy, such as ct, or a YAML file.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="New folder for the report with pictures.")
    ] = None,
    variant: Variant = None,
    store: Annotated[Path | None, typer.Option(help="Audit on this store's scans, too.")] = None,
    size: Annotated[int, typer.Option(min=8, help="Edge of the store's views in pixels.")] = 224,
    as_json: AsJson = False,
) -> None:
    """Measure whether a policy's views preserve anatomy and intensity; exit code 1 if an invariant fails."""
    from medcl.store import Store
    from medcl.views import load_policy
    from medcl.views.audit import audit_policy

    report = audit_policy(load_policy(policy, variant), Store.open(store) if store else None, size)
    if out is not None:
        report.write(out)
    print_result(report.record(), [report.table()], as_json)
    if not report.passed:
        raise WorkFailed(f"policy {policy} fails {', '.join(report.failed)}")
