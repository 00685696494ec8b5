"""Showing HTML on a page: values from files reach it only through `safe`, which escapes them."""

from __future__ import annotations

import streamlit as st

from medcl.review.html import safe


def show(content: str) -> None:
    """Show HTML made by this app; every value in it must have gone through `safe`."""
    st.html(f'<div class="medcl">{content}</div>')


def problem(line: str) -> None:
    """Show what is wrong in one line."""
    show(f'<p class="warn" role="alert">{safe(line)}</p>')
