"""Numbers and sentences for people: how a comparison is told in words."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from dtopt.result import Status
from reports.gap import CLOSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.comparison import Comparison, Summary

__all__ = ["DASH", "headline", "listed", "number", "percent", "seconds", "settings", "verdict"]

#: Stands for a number that there is not.
DASH = "–"


def number(value: float | None, digits: int = 6) -> str:
    """Return a number to so many significant digits, a dash where there is none."""
    return DASH if value is None or not math.isfinite(value) else f"{value:.{digits}g}"


def percent(part: float) -> str:
    """Return a part in percent, a dash where it is not known."""
    if not math.isfinite(part):
        return DASH
    if part <= CLOSE:
        return "0 %"
    if part >= 10:
        return f"{100 * part:,.0f} %"
    return f"{100 * part:.2g} %" if part < 0.1 else f"{100 * part:.3g} %"


def seconds(value: float) -> str:
    """Return a duration, s; a dash where it is not known."""
    if not math.isfinite(value):
        return DASH
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if value < 10 else f"{value:.1f}"


def listed(words: Sequence[str], join: str = "and") -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " ".join([*([", ".join(words[:-1]), join] if len(words) > 1 else []), words[-1]]) if words else ""


def verdict(comparison: Comparison, label: str) -> str:
    """Return who wins on one instance and by how much, and what is proven of it."""
    case = comparison.case(label)
    summaries = comparison.summaries(label)
    winners = [s for s in summaries if comparison.is_best(s.best)]
    if not winners:
        return _nothing(summaries)
    best = winners[0].best
    assert best.evaluation is not None  # noqa: S101 - a winner has a solution
    who = listed([s.best.solver for s in winners])
    terms = best.evaluation.terms
    text = (
        f"{who} {'is' if len(winners) == 1 else 'are'} best with a {case.objective_name} of "
        f"{number(best.objective)}{case.unit} on {terms.n_open} of {case.problem.n_stations} stations"
    )
    gap, bound = comparison.gap(best), comparison.bound(label)
    if bound is None or not math.isfinite(gap):
        text += "; no bound on the optimum is known."
    elif gap <= CLOSE:
        text += ", which is proven optimal."
    else:
        direction = "higher" if case.problem.maximise else "lower"
        text += (
            f"; the optimum is at most {percent(gap)} {direction} ({bound.source} proves {number(bound.value)}), "
            f"{percent(comparison.controllable_gap(best))} of what decisions change."
        )
    others = [s for s in summaries if s.found and s not in winners]
    if others:
        told = [f"{s.best.solver} by {percent(comparison.above_best(s.best))}" for s in others]
        text += f" Worse {'is' if len(told) == 1 else 'are'} {listed(told)}."
    without = [s for s in summaries if not s.found]
    if without:
        text += f" No solution from {listed([s.best.solver for s in without])}."
    return text


def _nothing(summaries: Sequence[Summary]) -> str:
    proofs = [s.best for s in summaries if s.best.status == Status.INFEASIBLE]
    if proofs:
        why = f": {proofs[0].message}" if proofs[0].message else ""
        return f"Proven infeasible by {listed([row.solver for row in proofs])}{why}."
    return "No solver found a feasible solution." if summaries else "Nothing was run."


def headline(comparison: Comparison) -> str:
    """Return in one sentence who wins over all instances."""
    wins: Counter[str] = Counter()
    solved = 0
    for case in comparison.cases:
        winners = {s.best.solver for s in comparison.summaries(case.label) if comparison.is_best(s.best)}
        solved += bool(winners)
        wins.update(winners)
    total = len(comparison.cases)
    if not total:
        return "Nothing was compared."
    if not solved:
        return "No solver found a feasible solution of any instance."
    ranked = sorted(wins.items(), key=lambda item: (-item[1], item[0]))
    most = ranked[0][1]
    first = [name for name, count in ranked if count == most]
    where = comparison.cases[0].label if total == 1 else f"{most} of {total} instances"
    text = f"{listed(first)} {'is' if len(first) == 1 else 'are'} best on {where}"
    rest = [f"{name} on {count}" for name, count in ranked if count < most]
    text += f", {listed(rest)}" if rest else ""
    tied = total > 1 and sum(wins.values()) > solved
    return text + (" (ties count for all)." if tied else ".")


def settings(comparison: Comparison) -> str:
    """Return in one sentence how the runs were made."""
    limit = "no time limit" if comparison.time_limit is None else f"at most {comparison.time_limit:g} s for each run"
    many = comparison.runs > 1
    seeds = f"seeds {comparison.seed} to {comparison.seed + comparison.runs - 1}" if many else f"seed {comparison.seed}"
    ended = " Interrupted: what was finished is shown." if comparison.interrupted else ""
    return f"{limit[0].upper()}{limit[1:]}, {seeds}. Every solution was judged by the same evaluator.{ended}"
