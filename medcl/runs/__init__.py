"""Run folders, provenance, locks and polite stopping."""
