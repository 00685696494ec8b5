"""Templates escape every value and refuse unknown names."""

from __future__ import annotations

import jinja2
import pytest

from medcl.evaluate.report.templating import page_template


def test_values_are_escaped_and_names_must_exist() -> None:
    environment = page_template("tissue.html.j2").environment
    template = environment.from_string("<b>{{ name }}</b>\n{% if name %}\nyes\n{% endif %}\n")
    assert template.render(name="<i>&'") == "<b>&lt;i&gt;&amp;&#39;</b>\nyes\n"
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        template.render(nmae="x")


def test_a_template_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(jinja2.TemplateNotFound):
        page_template("nowhere.html.j2")
