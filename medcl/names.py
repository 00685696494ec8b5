"""Names that several packages write into tables and read from them: splits, and the baseline arm."""

from __future__ import annotations

SPLITS = ("train", "val", "test")
"""The splits, in the order in which tables show them."""

SUPERVISED = "supervised"
"""Arm that trains a network from random weights; the default baseline of a comparison."""
