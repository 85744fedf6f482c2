"""The page of the committed report, made from reports/committed/ when the site is built: never by hand.

`python docs/hooks.py` prints it.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

COMMITTED = Path(__file__).parents[1] / "reports" / "committed"
PAGE, FOLDER = "committed.md", "committed"
#: What the figures show; they are those of the first ranking.
FIGURES = {
    "profile-time.svg": "Performance profile: the share of instances on which a solver came within 0.1 % of the best "
    "known, in at most τ times as long as the solver that was there first",
    "gaps.svg": "Gap to the best known at the end: median, quartiles, and outliers as circles",
}
DOWNLOADS = {
    "summary.csv": "all figures of all tables",
    "tables.tex": "the tables for LaTeX (`\\input`, with `booktabs`)",
    "full.toml": "what was run",
}


def page() -> str:
    """Return the page: the report as it is, its figures, and the files beside it."""
    # What GitHub takes for an escape, Python-Markdown does not: bars only in tables.
    lines = (COMMITTED / "report.md").read_text(encoding="utf-8").replace("\\<", "&lt;").splitlines(keepends=True)
    report = "".join(line if line.startswith("|") else line.replace("\\|", "|") for line in lines)
    title, first, *others = report.split("\n## ")
    kind = first.partition("\n")[0]
    figures = "\n\n".join(
        f"![{text}, {kind}.]({FOLDER}/{name}){{ width=100% }}\n\n*{text}, {kind}.*" for name, text in FIGURES.items()
    )
    config = tomllib.loads((COMMITTED / "full.toml").read_text(encoding="utf-8"))
    files = "\n".join(f"| [`{name}`]({FOLDER}/{name}) | {what} |" for name, what in DOWNLOADS.items())
    made = (
        f"Made by `make report`: the suites {', '.join(f'`{s}`' for s in config['suites'])} "
        f"with {len(config['seeds'])} seed and {', '.join(f'{s:g} s' for s in config['time_limits'])} a run. "
        "What the words mean: [reports](report.md); how runs are made fair: [the runner](bench.md).\n\n"
        f"| file | what |\n|---|---|\n{files}\n"
    )
    head, _, summary = title.partition("\n")
    sections = [f"{head}\n\n{made}{summary}", f"{first.rstrip()}\n\n{figures}\n", *others]
    # Tables of so many columns need the width of the page.
    return "---\nhide: [toc]\n---\n" + "\n## ".join(sections)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Give the page and its files to MkDocs, as if they lay in docs/."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, PAGE, content=page()))
    for name in (*FIGURES, *DOWNLOADS):
        files.append(File.generated(config, f"{FOLDER}/{name}", abs_src_path=str(COMMITTED / name)))
    return files


if __name__ == "__main__":
    sys.stdout.write(page())
