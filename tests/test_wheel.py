"""The source distribution builds, the wheel builds from it, and what is installed works outside of the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("dtopt", "solvers", "instances", "reports")
#: What is made beside the sources, and not copied.
MADE = ("__pycache__", "_core*.so", "_core*.pyd")
#: Run in the new environment: entry points are found, and every kind of data file is there.
USE = """
import json, sys
import dtopt, solvers, instances, reports
from dtopt.simulation import policy_names
from instances.mobility.generate import generate_scenario
from reports.compare import compare
from reports.html import html

problem = dtopt.generate("paper", users=12, stations=3, seed=1)
learned = dtopt.solve(problem, "policy")
moving = generate_scenario("paper", users=3, stations=2, slots=2, mobility="trace")
page = html(compare({"p": problem}, ["greedy"]))
print(json.dumps({
    "files": [m.__file__ for m in (dtopt, solvers, instances, reports)],
    "solvers": dtopt.solver_names(), "policies": policy_names(), "feasible": learned.feasible,
    "slots": moving.n_slots, "page": len(page),
}))
"""


@pytest.mark.slow
def test_the_wheel_of_the_sdist_works_in_an_empty_environment(tmp_path: Path) -> None:
    source, made, fresh = tmp_path / "source", tmp_path / "made", tmp_path / "fresh"
    source.mkdir()
    made.mkdir()
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns(*MADE))
    for name in ("pyproject.toml", "CMakeLists.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = "import sys, scikit_build_core.build as b; getattr(b, 'build_' + sys.argv[1])(sys.argv[2])"
    subprocess.run([sys.executable, "-c", build, "sdist", made], cwd=source, check=True, capture_output=True)
    with tarfile.open(next(made.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    unpacked = next((tmp_path / "unpacked").iterdir())
    # Without optimisation, which would take most of the time.
    quick = {**os.environ, "SKBUILD_CMAKE_BUILD_TYPE": "Debug"}
    subprocess.run(
        [sys.executable, "-c", build, "wheel", made], cwd=unpacked, env=quick, check=True, capture_output=True
    )
    wheel = next(made.glob("*.whl"))
    shipped = {p.relative_to(ROOT).as_posix() for n in PACKAGES for p in (ROOT / n).rglob("*") if p.is_file()}
    shipped = {p for p in shipped if "__pycache__" not in p and "/core/" not in p and not p.endswith((".so", ".pyd"))}
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert shipped <= inside, "files of the packages are missing in the wheel"
    for package in ("dtopt", "solvers"):
        assert len([name for name in inside if name.startswith(f"{package}/_core.") and name.endswith(".so")]) == 1
    assert not [name for name in inside if "__pycache__" in name or name.endswith((".cpp", ".hpp"))]

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", fresh], check=True)
    python = fresh / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "-q"]
    subprocess.run([*pip, "--no-deps", "--no-index", wheel], check=True)
    libraries = next((fresh / "lib").glob("python*/site-packages"))
    # The libraries are those of this environment, without its editable dtopt: a .pth file within is not read.
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    told = subprocess.run([python, "-c", USE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert all(Path(path).is_relative_to(fresh) for path in found["files"])
    assert {"auto", "exact", "policy+ls"} <= set(found["solvers"])
    assert "lookahead" in found["policies"]
    assert found["feasible"]
    assert found["slots"] == 2
    assert found["page"] > 10_000
    command = subprocess.run([fresh / "bin" / "dtopt", "--version"], capture_output=True, text=True, check=True)
    assert command.stdout.startswith("dtopt ")
