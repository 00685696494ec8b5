"""Files, and members of containers, opened alike."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import pytest

from medcl.archive.flags import Rejected
from medcl.archive.storage.containers import container_kind, members
from medcl.archive.storage.open_file import SourceFile, member_bytes, open_dicom, open_part, without_gzip


@pytest.fixture
def container(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.txt", b"first")
        archive.writestr("deep/two.txt", gzip.compress(b"second"))
    return tmp_path / "a.zip"


def keys(path: Path) -> list[str]:
    with path.open("rb") as stream:
        kind = container_kind(stream)
        assert kind is not None
        return [member.key for member in members(stream, kind, path.stat().st_size)]


def test_a_file_and_a_member_are_read_alike(container: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"plain")
    with open_part(str(tmp_path / "plain"), "") as stream:
        assert stream.read() == b"plain"
    first, second = keys(container)
    with open_part(str(container), first) as stream:
        assert stream.read() == b"first"
    with open_dicom(str(container), second) as stream:
        assert stream.read() == b"second", "gzip is undone"
    assert member_bytes(str(container), [second, first])[first] == b"first"


def test_a_container_that_is_none_any_more_has_changed(container: Path) -> None:
    (first, _) = keys(container)
    container.write_bytes(b"something else")
    with pytest.raises(Rejected, match="CHANGED"):
        open_part(str(container), first)


def test_a_file_that_is_gone_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_part(str(tmp_path / "gone"), "")


def test_an_open_stream_is_rewound_and_left_open() -> None:
    stream = io.BytesIO(b"content")
    stream.read()
    file = SourceFile("secret/path", "1:secret", 7, 0, stream)
    for _ in range(2):
        with file.open() as opened:
            assert opened.read() == b"content"
    assert "secret" not in repr(file)


def test_gzip_is_undone_and_its_stream_closed() -> None:
    plain, packed = io.BytesIO(b"plain"), io.BytesIO(gzip.compress(b"packed"))
    assert without_gzip(plain) is plain
    assert without_gzip(packed).read() == b"packed"
    assert packed.closed
    with pytest.raises(Rejected, match="TRUNCATED"):
        without_gzip(io.BytesIO(gzip.compress(b"packed")[:-6]))
