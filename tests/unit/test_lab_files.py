"""What files are like: every way in which a file can come back wrong is seen."""

import os

import pytest

from gatepost.lab.files import changed_files, state


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "main.cf").write_text("a = b\n")
    (tmp_path / "master.cf").write_text("smtp inet\n")
    (tmp_path / "main.cf").chmod(0o644)
    return tmp_path


def test_nothing_changed(folder):
    assert changed_files(state(folder), state(folder)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("a = c\n"),
        lambda path: path.chmod(0o640),
        lambda path: path.unlink(),
    ],
    ids=["octets", "mode", "gone"],
)
def test_a_change_is_seen(folder, change):
    before = state(folder)
    change(folder / "main.cf")
    assert changed_files(before, state(folder)) == ["main.cf"]


def test_a_new_file_is_seen(folder):
    before = state(folder)
    (folder / "main.cf.new").write_text("")
    assert changed_files(before, state(folder)) == ["main.cf.new"]


def test_another_owner_is_seen(folder):
    before = state(folder)
    facts = before["main.cf"]
    other = type(facts)(facts.sha256, facts.mode, facts.owner + 1, facts.group)
    assert changed_files(before, before | {"main.cf": other}) == ["main.cf"]


def test_files_beside_the_folder_are_looked_at_too(folder):
    beside = folder / "etc"
    beside.mkdir()
    (beside / "gatepost.toml").write_text("")
    assert set(state(folder, beside / "gatepost.toml")) == {"main.cf", "master.cf", "gatepost.toml"}
    assert state(folder)["main.cf"].owner == os.getuid()
