"""Tools for testing readers of medical images: an analytic phantom and the traps built from it."""
