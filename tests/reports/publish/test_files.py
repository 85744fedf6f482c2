"""Markdown, LaTeX, CSV, Parquet, figures and the README's table: true to the rankings, and safe from names."""

from __future__ import annotations

import re
import sys

import pandas as pd
import pytest

from dtopt.errors import InputError
from reports import readme
from reports.publish import tables
from reports.publish.source import source
from reports.publish.text import latex, markdown
from reports.publish.write import check_target, write
from reports.words import percent
from tests.reports.samples import instance, results

EVIL = "a|b_c*<i>&%$#{}~^\\x"


def test_the_summary_is_that_of_the_ranking(sample):
    ranking = sample[0].rankings[0]
    table = tables.summary(ranking)
    assert [row[0].text for row in table.rows] == list(ranking.solvers)
    assert all(len(row) == len(table.headings) for row in table.rows)
    column = table.headings.index("gap to best known")
    assert [row[column].value for row in table.rows] == ranking.table["primal_gap"].tolist()
    assert table.best[0]
    column = table.headings.index("controllable gap to best known")
    assert [row[column].value for row in table.rows] == ranking.table["controllable_primal_gap"].tolist()
    column = table.headings.index("controllable gap to bound")
    assert [row[column].value for row in table.rows] == ranking.table["controllable_gap_to_bound"].tolist()
    assert tables.suites(ranking).headings == ("solver", "even", "odd")
    assert tables.suites(ranking, controllable=True).headings == ("solver", "even", "odd")
    assert [row[0].text for row in tables.pairs(ranking).rows] == list(ranking.solvers[1:])


def test_markdown_and_latex_hold_every_solver(sample):
    made = sample[0]
    text, tex = markdown(made), latex(made)
    for ranking in made.rankings:
        assert f"## {ranking.group.name}" in text
        for name in ranking.solvers:
            assert name in text
            assert name in tex
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines[:5]} == {lines[0].count("|")}
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") == tex.count(r"\toprule") == 6
    assert tex.count("{") - tex.count(r"\{") == tex.count("}") - tex.count(r"\}")
    assert not re.search(r"(?<!\\)%(?! needs|\n)", tex)


def test_names_do_no_harm_in_markdown_and_latex():
    made = source(results([instance("s/a")], [{"instance": "s/a", "solver": EVIL, "objective": 1.0}]))
    row = next(line for line in markdown(made).splitlines() if line.startswith("| **a"))
    assert re.sub(r"\\.", "", row).count("|") == 17
    assert (
        r"a|b\_c*\textless{}i\textgreater{}\&\%\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}x"
        in latex(made)
    )


def test_a_folder_gets_everything(sample, tmp_path):
    made, problems = sample
    written, notes = write(made, tmp_path / "out", lambda one: problems[one.label])
    names = {path.relative_to(tmp_path / "out").as_posix() for path in written}
    assert {"index.html", "report.md", "runs.csv", "tables.tex", "summary.csv"} <= names
    for name in ("profile-time", "profile-quality", "reach", "integral", "gaps", "controllable-gaps"):
        for kind in ("png", "pdf", "svg"):
            assert f"figures/{name}-placement-2s.{kind}" in names
            assert f"figures/{name}-migration-2s.{kind}" in names
    assert all(path.stat().st_size > 100 for path in written)
    assert ("runs.parquet" in names) != any("pyarrow" in note for note in notes)
    frame = pd.read_csv(tmp_path / "out" / "runs.csv")
    assert len(frame) == len(made.results.runs)
    assert frame["objective"].tolist() == pytest.approx(made.results.runs["objective"].tolist(), rel=1e-14)
    assert not {"trace", "association"} & set(frame.columns)
    # More than the gap of the whole: part of each objective is radio and energy.
    worse = frame[frame["gap"] > 1e-6]
    assert len(worse)
    assert (worse["controllable_gap"] > worse["gap"]).all()
    ours = (worse["objective"] - worse["best_bound"]).abs()
    ours /= (worse["objective"] - worse["uncontrollable_objective"]).abs()
    assert worse["controllable_gap"].tolist() == pytest.approx(ours.tolist(), rel=1e-9)


def test_figures_are_the_same_for_the_same_results(sample, tmp_path):
    made = sample[0]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(made, tmp_path / name / "gaps.png")
    assert (tmp_path / "a/gaps.png").read_bytes() == (tmp_path / "b/gaps.png").read_bytes()


def test_parquet_has_all_rows(sample, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is an optional extra")
    write(sample[0], tmp_path / "runs.parquet")
    assert len(pd.read_parquet(tmp_path / "runs.parquet")) == len(sample[0].results.runs)


def test_what_cannot_be_written_is_told_first(sample, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'dtopt\[report\]'"):
        check_target(tmp_path / "runs.parquet")
    with pytest.raises(InputError, match=r"\.docx.*a folder, or a file in"):
        check_target(tmp_path / "report.docx")
    with pytest.raises(InputError, match=r"no figure 'other'.*gaps"):
        write(sample[0], tmp_path / "other.pdf")


def test_the_readme_table_is_written_between_its_markers(sample, tmp_path):
    summary, page = tmp_path / "summary.csv", tmp_path / "README.md"
    tables.summary_frame(sample[0]).to_csv(summary, index=False)
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    assert readme.main([str(page), str(summary)]) == 0
    text = page.read_text()
    assert text.startswith(f"before\n{readme.BEGIN}\n")
    assert text.endswith(f"{readme.END}\nafter\n")
    assert "old" not in text
    best = sample[0].rankings[0].table.iloc[0]
    assert f"| `{best['solver']}` |" in text
    assert f"{100 * best['at_best']:.3g} %" in text
    assert not readme.update(page, summary)  # again changes nothing
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    part = percent(best["controllable_primal_gap"])
    assert rows[0][2] == part != "–"
    # A summary from before there was a controllable gap has dashes there.
    old = pd.read_csv(summary)
    old.drop(columns=["controllable_primal_gap", "controllable_gap_to_bound"]).to_csv(summary, index=False)
    assert readme.update(page, summary)
    assert [line.split(" | ")[2] for line in page.read_text().splitlines() if line.startswith("| `")] == ["–"] * len(
        rows
    )


def test_a_readme_without_markers_is_left_alone(sample, tmp_path, capsys):
    summary, page = tmp_path / "summary.csv", tmp_path / "README.md"
    tables.summary_frame(sample[0]).to_csv(summary, index=False)
    page.write_text("text\n")
    assert readme.main([str(page), str(summary)]) == 2
    assert page.read_text() == "text\n"
    assert "two markers" in capsys.readouterr().err
    summary.write_text("a,b\n1,2\n")
    page.write_text(f"{readme.BEGIN}\n{readme.END}\n")
    assert readme.main([str(page), str(summary)]) == 2
    assert "lacks the columns" in capsys.readouterr().err
