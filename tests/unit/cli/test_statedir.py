"""The state directory: made, checked, claimed, emptied."""

import pathlib
import stat
import subprocess
import sys

import pytest

from lictor.cli.refusal import Refusal
from lictor.cli.statedir import StateDir, write_private


def test_it_is_made_for_its_owner_only(tmp_path):
    with StateDir(tmp_path / "a" / "b") as state:
        assert stat.S_IMODE(state.path.stat().st_mode) == 0o700
        assert (state.path / "version").read_text() == "1\n"
    assert state.path.exists()


def test_checking_changes_nothing(tmp_path):
    StateDir(tmp_path / "a" / "b").check()
    assert list(tmp_path.iterdir()) == []


def test_a_refused_start_leaves_no_directory_behind(tmp_path):
    with pytest.raises(Refusal), StateDir(tmp_path / "a" / "b") as state:
        write_private(state.path / "openrc", "x")
        raise Refusal("the address range is in use")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_start_leaves_an_empty_directory_empty(tmp_path):
    with pytest.raises(Refusal), StateDir(tmp_path) as state:
        write_private(state.path / "openrc", "x")
        raise Refusal("the address range is in use")
    assert list(tmp_path.iterdir()) == []


def test_a_refused_start_keeps_what_an_earlier_one_made(tmp_path):
    with StateDir(tmp_path) as state:
        write_private(state.path / "openrc", "x")
    with pytest.raises(Refusal), StateDir(tmp_path):
        raise Refusal("the address range is in use")
    assert (tmp_path / "openrc").read_text() == "x"


def test_a_directory_of_a_newer_release_is_refused_and_stays_as_it_is(tmp_path):
    (tmp_path / "version").write_text("7\n")
    with pytest.raises(Refusal, match="version 7, made by a newer release"):
        StateDir(tmp_path).check()
    assert [entry.name for entry in tmp_path.iterdir()] == ["version"]


def test_a_version_that_is_no_number_is_refused(tmp_path):
    (tmp_path / "version").write_text("banana\n")
    with pytest.raises(Refusal, match="'banana' instead of a number"):
        StateDir(tmp_path).check()


def test_somebody_elses_directory_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(Refusal, match="not empty and no state directory"):
        StateDir(tmp_path).check()


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="is a file"):
        StateDir(tmp_path / "file").check()


def test_a_place_that_takes_no_directory_is_refused():
    with pytest.raises(Refusal, match="not writable"):
        StateDir(pathlib.Path("/proc/lictor")).check()


def test_a_second_claim_is_refused_and_names_the_first_process(tmp_path):
    code = "import pathlib, time; from lictor.cli.statedir import StateDir;"
    code += f"StateDir(pathlib.Path({str(tmp_path)!r})).__enter__(); print('held', flush=True); time.sleep(60)"
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(Refusal, match=f"process {first.pid}"):
            StateDir(tmp_path).check()
        with pytest.raises(Refusal, match=f"process {first.pid}"), StateDir(tmp_path):
            pass
    finally:
        first.kill()
        first.communicate()


def test_emptying_removes_what_is_ours_and_names_the_rest(tmp_path):
    with StateDir(tmp_path) as state:
        (tmp_path / "lictor.db").write_text("x")
        (tmp_path / ".openrc.half-written").write_text("x")
        (tmp_path / "notes.txt").write_text("mine")
    assert state.empty() == ["notes.txt"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_emptying_removes_the_directory_when_nothing_else_is_in_it(tmp_path):
    with StateDir(tmp_path / "state") as state:
        pass
    assert state.empty() == []
    assert not state.path.exists()
    assert state.empty() == []


def test_emptying_a_mistyped_directory_removes_nothing(tmp_path):
    (tmp_path / "pki").mkdir()
    (tmp_path / "secret").write_text("not ours")
    assert StateDir(tmp_path).empty() == ["pki", "secret"]
    assert (tmp_path / "secret").read_text() == "not ours"
