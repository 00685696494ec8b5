"""Showing scans and views to people: display of slices, contact sheets and descriptions."""
