"""A solver in a package of its own: installed beside dtopt, found, checked, run and compared; nothing here knows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dtopt.io import write
from dtopt.testing import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).parents[1] / "examples" / "plugin"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Return a function that runs Python with the plug-in installed, and gives what it prints."""
    target = tmp_path_factory.mktemp("installed")
    copy = tmp_path_factory.mktemp("source") / "plugin"
    # setuptools builds beside the source; the checkout stays as it is.
    subprocess.run(["cp", "-r", SOURCE, copy], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", target, copy], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def call(*arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def test_it_is_found_solves_and_is_compared(run: Callable[..., str], tmp_path: Path) -> None:
    instance, table = tmp_path / "p.json", tmp_path / "table.csv"
    write(tiny_problem(7, users=5, stations=3), instance)
    assert "random-descent" in run("-m", "dtopt", "solvers")
    found = json.loads(run("-m", "dtopt", "solve", instance, "-s", "random-descent", "--set", "moves=50", "--json"))
    assert found[0]["solver"] == "random-descent"
    assert found[0]["iterations"] == 50
    shown = run("-m", "dtopt", "compare", instance, "-s", "random-descent", "-s", "greedy", "--csv", table)
    assert "random-descent" in shown
    assert "random-descent" in table.read_text()


def test_it_is_benchmarked_and_reported(run: Callable[..., str], tmp_path: Path) -> None:
    instance, results, page = tmp_path / "p.json", tmp_path / "r.sqlite", tmp_path / "page.html"
    write(tiny_problem(7, users=5, stations=3), instance)
    run("-m", "dtopt", "bench", instance, "-s", "random-descent", "-s", "nearest", "--time-limit", "1", "-o", results)
    told = run("-m", "dtopt", "report", results)
    assert "random-descent" in told
    run("-m", "dtopt", "report", results, "-o", page)
    assert "random-descent" in page.read_text()


def test_it_passes_the_checks_that_its_author_runs(run: Callable[..., str]) -> None:
    run("-c", "from dtopt.testing import check_solver; check_solver('random-descent')")


def test_it_is_as_short_as_the_documentation_says() -> None:
    lines = (SOURCE / "dtopt_random_descent" / "__init__.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 30
