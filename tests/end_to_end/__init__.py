"""Whole ways through several packages, from files to scans and predictions."""
