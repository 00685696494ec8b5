"""Studies and stores, loaded once and shared by all sessions of the app."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from medcl.review import study
from medcl.review.study import Fingerprint, Study
from medcl.store import Store


def load_study(folder: Path) -> Study:
    """Return the study in `folder`, read again after a change; raises as `study.load_study`."""
    return _load_study(folder, study.fingerprint(folder))


@st.cache_resource(max_entries=4, show_spinner="Reading the study")
def _load_study(folder: Path, fingerprint: Fingerprint) -> Study:
    return study.load_study(folder)


@st.cache_resource(max_entries=2, show_spinner="Opening the store")
def load_store(folder: Path | None) -> tuple[Store | None, str]:
    """Return the store, or None and the reason."""
    return study.load_store(folder)
