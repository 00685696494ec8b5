"""Model card and data card of a study, in Markdown."""

from __future__ import annotations

import re

import jinja2

from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.report.checklists import template_values
from medcl.evaluate.study_record import StudyRecord


def model_card(record: StudyRecord, result: Evaluation) -> str:
    """Return the model card (after Mitchell 2019): use, data, performance, limits."""
    return _render("model_card.md.j2", record, result)


def data_card(record: StudyRecord, result: Evaluation) -> str:
    """Return the data card (after Gebru 2021); what a study has no record of is left open."""
    return _render("data_card.md.j2", record, result)


def _render(template: str, record: StudyRecord, result: Evaluation) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("medcl.evaluate.report"),
        undefined=jinja2.StrictUndefined,
        finalize=escape_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML: escape_markdown escapes every value
    )
    return environment.get_template(template).render(template_values(record, result))


def escape_markdown(value: object) -> object:
    """Return a text so that Markdown and HTML in it are shown, not interpreted; other values unchanged."""
    if not isinstance(value, str):
        return value
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(value.split()))
