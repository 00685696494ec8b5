"""Showing HTML on a page: values from files reach it only through `safe`, which escapes them."""

from __future__ import annotations

import streamlit as st

from medcl.review.html import safe


def show(content: str) -> None:
    """Show HTML made by this app; every value in it must have gone through `safe`."""
    st.html(f'<div class="medcl">{content}</div>')


def problem(line: str) -> None:
    """Show what is wrong as one plain line."""
    show(f'<p class="warn" role="alert">{safe(line)}</p>')


def table(header: list[str], rows: list[list[str]]) -> None:
    """Show a table; `header` and `rows` are HTML made of `safe` values."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    show(f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')
