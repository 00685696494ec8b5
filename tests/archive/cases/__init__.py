"""Situations from public bug reports, as `shared/cases/cases.py` beside the checkout makes them."""
