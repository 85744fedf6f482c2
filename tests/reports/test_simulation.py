"""Studies: figures and intervals by hand, bounds that are kept, a page that stands alone."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from dtopt.errors import InputError
from dtopt.testing.moving import moving
from reports.simulation import Contender, Estimate, Study, clairvoyant_bounds, study
from reports.simulation_html import simulation_html
from reports.simulation_tables import headings, headline, markdown, notes, rows
from solvers import clairvoyant
from tests.reports.test_html import EVIL, Page

if TYPE_CHECKING:
    from pathlib import Path

CONTENDERS = (Contender("stay", "stay"), Contender("nearest", "nearest"), Contender("re", "re-placement", {"every": 2}))


def with_places(seed: int, name: str | None = None) -> Any:
    """Return a scenario whose stations have places on the map."""
    scenario = moving(seed, slots=4)
    return replace(scenario, name=scenario.name if name is None else name)


@pytest.fixture(scope="module")
def found() -> Study:
    scenarios = [with_places(seed) for seed in range(3)]
    return study(scenarios, CONTENDERS, seed=5, bounds=(100.0, 110.0, 120.0))


def test_estimates_are_students_intervals() -> None:
    values = [3.0, 4.0, 8.0, 9.0]
    estimate = Estimate.of(values)
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert estimate.mean == 6.0
    assert estimate.mean - estimate.half_width == pytest.approx(low)
    assert estimate.mean + estimate.half_width == pytest.approx(high)
    assert np.isnan(Estimate.of([2.0]).half_width)
    assert np.isnan(Estimate.of([2.0, np.nan]).mean)


def test_figures_are_those_of_the_trajectories(found: Study) -> None:
    for number in range(3):
        stay, nearest = found.trajectories["stay", number], found.trajectories["nearest", number]
        assert nearest.seed == 5 + number
        figures = found.figures("nearest", number)
        bound = found.bounds[number]
        assert bound is not None
        assert figures["gain"] == pytest.approx(nearest.objective / stay.objective - 1)
        assert figures["share"] == pytest.approx(nearest.objective / bound)
        assert figures["regret"] == pytest.approx((bound - nearest.objective) / nearest.user_slots)
        assert figures["late_share"] == sum(s.late_users for s in nearest.slots) / nearest.user_slots
        # The bound is one for the scenario's own servers.
        assert np.isnan(found.figures("re", number)["share"])
    gain = found.figure("nearest", "gain")
    assert gain.mean == pytest.approx(np.mean([found.figures("nearest", n)["gain"] for n in range(3)]))
    frame = found.slot_frame()
    assert len(frame) == 3 * 3 * 4
    assert set(frame["policy"]) == {"stay", "nearest", "re"}
    assert len(found.summary_frame()) == 9
    assert found.best() in {"stay", "nearest", "re"}


def test_the_table_tells_every_policy_best_first(found: Study) -> None:
    table = rows(found)
    assert len(table) == 3
    assert [row.best for row in table] == [True, False, False]
    means = [found.figure(row.cells[0], "objective").mean for row in table]
    assert means == sorted(means, reverse=True)
    titles = headings(found)
    stay = next(row for row in table if row.cells[0] == "stay").cells
    assert stay[titles.index("% over stay")] == "+0.00 ± 0.00"
    assert "±" in stay[titles.index("% of bound")]
    text = markdown(found)
    assert text.startswith(headline(found))
    assert all(len(line.split("|")) == len(titles) + 2 for line in text.splitlines() if line.startswith("|"))
    told = " ".join(notes(found))
    assert "3 scenarios" in told
    assert "re: opens other servers, for which the bound does not hold" in told
    alone = study([with_places(0)], CONTENDERS[:1])
    assert "No clairvoyant bound" in " ".join(notes(alone))
    assert "% of bound" not in headings(alone)
    assert "±" not in markdown(alone)


def test_labels_are_named_once_and_interrupts_keep_what_is_finished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="stay is named twice"):
        study([with_places(0)], [CONTENDERS[0], CONTENDERS[0]])

    def told(contender: Contender, number: int, outcome: Any) -> None:
        if contender.label == "nearest" and outcome.slot == 2:
            raise KeyboardInterrupt

    cut = study([with_places(0)], CONTENDERS, on_slot=told)
    assert cut.interrupted
    assert cut.labels == ("stay",)
    assert "Interrupted" in " ".join(notes(cut))


def test_bounds_are_asked_for_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []

    def bound_of(scenario: Any, *, time_limit: float | None = None) -> Any:
        asked.append(scenario.name)
        return SimpleNamespace(bound=np.inf if scenario.name == "moving-1" else 42.0)

    monkeypatch.setattr(clairvoyant, "clairvoyant_bound", bound_of)
    scenarios = [with_places(seed) for seed in range(2)]
    cache = tmp_path / "bounds.json"
    assert clairvoyant_bounds(scenarios, cache=cache) == (42.0, None)
    assert clairvoyant_bounds(scenarios, cache=cache) == (42.0, None)
    assert asked == ["moving-0", "moving-1", "moving-1"]
    cache.write_text("[]")
    with pytest.raises(InputError, match="is no file of bounds"):
        clairvoyant_bounds(scenarios, cache=cache)


def test_the_page_stands_alone_and_holds_what_was_decided(found: Study) -> None:
    text = simulation_html(found)
    page = Page(text)
    links = [attributes.get("src") or attributes.get("href") for _, attributes in page.tags]
    assert all(link.startswith("data:") for link in links if link)
    figures = page.figures()
    assert set(figures["series"]) >= {"utility", "latency", "migrations", "decision"}
    assert [trace["name"] for trace in figures["series"]["utility"]["data"]] == ["stay", "nearest", "re"]
    drawn = figures["map"]
    assert drawn["names"] == ["stay", "nearest", "re"]
    for i, label in enumerate(drawn["names"]):
        trajectory = found.trajectories[label, 0]
        assert drawn["association"][i] == [a.tolist() for a in trajectory.associations]
        assert drawn["moves"][i] == [s.migrations for s in trajectory.slots]
    assert len(drawn["position"]) == 4
    assert drawn["slots"] == [0, 1, 2, 3]
    assert headline(found).replace(" %", "\u00a0%") in page.text


def test_names_from_files_stay_text_and_large_maps_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    from reports import simulation_html as module

    monkeypatch.setattr(module, "MAP_USERS", 2)
    monkeypatch.setattr(module, "MAP_FRAMES", 2)
    text = simulation_html(study([with_places(0, EVIL)], CONTENDERS[:1]))
    page = Page(text)
    drawn = page.figures()["map"]
    assert drawn["slots"] == [0, 3]
    assert np.array(drawn["association"]).shape == (1, 2, 2)
    assert "2 of 4 users are shown, 2 of 4 slots." in page.text
    assert not any(tag == "img" for tag, _ in page.tags)
    assert json.dumps("alert(") not in text
