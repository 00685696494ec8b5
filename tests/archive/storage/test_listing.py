"""A listing holds the files of a walk in columns."""

from __future__ import annotations

import os
from itertools import product

import pyarrow as pa

from medcl.archive.storage.listing import STAMP, Listing
from medcl.archive.storage.walk import Entry, Root


def test_a_listing_gives_back_what_the_walk_found() -> None:
    roots = [Root("/a", "a"), Root("/b", "b")]
    names = [os.fsdecode(b"\xff.dcm"), "\u00e9.nii", "plain"]
    entries = [
        Entry(root, f"{root.path}/{name}", 2**40 + n, n, "SYMLINK" * (n % 2), 2**62)
        for n, (root, name) in enumerate(product(roots, names))
    ]
    listing = Listing(entries)
    assert [listing[number] for number in range(len(listing))] == entries
    stamps = [listing.stamp(number) for number in (4, 1)]
    assert listing.numbers(pa.chunked_array([stamps, [bytes(16)]], STAMP)).tolist() == [4, 1, -1]
    assert listing.unknown(pa.chunked_array([stamps], STAMP)).tolist() == [0, 2, 3, 5]
    assert listing.unknown(pa.chunked_array([], STAMP)).tolist() == list(range(6))
