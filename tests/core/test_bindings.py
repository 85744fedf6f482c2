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


def test_the_core_is_that_of_its_sources():
    """Whoever changes the core and forgets to build it again would test what was there before."""
    for package in ("dtopt", "solvers"):
        sources = [p for place in ("dtopt", "solvers") for p in (ROOT / place / "core").glob("*.?pp")]
        module = __import__(f"{package}._core", fromlist=["_core"])
        if Path(module.__file__).parent == ROOT / package:
            assert Path(module.__file__).stat().st_mtime >= max(p.stat().st_mtime for p in sources), "run make build"
