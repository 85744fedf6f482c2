"""Two processes that write one file or folder: the second is told in one line, and no file is ever half."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dtopt.errors import InputError
from dtopt.io.locks import WriteLock

HOLD = "import sys; from dtopt.io.locks import WriteLock; lock = WriteLock(sys.argv[1]); print(1, flush=True); input()"
ALGORITHM = ("train", "maddpg", "--set", "iterations=1")


@pytest.fixture
def writer():
    """Return a function that starts a process which says that it writes something."""
    started = []

    def start(path):
        process = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"1\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end(process):
    process.kill()
    process.communicate()


def test_a_journal_has_one_writer(dtopt, tmp_path, writer):
    scenario, folder = tmp_path / "s.npz", tmp_path / "out"
    dtopt("scenario", "paper", "--users", 5, "--stations", 2, "--slots", 3, "-o", scenario)
    command = ("simulate", scenario, "-p", "stay", "--no-bound", "--out", folder)
    assert dtopt(*command)[0] == 0
    journal = next(folder.glob("*.jsonl"))
    whole = journal.read_bytes()
    other = writer(journal)
    for resume in (["--resume"], []):
        code, out, err = dtopt(*command, *resume)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"{journal.name}: is being written by process {other.pid} since 20" in err
        assert "wait for it, or name another file" in err
    # One that was killed holds nothing.
    end(other)
    assert dtopt(*command, "--resume")[0] == 0
    assert journal.read_bytes() == whole
    assert not list(folder.glob(".*"))


def test_a_folder_is_trained_in_by_one(dtopt, tmp_path, writer):
    folder = tmp_path / "run"
    folder.mkdir()
    other = writer(folder)
    code, out, err = dtopt(*ALGORITHM, "-o", folder)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{folder}: is being written by process {other.pid} since 20" in err
    assert "name another folder" in err
    assert [p.name for p in folder.iterdir()] == [".lock"]


def test_a_lock_ends_with_its_process_and_is_not_taken_from_a_living_one(tmp_path, writer):
    path = tmp_path / "x"
    other = writer(path)
    with pytest.raises(InputError, match=f"process {other.pid} since"):
        WriteLock(path)
    end(other)
    # Its file is still there.
    assert json.loads((tmp_path / ".x.lock").read_text())["process"] == other.pid
    with WriteLock(path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_is_always_that_of_one_writer(tmp_path):
    path = tmp_path / "solution.json"
    code = (
        "import sys; from pathlib import Path; from dtopt.io.files import save_json\n"
        "for _ in range(150): save_json({'rows': [[int(sys.argv[2])] * 9] * 900}, Path(sys.argv[1]))"
    )
    both = [subprocess.Popen([sys.executable, "-c", code, path, str(n)]) for n in range(2)]
    seen = set()
    while any(process.poll() is None for process in both):
        if path.exists():
            seen.add(str({n for row in json.loads(path.read_text())["rows"] for n in row}))
    assert [process.returncode for process in both] == [0, 0]
    assert seen <= {"{0}", "{1}"}
    assert seen
    assert [p.name for p in tmp_path.iterdir()] == ["solution.json"]
