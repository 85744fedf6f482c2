"""The paper's figures: what is said follows from the numbers, and a small run goes through from end to end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reports.paper_figures import TITLES, draw, write_page
from reports.reproduction import Measured, measure, said
from solvers.maddpg.training import Config


def made(users, stations, *, cost=(2.0, 1.0), seconds=100.0, steps=(2.0, 1.0), ours=1.0, nearest=1.5, bound=0.99):
    """Numbers as a run could have given them, with two iterations and two steps."""
    return Measured(
        users,
        stations,
        2,
        cost=list(cost),
        cumulative=[cost[0], sum(cost)],
        seconds=[seconds / 2, seconds],
        steps=list(steps),
        decided=[ours, ours],
        first=[ours, ours],
        nearest=[nearest, nearest],
        random=[2.0, 2.0],
        bound=[bound, bound],
        uncontrollable=[0.5, 0.5],
        latency={"maddpg": ours, "nearest": nearest, "random": 2.0},
    )


def test_growth_of_the_training_time_stands_beside_the_papers():
    sizes = [
        made(100, 5, seconds=100),
        made(100, 10, seconds=130),
        made(80, 5, seconds=90),
        made(80, 10, seconds=117),
    ]
    text = said(sizes)["10"]
    assert "M 5 to 10 at N=100: +30 %, the paper +95 %" in text
    assert "M 5 to 10 at N=80: +30 %, the paper +57 %" in text
    assert "N 80 to 100 at M=10: +11 %, the paper +25 %" in text
    assert "the longest run, N=100, M=10, took 130 s of CPU for 2 iterations" in text
    assert "the paper" not in said([made(7, 5), made(7, 10)])["10"].partition("; the longest")[0]


@pytest.mark.parametrize(
    ("cost", "verdict"), [((2.0, 1.0), "falls in training: agrees"), ((1.0, 2.0), "training: does not agree")]
)
def test_whether_training_lowers_the_cost_is_read_from_the_costs(cost, verdict):
    assert verdict in said([made(80, 5, cost=cost)])["7"]


def test_what_grows_the_cost_is_read_from_the_costs():
    # Here stations make it cheaper, and by more than users make it dearer.
    small, large = made(80, 5, cost=(2.0, 2.0)), made(80, 10, cost=(1.0, 1.0))
    more = made(100, 5, cost=(2.2, 2.2)), made(100, 10, cost=(1.1, 1.1))
    text = said([small, large, *more])["7"]
    assert "grows with N: agrees (+10.0 %)" in text
    assert "it grows with M: does not agree (-50.0 %)" in text
    assert "N matters more than M: does not agree" in text


def test_benchmarks_are_compared_as_they_came_out():
    text = said([made(80, 5), made(80, 10, ours=1.6)])["9"]
    assert "ess system cost than nearest: agrees 1 of 2 (-33.3 % to +6.7 %)" in text
    assert "less total time than nearest: agrees 1 of 2" in text
    assert "less total time than random: agrees (" in text
    assert "the agents minimise the system cost (26)" in text
    assert "the agents minimise" not in said([made(80, 5)])["9"]
    assert "gap to the proven bound is 1.0 % to 38.1 %, 2.0 % to 55.5 % of what decisions change" in text


def test_ten_steps_are_held_against_all():
    early = made(80, 5, steps=[2.0] + [1.0] * 24)
    late = replace(early, steps=[2.0] * 20 + [1.0] * 5)
    assert "25 do, to within 5 % of the whole fall: agrees" in said([early])["8"]
    assert "whole fall: does not agree" in said([late])["8"]


def test_figures_draw_the_numbers(tmp_path):
    sizes = [made(80, 5), made(80, 10, seconds=130)]
    lines = draw(sizes, "10").axes[0].get_lines()
    assert [line.get_ydata()[-1] for line in lines] == [100, 130]
    assert [line.get_label() for line in lines] == ["N=80, M=5", "N=80, M=10"]
    files = write_page(sizes, tmp_path / "page")
    assert all(path.stat().st_size > 0 for path in files)
    assert len(files) == 2 * len(TITLES) + 1
    page = files[-1].read_text()
    for number, sentence in said(sizes).items():
        assert f"figure-{number}.svg" in page
        assert sentence.partition("(")[0].replace("'", "&#x27;") in page


def test_a_run_is_measured_and_taken_up_again(tmp_path):
    config = Config(iterations=4, users=5, stations=3, states=2, slots=2)
    first = measure(config, tmp_path / "run", states=3)
    assert len(first.cost) == len(first.seconds) == 4
    assert len(first.steps) == 25
    for ours, first_step, bound in zip(first.decided, first.first, first.bound, strict=True):
        assert bound <= ours <= first_step
    steps = []
    again = measure(config, tmp_path / "run", states=3, on_step=lambda *step: steps.append(step))
    assert not steps
    assert again == first
    assert json.loads((tmp_path / "run" / "measured.json").read_text())["users"] == 5
