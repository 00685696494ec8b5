"""Tools for testing readers of medical images: an analytic phantom and files with known faults."""
