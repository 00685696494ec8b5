"""Which links are followed, and under which of its names a file is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medcl.archive.storage.links import Links, broken_link_fault, children, is_annexed, link_target


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return a folder with a file under a key, beside a folder that is outside of it."""
    (tmp_path / "archive" / "keys").mkdir(parents=True)
    (tmp_path / "archive" / "keys" / "0a1b").write_bytes(b"image")
    (tmp_path / "outside" / "deep").mkdir(parents=True)
    (tmp_path / "outside" / "deep" / "image.nii").write_bytes(b"other")
    return tmp_path / "archive"


def is_named(links: Links, path: Path) -> bool:
    return links.is_named(str(path), path.stat())


def test_a_file_is_read_under_the_first_of_its_links(archive: Path) -> None:
    for name in ("two.nii", "one.nii"):
        (archive / name).symlink_to("keys/0a1b")
    links = Links([str(archive)])
    names = [archive / "one.nii", archive / "two.nii", archive / "keys" / "0a1b"]
    assert [is_named(links, name) for name in names] == [True, False, False]


def test_of_hard_links_the_first_that_is_asked_for_is_read(archive: Path) -> None:
    os.link(archive / "keys" / "0a1b", archive / "copy")
    links = Links([str(archive)])
    assert is_named(links, archive / "copy")
    assert not is_named(links, archive / "keys" / "0a1b")


def test_a_folder_is_walked_through_the_first_of_its_links(archive: Path) -> None:
    (archive / "a").symlink_to(archive.parent / "outside")
    (archive / "b").symlink_to(archive.parent / "outside")
    links = Links([str(archive)])
    assert links.followed == {str(archive / "a")}
    assert links.faults == {str(archive / "b"): "LINK_REPEATED"}
    assert is_named(links, archive / "a" / "deep" / "image.nii")


@pytest.mark.parametrize("target", ["..", ".", "../.."])
def test_a_link_to_a_folder_around_it_is_a_loop(archive: Path, target: str) -> None:
    (archive / "keys" / "up").symlink_to(target)
    links = Links([str(archive)])
    assert links.followed == set()
    assert links.faults == {str(archive / "keys" / "up"): "LINK_LOOP"}


def test_links_in_a_linked_folder_are_followed_as_well_but_not_back_into_it(archive: Path) -> None:
    (archive / "a").symlink_to(archive.parent / "outside")
    (archive.parent / "outside" / "inner").symlink_to(archive / "keys")
    (archive.parent / "outside" / "deep" / "back").symlink_to("..")
    links = Links([str(archive)])
    assert links.followed == {str(archive / "a"), str(archive / "a" / "inner")}
    assert links.faults == {str(archive / "a" / "deep" / "back"): "LINK_LOOP"}
    assert is_named(links, archive / "a" / "inner" / "0a1b")


def test_a_broken_link_says_whether_git_annex_can_fetch_it(archive: Path) -> None:
    (archive / "annexed").symlink_to(".git/annex/objects/aB/cD/key/key")
    (archive / "dangling").symlink_to("nowhere")
    links = Links([str(archive)])
    assert (links.followed, links.faults) == (set(), {})
    assert broken_link_fault(str(archive / "annexed")) == "ANNEX_NOT_FETCHED"
    assert broken_link_fault(str(archive / "dangling")) == "LINK_DANGLING"
    assert not is_annexed(str(archive / "keys"))


def test_the_target_names_a_file_unless_it_is_a_key(archive: Path) -> None:
    outside = archive.parent / "outside" / "deep" / "image.nii"
    (archive / "link").symlink_to(outside)
    assert link_target(str(archive / "link")) == os.path.realpath(outside)
    (archive / "annexed").symlink_to(".git/annex/objects/aB/key")
    assert link_target(str(archive / "annexed")) == ""
    assert link_target(os.path.realpath(outside)) == ""


def test_children_are_sorted_and_a_folder_that_is_gone_has_none(archive: Path) -> None:
    for name in ("b", "a"):
        (archive / name).touch()
    entries = children(str(archive))
    assert entries is not None
    assert [entry.name for entry in entries] == ["a", "b", "keys"]
    assert children(str(archive / "absent")) is None
