"""Damaged arguments at every binding end in a Python exception, never in a crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_damaged_calls_never_crash():
    command = [sys.executable, "-X", "faulthandler", "-W", "ignore", "-m", "tests.core.fuzz", "--calls", "600"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert int(run.stdout.split()[0]) >= 600


def test_the_stubs_are_those_of_the_bindings(tmp_path):
    pytest.importorskip("nanobind")
    for package in ("dtopt", "solvers"):
        command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", f"{package}._core", "-O", tmp_path / package]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        made = (tmp_path / package / "_core.pyi").read_text(encoding="utf-8")
        assert made == (ROOT / package / "_core.pyi").read_text(encoding="utf-8"), "run make stubs"
