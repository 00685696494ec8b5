from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medcl.archive import scan_archive
from medcl.errors import UsageError
from medcl.store import Store, prepare
from medcl.store.blocks import shard_path
from medcl.views import ViewLoader, load_policy
from medcl.views.paging import PageIn, paged
from tests.views.phantoms import image_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    generator = np.random.default_rng(0)
    (tmp_path / "archive").mkdir()
    for number in range(24):
        pixels = generator.integers(0, 255, (40, 40), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "archive" / f"{number:02d}.png")
    return prepare(scan_archive([tmp_path / "archive"], tmp_path / "catalog"), tmp_path / "store")


def loader_of(store: Store) -> ViewLoader:
    return ViewLoader(store, range(len(store)), load_policy("unknown"), 16, 4, seed=0)


def test_a_store_is_paged_and_arrays_in_memory_are_not(store: Store) -> None:
    assert paged(store)
    assert not paged(image_store(2))


def test_what_is_read_ahead_is_what_is_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: set[int] = set()
    monkeypatch.setattr(store, "page_in", lambda row, box=None: ahead.add(row))
    shown = [int(row) for batch in loader_of(store) for row in batch.rows]
    assert sorted(shown) == list(range(24))
    assert ahead == set(shown)


def test_a_damaged_block_ends_the_batch_that_shows_it_with_its_file(store: Store) -> None:
    path = shard_path(store.folder, 0).with_suffix(".bin")
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"0000000\.bin: block 0 is damaged"):
        list(loader_of(Store.open(store.folder)))


def test_threads_end_with_the_block(store: Store) -> None:
    with PageIn(store) as pages:
        pages.read(loader_of(store).draw_batch(np.arange(4), 0).parts())
    assert pages._pool._shutdown
