"""Style sheet, colors and escaping of the review app's HTML."""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence

from medcl.palette import BLUE, GRAY, INK, LETTER, SERIES, VERMILION

RESEARCH = "Research use only. Not a medical device; not for diagnosis or treatment."
SYNTHETIC = "Synthetic data: the patients on these pages were computed and do not exist."

STYLE = (
    "<style>\n"
    f".medcl {{--ink: {INK}; --blue: {BLUE}; --vermilion: {VERMILION}; --letter: {LETTER};"
    " --quiet: #5a6672; --line: #e3e7ea; --on-black: #d8dde2;}"
    """
.block-container {padding-top: 4.6rem; padding-bottom: 2rem; max-width: 1240px;}
.medcl h1 {font-size: 1.45rem; font-weight: 600; margin: 0; padding: 0;}
.medcl h2 {font-size: 1.05rem; font-weight: 600; margin: 0; padding: .4rem 0 0 0;}
.medcl p {margin: .2rem 0;}
.medcl .quiet {color: var(--quiet); font-size: .9rem;}
.medcl .answer {border-left: 4px solid var(--blue); padding: .5rem .9rem; background: #f3f7fa;
  font-size: 1.08rem; line-height: 1.5; margin: .3rem 0;}
.medcl .warn {border-left: 4px solid var(--vermilion); padding: .4rem .9rem;
  background: #fdf4ee; margin: .3rem 0;}
.medcl .synthetic {background: #fff7dc; border: 1px solid #e2c766; padding: .3rem .8rem; border-radius: 3px;
  font-size: .92rem;}
.medcl table {border-collapse: collapse; width: 100%; font-size: .93rem; font-variant-numeric: tabular-nums;}
.medcl th {text-align: left; font-weight: 600; border-bottom: 1.5px solid var(--ink); padding: .3rem .6rem;}
.medcl td {border-bottom: 1px solid var(--line); padding: .32rem .6rem; vertical-align: middle;}
.medcl td.key {white-space: nowrap;}
.medcl .interval {color: var(--quiet); font-size: .85rem; white-space: nowrap;}
.medcl .wide {overflow-x: auto;}
.medcl .bar {position: relative; height: .7rem; background: #e9edf0; min-width: 90px;}
.medcl .bar i {position: absolute; left: 0; top: 0; bottom: 0;}
.medcl .bar b {position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink);}
.medcl .picture {overflow-x: auto; background: #000; padding: 26px; border-radius: 3px;}
.medcl .picture .frame {position: relative; margin: 0 auto;}
.medcl .picture img {image-rendering: pixelated; max-width: none; display: block;}
.medcl .letter {position: absolute; color: var(--letter); font: 600 15px sans-serif;}
.medcl .letter.left {left: -20px; top: calc(50% - 10px);}
.medcl .letter.right {right: -20px; top: calc(50% - 10px);}
.medcl .letter.top {top: -23px; left: calc(50% - 5px);}
.medcl .letter.bottom {bottom: -23px; left: calc(50% - 5px);}
.medcl .below {color: var(--on-black); font: 13px sans-serif; margin-top: 26px; display: flex; gap: .7rem;
  align-items: center; flex-wrap: wrap;}
.medcl .scale {display: inline-block; height: 7px; border: 1.5px solid var(--on-black); border-top: none;}
</style>"""
)


def safe(value: object) -> str:
    """Return any value as text that HTML shows and does not interpret."""
    return html.escape(str(value))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as HTML; `header` and `rows` are HTML of `safe` values."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def colors(arms: Sequence[str], baseline: str, controls: Collection[str]) -> dict[str, str]:
    """Return the color of each arm: methods from the palette, the baseline dark, controls gray."""
    methods = [arm for arm in arms if arm != baseline and arm not in controls]
    of_methods = {arm: SERIES[i % len(SERIES)] for i, arm in enumerate(methods)}
    return of_methods | dict.fromkeys(controls, GRAY) | {baseline: INK}
