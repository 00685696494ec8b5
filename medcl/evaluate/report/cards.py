"""The model card and the data card of a study, in Markdown."""

from __future__ import annotations

import re

import jinja2

from medcl.evaluate.evaluation import Evaluation
from medcl.evaluate.report.checklists import told_by_the_run
from medcl.evaluate.study_record import StudyRecord


def model_card(record: StudyRecord, result: Evaluation) -> str:
    """Return the model card (after Mitchell 2019): use, data, performance, limits."""
    return _write("model_card.md.j2", record, result)


def data_card(record: StudyRecord, result: Evaluation) -> str:
    """Return the data card (after Gebru 2021), with what the run cannot know left open."""
    return _write("data_card.md.j2", record, result)


def _write(template: str, record: StudyRecord, result: Evaluation) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("medcl.evaluate.report"),
        undefined=jinja2.StrictUndefined,
        finalize=as_text,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown, not HTML: as_text escapes every value
    )
    return environment.get_template(template).render(told_by_the_run(record, result))


def as_text(value: object) -> object:
    """Return a value so that Markdown and HTML in it are shown, not obeyed."""
    if not isinstance(value, str):
        return value
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(value.split()))
