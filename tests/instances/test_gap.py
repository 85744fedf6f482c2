"""Generalized-assignment files."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

from dtopt.errors import InputError, InputWarning
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from instances.gap import gap, read_gap, read_gaps

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "gap"

ONE = """ 2 3
 17 21 22
 23 16 21
  8 15 14
 15  7 23
 23 15
"""


@pytest.fixture
def one(tmp_path: Path) -> Path:
    path = tmp_path / "tiny"
    path.write_text(ONE)
    return path


def test_the_objective_is_the_sum_of_the_costs(one: Path) -> None:
    problem = read_gap(one)
    assert (problem.n_users, problem.n_stations, problem.name) == (3, 2, "tiny")
    cost = [[17, 23], [21, 16], [22, 21]]
    weight, capacity = [[8, 15], [15, 7], [14, 23]], [23, 15]
    for choice in itertools.product(range(2), repeat=3):
        evaluation = evaluate(problem, Solution(np.array(choice)))
        assert evaluation.objective == sum(cost[i][k] for i, k in enumerate(choice))
        loads = [sum(weight[i][k] for i in range(3) if choice[i] == k) for k in range(2)]
        fits = all(load <= limit for load, limit in zip(loads, capacity, strict=True))
        assert evaluation.feasible == fits


def test_profits_are_negative_costs(one: Path) -> None:
    problem = read_gap(one, maximise=True)
    assert evaluate(problem, Solution(np.array([0, 1, 0]))).objective == -(17 + 16 + 22)
    assert problem.pair_latency_s is not None
    assert problem.pair_latency_s.tolist() == [[-17, -23], [-21, -16], [-22, -21]]


@pytest.mark.parametrize(
    ("text", "costs", "demands", "cpus"),
    [
        # Negative costs, a job of weight 0, an agent of capacity 0, and a weight above every capacity.
        ("2 2 -5 2 3 -4 1 2 2 1 3 3", [[-5, 3], [2, -4]], [[1, 2], [2, 1]], [3, 3]),
        ("2 2 5 2 3 4 0 2 2 1 3 3", [[5, 3], [2, 4]], [[0, 2], [2, 1]], [3, 3]),
        ("2 2 5 2 3 4 1 2 0 0 3 0", [[5, 3], [2, 4]], [[1, 0], [2, 0]], [3, 0]),
        ("2 2 5 2 0 0 9 2 0 1 3 0.5", [[5, 0], [2, 0]], [[9, 0], [2, 1]], [3, 0.5]),
    ],
)
def test_numbers_are_taken_as_they_are(
    tmp_path: Path, text: str, costs: list[list[float]], demands: list[list[float]], cpus: list[float]
) -> None:
    path = tmp_path / "g.txt"
    path.write_text(text)
    problem = read_gap(path)
    assert problem.pair_latency_s is not None
    assert problem.demand_hz is not None
    assert problem.pair_latency_s.tolist() == costs
    assert problem.demand_hz.tolist() == demands
    assert problem.network.stations.cpu_hz.tolist() == cpus
    profits = read_gap(path, maximise=True).pair_latency_s
    assert profits is not None
    assert np.array_equal(profits, -problem.pair_latency_s)
    assert not np.signbit(profits[problem.pair_latency_s == 0]).any()


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + ONE,
        ONE.replace("2 3\n", "2 3  # agents, jobs\n", 1),
        "// five lines\n% more: 1 2 3\n! and\n" + ONE,
        "\ufeff# caf\u00e9\n" + ONE,
        ",".join(ONE.split()),
        ";".join(ONE.split()),
        "\n".join(", ".join(line.split()) for line in ONE.splitlines()),
        "\n".join("; ".join(line.split()) + " ;" for line in ONE.splitlines()),
        ONE.replace(" ", "\t"),
        ONE.replace("17", "17.0").replace("8 ", "8. "),
        ONE.replace("21", "2.1e1"),
    ],
)
def test_comments_and_separators(tmp_path: Path, one: Path, text: str) -> None:
    other = tmp_path / "other.txt"
    other.write_text(text, encoding="utf-8")
    assert read_gap(other).content_hash == read_gap(one).content_hash


def test_decimal_commas(tmp_path: Path) -> None:
    point, comma = tmp_path / "p", tmp_path / "c"
    text = "2 2\n0.5 0.25\n1 2\n0.1 0.2\n0.3 0.4\n1.5 0.7\n"
    point.write_text(text)
    for mark in (" ", ";"):
        comma.write_text(text.replace(" ", mark).replace(".", ","))
        with pytest.warns(InputWarning, match="commas are read as decimal marks"):
            assert read_gap(comma).content_hash == read_gap(point).content_hash
    # A thousand, or one and a bit: nobody can tell.
    comma.write_text("2 1\n1,234\n2,345\n1\n1\n5\n5\n")
    with pytest.raises(InputError, match="has 10 numbers"):
        read_gap(comma)


def test_a_file_with_several_problems(tmp_path: Path) -> None:
    path = tmp_path / "gap1"
    path.write_text("2\n" + ONE + "1 2\n 5 6\n 1 2\n 9\n")
    first, second = read_gaps(path)
    assert (first.name, second.name) == ("gap1-1", "gap1-2")
    assert (first.n_users, second.n_users, second.n_stations) == (3, 2, 1)
    assert evaluate(second, Solution(np.zeros(2, dtype=int))).objective == 11
    assert read_gap(path, number=2).content_hash == second.content_hash
    with pytest.raises(InputError, match="has 2 problems, there is no number 3"):
        read_gap(path, number=3)


def test_layout_of_lines_means_nothing(one: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("\r\n".join(ONE.split()))
    assert read_gap(other).content_hash == read_gap(one).content_hash


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("   \n\n", "is empty"),
        ("2 3\n1 2 x\n", "line 2: is not a number: 'x'"),
        (ONE.replace("22", "nan"), "line 2: must be finite"),
        (ONE.replace(" 23 15\n", " 23\n"), "has 15 numbers; one problem of M = 2 and N = 3 would have 16"),
        (ONE + " 5\n", "has 17 numbers; one problem of M = 2 and N = 3 would have 16"),
        ("7", "has 1 numbers"),
        ("0 0", "would have 2, and neither do 0 problems fit"),
        ("2 2.5 1 2 3", "N = 2.5"),
        (ONE.replace("  8 15", "  -2 15"), "line 4: weights must be >= 0, got -2"),
        (ONE.replace(" 23 15\n", " 23 -1\n"), "line 6: capacities must be >= 0, got -1"),
        ("2 3\n1 2 3a # x\n", "line 2: is not a number: '3a'"),
        ("2\n" + ONE + "1 2\n 5 6\n 1\n", "neither do 2 problems fit"),
        ("2\n" + ONE + "1 2\n 5 6\n 1 2\n 9 9\n", "neither do 2 problems fit"),
        ("1\n2.5 3\n 1 2 3 4 5", "neither do 1 problems fit"),
        ("1\n99999 99999\n 1 2 3 4 5", "neither do 1 problems fit"),
    ],
)
def test_garbled_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_gaps(path)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_every_truncation_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    words = ONE.split()
    for kept in range(len(words)):
        path.write_text(" ".join(words[:kept]))
        with pytest.raises(InputError):
            read_gaps(path)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_gap(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read"):
        read_gap(tmp_path)
    path = tmp_path / "binary"
    path.write_bytes(b"2 3 \xff\xfe")
    with pytest.raises(InputError, match="byte 4"):
        read_gap(path)
    with pytest.raises(InputError, match="file: is missing"):
        gap()


@pytest.mark.skipif(not DATA.is_dir(), reason="the data is not beside this checkout")
def test_published_files() -> None:
    with (DATA / "best_known.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        problem = read_gap(DATA / row["Path"])
        assert (problem.n_users, problem.n_stations) == (int(row["Item number"]), int(row["Agent number"]))
        assert problem.pair_latency_s is not None
        # The cheapest agent of each job is a bound on the best known value, and on these files not a silly one.
        floor = problem.pair_latency_s.min(axis=1).sum()
        assert 0.2 * float(row["Best known solution value"]) < floor <= float(row["Best known solution value"])
