"""Writing a report: one file of the kind that its name says, or a folder with everything."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dtopt.errors import InputError
from reports.publish import tables, text
from reports.publish.page import page

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dtopt.problem import Problem
    from reports.publish.source import Source
    from reports.results import Instance

    ProblemOf = Callable[[Instance], Problem]

__all__ = ["SUFFIXES", "check_target", "parquet", "write"]

#: Kinds of single files.
SUFFIXES = (".html", ".md", ".csv", ".parquet", ".tex", ".png", ".pdf", ".svg")
_FIGURES = (".png", ".pdf", ".svg")


def check_target(path: Path) -> None:
    """Raise InputError now where a report could not be written to a path: kind, library, folder.

    Raises
    ------
    InputError
    """
    if path.suffix and path.suffix.lower() not in SUFFIXES and not path.is_dir():
        raise InputError(
            f"cannot write {path.suffix!r}", where=str(path), mend=f"a folder, or a file in {', '.join(SUFFIXES)}"
        )
    if path.suffix.lower() == ".parquet":
        _arrow()


def write(source: Source, path: Path, problem_of: ProblemOf | None = None) -> tuple[list[Path], list[str]]:
    """Write a report and return the files and what was left out of it, one line each.

    A folder gets ``index.html``, ``report.md``, ``runs.csv``, ``runs.parquet``, ``summary.csv``, ``tables.tex`` and
    ``figures/``. The name ``summary.csv`` gets the rankings, every other CSV all runs. A figure's name (``gaps.pdf``,
    ``reach.png``: see `reports.publish.paper.draw`) gets that figure of the first ranking.

    Raises
    ------
    InputError
        See `check_target`; and where a figure of that name is not there.
    """
    check_target(path)
    suffix = path.suffix.lower()
    if suffix in _FIGURES and not path.is_dir():
        _one_figure(source, path)
    elif suffix == ".parquet":
        parquet(source, path)
    elif suffix in {".html", ".md", ".csv", ".tex"} and not path.is_dir():
        path.write_text(_text(source, path.name.lower(), problem_of), encoding="utf-8")
    else:
        return _folder(source, path, problem_of)
    return [path], []


def _folder(source: Source, folder: Path, problem_of: ProblemOf | None) -> tuple[list[Path], list[str]]:
    from reports.publish.paper import save

    folder.mkdir(parents=True, exist_ok=True)
    written, notes = [], []
    for name in ("index.html", "report.md", "runs.csv", "summary.csv", "tables.tex"):
        target = folder / name
        target.write_text(_text(source, name, problem_of), encoding="utf-8")
        written.append(target)
    try:
        parquet(source, folder / "runs.parquet")
        written.append(folder / "runs.parquet")
    except InputError as error:
        notes.append(f"runs.parquet is left out: {error}")
    return [*written, *save(source, folder / "figures")], notes


def _text(source: Source, name: str, problem_of: ProblemOf | None) -> str:
    if name.endswith(".html"):
        return page(source, problem_of)
    if name.endswith(".md"):
        return text.markdown(source)
    if name.endswith(".tex"):
        return text.latex(source)
    stream = io.StringIO()
    made = tables.summary_frame if name == "summary.csv" else tables.rows_frame
    made(source).to_csv(stream, index=False, lineterminator="\n")
    return stream.getvalue()


def parquet(source: Source, path: Path) -> None:
    """Write all runs as Parquet.

    Raises
    ------
    InputError
        Where pyarrow is not installed.
    """
    _arrow()
    tables.rows_frame(source).to_parquet(path, index=False)


def _arrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise InputError("Parquet needs pyarrow", mend="pip install 'dtopt[report]'") from None


def _one_figure(source: Source, path: Path) -> None:
    from reports.publish.figures import styles
    from reports.publish.paper import draw

    if not source.rankings:
        raise InputError("nothing to draw: no run found a solution", where=str(path))
    figures = draw(source, source.rankings[0], styles(sorted(set(source.scores.frame["solver"]))))
    if path.stem not in figures:
        raise InputError(f"no figure {path.stem!r}", where=str(path), mend=f"one of {', '.join(figures)}, or a folder")
    figures[path.stem].savefig(path, dpi=200)
