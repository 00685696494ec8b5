"""An audit's result as a table, a page and JSON."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medcl.files import new_folder, write_json, write_text
from medcl.views.audit.check_results import NAMES, SENTENCES, CheckResult
from medcl.views.policy import Policy

_STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:66rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{padding:.4rem .6rem;border-bottom:1px solid #d8dde2;
text-align:left;vertical-align:top}td p{margin:0}.on{color:#55606b;display:inline-block;min-width:4.2rem}
.small{font-size:.85rem;color:#55606b}.fails td{background:#fdeceb}.ok{color:#1b6e3c}.no{color:#b3261e;
font-weight:600}figure{display:inline-block;margin:.4rem .8rem .4rem 0;width:220px;vertical-align:top}
figcaption{font-size:.8rem;color:#55606b}img{image-rendering:pixelated;width:220px;background:#000}
pre{font-size:.8rem;background:#f4f6f8;padding:1rem;overflow:auto}"""


@dataclass(frozen=True)
class AuditReport:
    """Result of an audit.

    Attributes:
        policy: The policy that was audited.
        results: One for each invariant and grid, in the order of the invariants.
    """

    policy: Policy
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """True when every invariant holds."""
        return all(one.passed for one in self.results)

    @property
    def failed(self) -> tuple[str, ...]:
        """Invariants that do not hold, each once."""
        return tuple(dict.fromkeys(one.id for one in self.results if not one.passed))

    def table(self) -> str:
        """Return one line per result: invariant, where, figure, limit, verdict."""
        rows = [(one.id, one.name, one.where, one.figure, one.limit, _verdict(one)) for one in self.results]
        rows.insert(0, ("", "invariant", "on", "measured", "limit", ""))
        widths = [max(len(row[n]) for row in rows) for n in range(6)]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows
        ]
        return "\n".join(line.rstrip() for line in lines)

    def record(self) -> dict[str, Any]:
        """Return the result for scripts."""
        results = [
            {
                "id": f.id,
                "name": f.name,
                "where": f.where,
                "figure": f.figure,
                "limit": f.limit,
                "passed": bool(f.passed),
            }
            for f in self.results
        ]
        policy = {"policy": self.policy.name, "variant": self.policy.variant, "digest": self.policy.digest()}
        return policy | {"passed": self.passed, "results": results}

    def write(self, folder: Path) -> Path:
        """Write `audit.json` and `audit.html` to a new folder, and return the page."""
        new_folder(folder, "audit")
        write_json(self.record(), folder / "audit.json")
        write_text(self.page(), folder / "audit.html")
        return folder / "audit.html"

    def page(self) -> str:
        """Return a self-contained page: verdict, table, pictures of the worst cases, the policy."""
        name = self.policy.name + (f", variant {self.policy.variant}" if self.policy.variant else "")
        verdict = "holds every invariant" if self.passed else f"fails {', '.join(self.failed)}"
        grouped = {one.id: [f for f in self.results if f.id == one.id] for one in self.results}
        rows = "".join(_row(group) for group in grouped.values())
        pictures = "".join(_figures(f) for f in self.results if f.pictures)
        return (
            f"<!doctype html><html lang='en'><meta charset='utf-8'>"
            f"<title>Audit of {escape(name)}</title>"
            f"<style>{_STYLE}</style>"
            f"<h1>Policy '{escape(name)}' {escape(verdict)}</h1>"
            "<p>A view is safe when what it shows is still true of the patient. Each invariant below was "
            "measured on the pixels of views: of phantoms whose every sample is known (an image, slices of "
            "a volume, a volume), and of a store's own scans where it is named.</p>"
            "<table><tr><th></th><th>Invariant</th><th>Measured</th><th>Allowed</th><th></th></tr>"
            f"{rows}</table><h2>Worst cases</h2>{pictures}<h2>The policy</h2>"
            f"<pre>{escape(str(self.policy))}</pre></html>\n"
        )


def _row(group: list[CheckResult]) -> str:
    """Return the table's row of one invariant, with a line for whatever it was measured on."""
    passed = all(one.passed for one in group)
    measured = "".join(
        f"<p class='{'' if f.passed else 'no'}'><span class='on'>{escape(f.where)}</span> "
        f"{_signs(f.figure)}</p>"
        for f in group
    )
    limits = "".join(f"<p>{_signs(limit)}</p>" for limit in dict.fromkeys(f.limit for f in group))
    return (
        f"<tr class='{'' if passed else 'fails'}'><td>{group[0].id}</td><td>{escape(group[0].name)}"
        f"<p class='small'>{escape(SENTENCES[group[0].id])}</p></td><td>{measured}</td><td>{limits}</td>"
        f"<td class='{'ok' if passed else 'no'}'>{'holds' if passed else 'FAILS'}</td></tr>"
    )


def _signs(text: str) -> str:
    return escape(text.replace(">=", "≥").replace("<=", "≤"))


def _verdict(result: CheckResult) -> str:
    return "holds" if result.passed else "FAILS"


def _figures(result: CheckResult) -> str:
    return "".join(
        f"<figure><img alt='' src='data:image/png;base64,{_png(picture)}'>"
        f"<figcaption>{result.id} {escape(NAMES[result.id])}: {escape(title)}</figcaption></figure>"
        for title, picture in result.pictures
    )


def _png(picture: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray((picture.clip(0, 1) * 255).astype(np.uint8)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()
