"""The report of a study: page, figures, tables, cards and checklists."""

from medcl.evaluate.report.write import write_report

__all__ = ["write_report"]
