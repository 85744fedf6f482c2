"""The tree is as docs/architecture.md says: imports go downward only, and the page names what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
#: What each package may import of the four.
BELOW = {
    "dtopt": {"dtopt"},
    "instances": {"dtopt", "instances"},
    "solvers": {"dtopt", "solvers"},
    "reports": {"dtopt", "instances", "solvers", "reports"},
}


def imported(path: Path) -> set[str]:
    """Return all modules that a file names in an import, also those that are imported late."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("package", BELOW)
def test_imports_go_downward_only(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        if path.is_relative_to(ROOT / "dtopt" / "cli") or path.name == "__main__.py":
            continue
        names = imported(path)
        ours = {name.partition(".")[0] for name in names} & set(BELOW)
        assert ours <= BELOW[package], path
        assert not any(name.startswith("dtopt.cli") for name in names), path


def test_the_page_names_what_is_there():
    named = set(re.findall(r"`([a-z_]+/[a-zA-Z_./]*)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 50
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    parts = {f"{path.parent.relative_to(ROOT).as_posix()}/" for p in BELOW for path in (ROOT / p).glob("*/__init__.py")}
    assert sorted(parts - named) == []
