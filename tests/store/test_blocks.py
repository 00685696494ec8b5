from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medcl.errors import UsageError
from medcl.store import blocks
from medcl.store.blocks import MOST_OPEN, OpenShards, ShardReader, shard_path, slices_per_block, writing_shard

VOLUME = np.random.default_rng(0).integers(-1000, 2000, (40, 64, 48)).astype(np.int16)


def written(folder: Path, arrays: list[np.ndarray], codec: blocks.Codec) -> tuple[ShardReader, list[int]]:
    with writing_shard(folder / "0000000") as writer:
        first = [writer.add(array, codec) for array in arrays]
    return ShardReader(folder / "0000000"), first


@pytest.mark.parametrize("codec", blocks.CODECS)
def test_arrays_are_read_as_they_were_written(tmp_path: Path, codec: blocks.Codec) -> None:
    if codec == "blosc2":
        pytest.importorskip("imagecodecs")
    image = np.arange(30, dtype=np.uint8).reshape(1, 5, 6)
    color = np.random.default_rng(1).random((1, 7, 5, 3)).astype(np.float32)
    arrays = [image, VOLUME, color, VOLUME > 0]
    reader, first = written(tmp_path, arrays, codec)
    for array, block in zip(arrays, first, strict=True):
        read = reader.array(block, array.shape, array.dtype, codec, (0, len(array)))
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype
        assert not read.flags.writeable


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 50), st.integers(1, 300), st.integers(1, 300)),
    st.integers(0, 49),
    st.integers(1, 50),
    st.sampled_from(["raw", "zlib"]),
)
def test_any_slices_alone_are_right(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int],
    start: int,
    count: int,
    codec: blocks.Codec,
) -> None:
    array = np.random.default_rng(2).integers(0, 255, shape, np.uint8)
    start = min(start, shape[0] - 1)
    stop = min(start + count, shape[0])
    reader, (first,) = written(tmp_path_factory.mktemp("shard"), [array], codec)
    read = reader.array(first, shape, array.dtype, codec, (start, stop))
    np.testing.assert_array_equal(read[start:stop], array[start:stop])


def test_a_slice_of_a_large_volume_is_a_block_and_small_slices_share_one() -> None:
    assert slices_per_block((300, 512, 512), 2) == 1
    assert slices_per_block((35, 50, 35), 2) == 2**16 // (50 * 35 * 2)
    assert slices_per_block((1, 4000, 4000), 2) == 1


@pytest.mark.parametrize("codec", ["raw", "zlib"])
def test_every_flipped_bit_is_noticed_when_it_is_read(tmp_path: Path, codec: blocks.Codec) -> None:
    reader, (first,) = written(tmp_path, [VOLUME], codec)
    del reader
    path = tmp_path / "0000000.bin"
    whole = path.read_bytes()
    for place in np.random.default_rng(3).integers(0, len(whole) * 8, 60):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        reader = ShardReader(tmp_path / "0000000")
        with pytest.raises(UsageError, match=r"0000000\.bin: block \d+ is damaged"):
            reader.array(first, VOLUME.shape, VOLUME.dtype, codec, (0, len(VOLUME)))


def test_damage_elsewhere_does_not_stop_a_read(tmp_path: Path) -> None:
    written(tmp_path, [VOLUME], "raw")
    path = tmp_path / "0000000.bin"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    reader = ShardReader(tmp_path / "0000000")
    step = slices_per_block(VOLUME.shape, 2)
    read = reader.array(0, VOLUME.shape, VOLUME.dtype, "raw", (0, len(VOLUME) - step))
    np.testing.assert_array_equal(read[:-step], VOLUME[:-step])
    with pytest.raises(UsageError, match="damaged"):
        reader.page_in(0, VOLUME.shape, VOLUME.dtype, (0, len(VOLUME)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: os.truncate(path.with_suffix(".bin"), 1000), "is cut"),
        (lambda path: path.with_suffix(".bin").unlink(), "cannot be read"),
        (lambda path: path.with_suffix(".blocks.npy").unlink(), "cannot be read"),
        (lambda path: path.with_suffix(".blocks.npy").write_bytes(b"no table"), "cannot be read"),
        (lambda path: path.with_suffix(".blocks.npy").write_bytes(b""), "cannot be read"),
    ],
)
def test_a_damaged_shard_is_named_with_what_to_do(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    written(tmp_path, [VOLUME], "raw")
    damage(tmp_path / "0000000")
    with pytest.raises(UsageError, match=message) as error:
        ShardReader(tmp_path / "0000000")
    assert "0000000.bin" in str(error.value)
    assert "copy the store again" in str(error.value)


def test_an_interrupted_shard_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with writing_shard(tmp_path / "0000000") as writer:
            writer.add(VOLUME, "raw")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert not list(tmp_path.iterdir())


def test_open_files_are_bounded_and_arrays_outlive_their_shard(tmp_path: Path) -> None:
    many = 3 * MOST_OPEN
    for number in range(many):
        path = shard_path(tmp_path, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_shard(path) as writer:
            writer.add(np.full((1, 4, 4), number % 256, np.uint8), "raw")
    shards = OpenShards(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + MOST_OPEN + 16, hard))
    try:
        early = shards[0].array(0, (1, 4, 4), np.dtype(np.uint8), "raw", (0, 1))
        for number in range(many):
            array = shards[number].array(0, (1, 4, 4), np.dtype(np.uint8), "raw", (0, 1))
            assert (array == number % 256).all()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(os.listdir("/proc/self/fd")) - before <= MOST_OPEN + 1
    assert (early == 0).all()


def test_a_thousand_shards_share_a_folder(tmp_path: Path) -> None:
    assert shard_path(tmp_path, 12).relative_to(tmp_path).as_posix() == "arrays/0000/0000012"
    assert shard_path(tmp_path, 1_234_567).relative_to(tmp_path).as_posix() == "arrays/1234/1234567"
