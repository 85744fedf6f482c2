"""Every code block of the README and the docs is run, or says why not; the site builds without a warning.

A block marked ``python`` or ``sh`` is run, in the order of its page, in one folder and one namespace for each page. One
that must not be run has a comment before it: ``<!-- not run: why -->``. A block with ``title="name"`` and another
language is a file of that name. Blocks without a language are output.
"""

from __future__ import annotations

import os
import pkgutil
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

from dtopt.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<before>[^\n]*)\n+```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
RUN, FILES = {"python", "sh"}, {"csv", "toml", "json"}


@dataclass(frozen=True)
class Block:
    language: str
    title: str
    body: str
    line: int
    reason: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = "\n" + page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        language, _, rest = match["info"].strip().partition(" ")
        title = re.search(r'title="([^"]*)"', rest)
        reason = re.fullmatch(r"<!-- not run(?: here)?: (.+) -->", match["before"].strip())
        line = text.count("\n", 0, match.start("info"))
        found.append(Block(language, title[1] if title else "", match["body"], line, reason[1] if reason else ""))
    return found


def _shell(body: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run lines of `dtopt` in this process, which has everything loaded, and all others in a shell."""
    for line in body.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] != "dtopt":
            subprocess.run(["bash", "-ec", line], check=True, capture_output=True)
            continue
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0, f"{line}\n{capsys.readouterr().err}"


def test_blocks_say_what_they_are() -> None:
    for page in PAGES:
        for block in blocks(page):
            where = f"{page.relative_to(ROOT)}:{block.line}"
            assert block.language in RUN | FILES | {"", "text"}, where
            looks = re.search(r"^(dtopt|pip|make|python) ", block.body, re.MULTILINE)
            assert not (block.language == "" and looks), f"{where}: commands are to be marked sh"


def test_the_plug_in_that_is_shown_is_the_one_that_is_tested() -> None:
    shown = {b.title: b.body for b in blocks(ROOT / "docs" / "howto" / "plugin.md") if b.title}
    assert set(shown) == {"dtopt_random_descent/__init__.py", "pyproject.toml"}
    for name, body in shown.items():
        assert body == (ROOT / "examples" / "plugin" / name).read_text()


def test_the_model_page_has_every_equation_and_its_code() -> None:
    table = (
        (ROOT / "docs" / "model.md").read_text(encoding="utf-8").partition("## Equations")[2].partition("\n\nEach")[0]
    )
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| (")]
    numbers = set()
    for first, *_ in rows:
        found = [int(n) for n in re.findall(r"\((\d+)[a-e]?\)", first)]
        numbers |= set(range(found[0], found[-1] + 1)) if "–" in first else set(found)
    assert numbers == set(range(1, 35))
    named = [name for *_, code in rows for name in re.findall(r"`((?:dtopt|solvers)\.[\w.]+)`", code)]
    assert len(named) >= 10
    for name in named:
        pkgutil.resolve_name(name)


@pytest.mark.parametrize(
    "page",
    [p for p in PAGES if any(b.language in RUN and not b.reason for b in blocks(p))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_code_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.reason:
            continue
        if block.title and block.language in FILES:
            Path(block.title).write_text(block.body)
        elif block.language == "python":
            exec(compile("\n" * block.line + block.body, str(page), "exec"), names)
        elif block.language == "sh":
            try:
                _shell(block.body, capsys, monkeypatch)
            except (AssertionError, subprocess.CalledProcessError) as error:
                raise AssertionError(f"{where}: {error}") from error


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("material")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    _holds_the_committed_report(tmp_path)
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    # Nothing is fetched from elsewhere when a page is read.
    for path in pages:
        for tag in re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"(https?:[^\"]+)\"", path.read_text()):
            assert "stylesheet" not in tag
            assert tag.startswith("https://") is False, (path.name, tag)


def _holds_the_committed_report(site: Path) -> None:
    """Check that the page holds every figure of the report, and every file that it shows or links to."""
    source = ROOT / "reports" / "committed"
    html = (site / "committed.html").read_text(encoding="utf-8")
    text = unescape(re.sub("<[^>]+>", "", html.partition("<article")[2].partition("</article")[0]))
    assert "\\" not in text.replace("\\input", "")
    cells = [unescape(re.sub("<[^>]+>", "", c)).strip() for c in re.findall(r"<td[^>]*>(.*?)</td>", html, re.DOTALL)]
    lines = (source / "report.md").read_text(encoding="utf-8").splitlines()
    rows = [
        line.strip("| ").replace("**", "").replace("\\", "").split(" | ") for line in lines if line.startswith("| ")
    ]
    expected = [cell for row in rows if row[0] not in {"solver", "---"} for cell in row]
    assert len(expected) > 400
    assert [cell for cell in cells if cell in set(expected)][-len(expected) :] == expected
    for name in ("profile-time.svg", "gaps.svg", "summary.csv", "tables.tex", "full.toml"):
        assert f'"committed/{name}"' in html
        assert (site / "committed" / name).read_bytes() == (source / name).read_bytes()
