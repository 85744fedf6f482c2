"""The answer in words: it names the winner, the distance and the doubt, and is true to the numbers."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from reports.publish import answer
from reports.publish.source import source
from reports.results import REJECTED_COLUMNS
from tests.reports.samples import instance, results


def made(gaps, count=8, **fields):
    """Return a report's source: by solver the gap on each of `count` instances whose best known is 100."""
    instances = [instance(f"s/{i}", best_known=100.0, **fields.get("instance", {})) for i in range(count)]
    rows = []
    for solver, gap in gaps.items():
        for i in range(count):
            value = gap(i) if callable(gap) else gap
            objective = math.nan if value is None else 100.0 * (1 + value)
            trace = () if value is None else ((0.5, objective),)
            rows.append({"instance": f"s/{i}", "solver": solver, "objective": objective, "trace": trace})
    return source(results(instances, rows, **{k: v for k, v in fields.items() if k != "instance"}))


def test_a_sure_winner_is_named_with_distance_and_p():
    found = made({"good": 0.0, "bad": lambda i: 0.25 + 0.01 * i})
    head = answer.headline(found)
    assert head.startswith("good is best on P1 placement: at the best known on average, next bad ")
    assert "cannot" not in head
    assert "p = 0.0078" in head  # 2 of the 2^8 sign patterns
    told = " ".join(answer.verdict(found.rankings[0]))
    assert "all of good's runs reach it" in told
    assert "better on 0, worse on 8 of 8 instances" in told
    assert "cannot tell" not in told


def test_doubt_is_told():
    found = made({"a": lambda i: 0.01 * (i % 2), "b": lambda i: 0.012 * ((i + 1) % 2)})
    head = answer.headline(found)
    assert "a is ahead on P1 placement" in head
    assert "not surely: the test cannot tell b (" in head
    assert "best:" not in " ".join(answer.verdict(found.rankings[0]))
    assert "The test cannot tell b from it" in " ".join(answer.verdict(found.rankings[0]))


def test_too_few_instances_are_said_to_be():
    found = made({"a": 0.0, "b": 0.5}, count=3)
    assert "3 instances are too few to tell 2 solvers apart" in " ".join(answer.verdict(found.rankings[0]))


def test_equals_are_level_and_the_sooner_is_named():
    found = made({"x": 0.0, "y": 0.0, "z": 0.1})
    head = answer.headline(found)
    assert "x and y are level on P1 placement" in head
    assert "soonest" in head


def test_a_solver_alone_is_not_called_a_winner():
    head = answer.headline(made({"x": 0.1}))
    assert head == "x, alone on P1 placement, ends 9.1 % off the best known on average."
    assert answer.verdict(made({"x": 0.1}).rankings[0])[-1].startswith("Its primal integral")


def test_nothing_found_is_said():
    assert answer.headline(source(results([instance("s/a")], []))).startswith("No run found a solution")
    found = source(results([instance("s/a")], [{"instance": "s/a", "solver": "x"}]))
    assert answer.headline(found).startswith("No run found a solution")


def test_the_slower_winner_is_not_called_soonest():
    instances = [instance(f"s/{i}", best_known=100.0) for i in range(8)]
    rows = [
        {"instance": f"s/{i}", "solver": solver, "objective": value, "trace": ((time, value),)}
        for i in range(8)
        for solver, value, time in (("slow", 100.0, 9.0), ("fast", 101.0, 0.1))
    ]
    told = " ".join(answer.verdict(source(results(instances, rows)).rankings[0]))
    assert "slow is best" in told
    assert "Soonest near the best known is fast" in told


def test_a_limit_that_few_instances_ran_is_not_the_headline():
    instances = [instance(f"s/{i}", best_known=100.0) for i in range(8)]
    rows = [{"instance": f"s/{i}", "solver": "a", "objective": 100.0, "time_limit": 1.0} for i in range(8)]
    rows.append({"instance": "s/0", "solver": "a", "objective": 100.0, "time_limit": 10.0})
    found = source(results(instances, rows))
    assert [ranking.group.time_limit for ranking in found.rankings] == [10.0, 1.0]
    assert [ranking.group.time_limit for ranking in found.first_rankings] == [1.0]
    assert "95 %" not in answer.verdict(found.rankings[0])[0]


def test_rejected_rows_are_named():
    row = ("other.sqlite", "k1", "s/1", "x", "3", "its checksum is wrong")
    rejected = pd.DataFrame([row], columns=list(REJECTED_COLUMNS))
    assert answer.left_out(made({"x": 0.0}, rejected=rejected)) == [
        "other.sqlite: s/1, x, seed 3: its checksum is wrong"
    ]


@pytest.mark.parametrize(
    ("p", "text"), [(0.2345, "p = 0.23"), (0.0001, "p < 0.001"), (1.0, "p = 1"), (math.nan, "p unknown")]
)
def test_p_values(p, text):
    assert answer.p_value(p) == text


def test_intervals_of_either_sign():
    assert answer.interval(-0.01, 0.02) == "−1 % to 2 %"
    assert answer.interval(0.0, 0.0) == "0 % to 0 %"
    assert answer.interval(math.nan, 0.0) == "–"
