"""Templates of the pages."""

from __future__ import annotations

import jinja2


def page_template(name: str) -> jinja2.Template:
    """Return a template of this package, which escapes every value and refuses unknown names."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("medcl.evaluate.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
