"""The review app: `medcl review STUDY [--store STORE]` serves it on this machine.

By hand: `streamlit run apps/review/app.py -- --study STUDY [--store STORE]`. Folders are named at the start
and nowhere else; the app reads them and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import streamlit as st

# Streamlit adds the folder of this file alone, and runs the file again after every choice of the reader.
sys.path.extend({str(Path(__file__).resolve().parents[2])}.difference(sys.path))

from apps.review import cases, results
from apps.review.cache import load_store, load_study
from apps.review.page import problem, show
from medcl.errors import MedclError
from medcl.review.html import RESEARCH, STYLE, SYNTHETIC


def main() -> None:
    """Show the page that the reader selected."""
    st.set_page_config(page_title="medcl review", layout="wide")
    st.html(STYLE)
    args = _arguments()
    if args.study is None:
        problem("No study was named: start the app with 'medcl review STUDY'.")
        return
    try:
        study = load_study(args.study)
    except MedclError as error:
        problem(str(error))
        return
    store, reason = load_store(args.store)
    cases_page = st.Page(lambda: cases.show_cases(study, store, reason), title="Cases", url_path="cases")
    results_page = st.Page(
        lambda: results.show_results(study, lambda: st.switch_page(cases_page)),
        title="Results",
        url_path="results",
        default=True,
    )
    page = st.navigation([results_page, cases_page], position="top")
    if study.record.synthetic:
        show(f'<p class="synthetic">{SYNTHETIC}</p>')
    page.run()
    show(f'<p class="quiet">{RESEARCH}</p>')


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_argument("--study", type=Path)
    parser.add_argument("--store", type=Path)
    return parser.parse_known_args()[0]


main()
