"""The table as Markdown and CSV, and the sentences over it."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from dtopt.errors import UnsupportedProblemError
from reports import words
from reports.compare import compare
from reports.tables import HEADINGS, csv, display_rows, headings, markdown
from tests.reports.fakes import answering, by_hand, raising, register


@pytest.fixture
def comparison(monkeypatch):
    register(
        monkeypatch,
        good=answering([0, 1], bound=2.4),
        bad=answering([1, 1]),
        small=raising(UnsupportedProblemError("takes at most 1 user")),
    )
    return compare([by_hand("a|b"), by_hand("two")], ["bad", "good", "small"])


def test_display_rows(comparison):
    rows = display_rows(comparison)
    cells = [dict(zip(HEADINGS, row.cells, strict=True)) for row in rows[:3]]
    assert [row.best for row in rows] == [True, False, False] * 2
    assert [row.starts_instance for row in rows] == [True, False, False] * 2
    assert [c["solver"] for c in cells] == ["good", "bad", "small"]
    assert [c["objective"] for c in cells] == ["2.5", "3.5", "–"]
    assert [c["latency ms"] for c in cells] == ["2500", "3500", "–"]
    assert [c["servers"] for c in cells] == ["2/2", "1/2", "–"]
    assert [c["vs best"] for c in cells] == ["best", "+40 %", "–"]
    # No user costs less than on its best station: (1 + 2) / 2 leaves 1.5 only without the CPU; `good` proves 2.4.
    assert [c["gap to bound"] for c in cells] == ["4 %", "31.4 %", "–"]
    assert rows[2].message == "takes at most 1 user"


def test_markdown(comparison):
    text = markdown(comparison)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6
    # A bar in a name must not begin a cell.
    assert all(line.replace("\\|", "").count("|") == len(HEADINGS) + 1 for line in table)
    assert "good is best on 2 of 2 instances." in text
    assert "- two, small: takes at most 1 user" in text


def test_csv_has_all_digits_and_every_run(monkeypatch):
    register(monkeypatch, good=answering([0, 1], bound=2.1234567890123))
    comparison = compare([by_hand('with "quotes", and a comma')], ["good"], runs=2)
    frame = pd.read_csv(io.StringIO(csv(comparison)), float_precision="round_trip")
    assert frame.instance.tolist() == ['with "quotes", and a comma'] * 2
    assert frame.seed.tolist() == [0, 1]
    assert frame.bound.tolist() == [2.1234567890123] * 2
    assert headings(comparison)[-3:] == ("runs", "mean", "worst")
    assert display_rows(comparison)[0].cells[-3:] == ("2/2", "2.5", "2.5")


def test_verdict(comparison):
    text = words.verdict(comparison, "two")
    assert text.startswith("good is best with a latency of 2.5 s on 2 of 2 stations")
    assert "at most 4 % lower" in text
    assert "bad by 40 %" in text
    assert "No solution from small" in text


def test_verdict_of_a_proof_a_tie_and_nothing(monkeypatch):
    register(
        monkeypatch,
        proof=answering([0, 1], bound=2.5),
        equal=answering([1, 0]),
        none=raising(UnsupportedProblemError("no")),
    )
    tie = words.verdict(compare([by_hand()], ["proof", "equal"]), "by hand")
    assert tie.startswith("equal and proof are best")
    assert "proven optimal" in tie
    nothing = compare([by_hand()], ["none"])
    assert words.verdict(nothing, "by hand") == "No solver found a feasible solution."
    assert "No solver found" in words.headline(nothing)
    assert "| by hand | none | unsupported |" in markdown(nothing)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (0.0, "0 %"),
        (1e-8, "0 %"),
        (1.8e-5, "0.0018 %"),
        (0.0654, "6.5 %"),
        (0.4707, "47.1 %"),
        (12.0, "12x"),
        (float("inf"), "–"),
    ],
)
def test_percent(part, text):
    assert words.percent(part) == text
