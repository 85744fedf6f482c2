"""The answer in words: who wins, by how much, how sure."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from reports.gap import CLOSE
from reports.statistics.means import TIME_SHIFT_S
from reports.statistics.ranking import LEVEL
from reports.words import listed, percent

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from reports.publish.source import Source
    from reports.statistics.ranking import Ranking

__all__ = ["definitions", "facts", "headline", "interval", "left_out", "p_value", "verdict"]

_KIND = {"placement": "P1 placement", "migration": "P2 migration"}


def headline(source: Source) -> str:
    """Return who wins each kind of problem, in one sentence."""
    parts = [_short(ranking) for ranking in source.first_rankings]
    if not parts:
        return "No run found a solution, so that there is nothing to rank."
    return "; ".join(parts) + "."


def _short(ranking: Ranking) -> str:
    kind = _KIND.get(ranking.group.kind, ranking.group.kind)
    level, table = ranking.level, ranking.table.set_index("solver")
    mean = table["primal_gap"]
    if len(ranking.solvers) == 1:
        return f"{ranking.winner}, alone on {kind}, ends {_off(mean.iloc[0])} on average"
    if len(level) > 1:
        return f"{listed(level)} are level on {kind}, {_off(mean.iloc[0])} on average, and {level[0]} is there soonest"
    following = ranking.solvers[1]
    test = next(one for one in ranking.by_gap if one.solver == following)
    doubtful = ranking.not_told_apart
    if not doubtful:
        return (
            f"{ranking.winner} is best on {kind}: {_off(mean.iloc[0])} on average, next {following} "
            f"{percent(mean.iloc[1])} ({p_value(test.p_holm)})"
        )
    tests = {one.solver: one for one in ranking.by_gap}
    told = [f"{name} ({percent(float(mean[name]))}, {p_value(tests[name].p_holm)})" for name in doubtful]
    return (
        f"{ranking.winner} is ahead on {kind}, {_off(mean.iloc[0])} on average, but not surely: the test cannot tell "
        f"{listed(told)} from it"
    )


def _off(gap: float) -> str:
    return "at the best known" if gap <= CLOSE else f"{percent(gap)} off the best known"


def verdict(ranking: Ranking) -> list[str]:
    """Return the sentences of one ranking: quality, what the test cannot tell apart, what is worse, and speed."""
    table = ranking.table.set_index("solver")
    first = table.iloc[0]
    level = ranking.level
    within = f" (95 % interval {interval(first['gap_low'], first['gap_high'])})" if ranking.instances > 1 else ""
    sentences = [
        f"On {_count(ranking.instances, 'instance')} ({_count(ranking.tasks, 'run')} of each solver) "
        f"{listed(level)} {'is' if len(level) == 1 else 'are level and'} "
        f"{'ahead' if ranking.not_told_apart else 'best'}: the mean gap to the best known is "
        f"{percent(first['primal_gap'])}{within}{_of_controllable(first['controllable_primal_gap'])}; "
        f"{_share(first['at_best'])} of {ranking.winner}'s runs reach it."
    ]
    tests = {one.solver: one for one in ranking.by_gap}
    others = [name for name in ranking.solvers if name not in level]
    if others:
        test = tests[others[0]]
        sentences.append(
            f"Next is {others[0]}, {percent(abs(test.difference))} {'worse' if test.difference >= 0 else 'better'} in "
            f"the mean (95 % interval of the difference {interval(test.low, test.high)}, Wilcoxon signed-rank "
            f"{p_value(test.p_holm)} after Holm for {_count(len(tests), 'comparison')}): better on {test.better}, "
            f"worse on {test.worse} of {_count(test.instances, 'instance')}."
        )
    if doubtful := ranking.not_told_apart:
        why = ""
        # With n instances the least p that the test can give is 2 to the power of 1 − n.
        if 2.0 ** (1 - ranking.instances) * len(tests) >= LEVEL:
            why = f"; {_count(ranking.instances, 'instance')} are too few to tell {len(tests) + 1} solvers apart"
        sentences.append(f"The test cannot tell {listed(doubtful)} from it at the 5 % level{why}.")
    sure = [name for name in others if name not in doubtful]
    if len(sure) > 1 or (sure and sure[0] != others[0]):
        told = [f"{name} ({percent(float(table['primal_gap'][name]))})" for name in sure]
        sentences.append(f"Worse beyond doubt, with their mean gaps: {listed(told)}.")
    sentences.append(_speed(ranking))
    return sentences


def _of_controllable(part: float) -> str:
    return f", {percent(part)} of what decisions change" if math.isfinite(part) else ""


def _speed(ranking: Ranking) -> str:
    table = ranking.table.set_index("solver")["primal_integral"].dropna()
    if table.empty:
        return "Without a time limit or run times there is no primal integral."
    soonest = str(table.idxmin())
    if soonest != ranking.winner:
        test = next(one for one in ranking.by_integral if one.solver == soonest)
        return (
            f"Soonest near the best known is {soonest}: a primal integral of {percent(table[soonest])} of the time, "
            f"against {percent(table[ranking.winner])} of {ranking.winner} ({p_value(test.p_holm)})."
        )
    text = f"It is also soonest near the best known: a primal integral of {percent(table[soonest])} of the time"
    if len(table) == 1:
        return text.replace("It is also soonest near the best known: a", "Its") + "."
    second = str(table.drop(soonest).idxmin())
    test = next(one for one in ranking.by_integral if one.solver == second)
    text = text.replace("It is", f"{soonest} is") if len(ranking.level) > 1 else text
    return f"{text}, then {second} with {percent(table[second])} ({p_value(test.p_holm)})."


def interval(low: float, high: float) -> str:
    """Return ``0.1 % to 0.4 %``, a dash where there is none; gaps of either sign."""
    if not math.isfinite(low) or not math.isfinite(high):
        return "–"
    return f"{_signed(low)} to {_signed(high)}"


def _signed(part: float) -> str:
    return f"−{percent(-part)}" if part < -CLOSE else percent(max(part, 0.0))


def p_value(p: float) -> str:
    """Return ``p = 0.02``."""
    if math.isnan(p):
        return "p unknown"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _share(part: float) -> str:
    return "all" if part == 1 else "none" if part == 0 else f"{100 * part:.3g} %"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def facts(source: Source) -> list[str]:
    """Return how the runs were made, in a few sentences: how many, on what, and the machines."""
    runs, results = source.results.runs, source.results
    lines = [
        f"{_count(len(runs), 'run')}: {_count(len(results.solvers), 'solver')}, "
        f"{_count(runs['instance'].nunique(), 'instance')}, {_count(runs['seed'].nunique(), 'seed')}. "
        "Every solution was judged by the same evaluator."
    ]
    for machine in results.machines.to_dict("records"):
        versions = _versions(machine["versions"])
        lines.append(
            f"Machine {machine['id']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:.3g} GB, "
            f"{machine['os']}, Python {machine['python']}{'; ' if versions else ''}{versions}."
        )
    return lines


def _versions(text: str) -> str:
    try:
        versions = json.loads(text or "{}")
    except ValueError:
        return ""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def left_out(source: Source) -> list[str]:
    """Return everything that does not count and why: rejected rows, contradicted claims, solvers not ranked or late."""
    lines = [_rejected(row) for row in source.results.rejected.to_dict("records")]
    lines += source.scores.notes
    lines += [f"{ranking.group.name}: {line}" for ranking in source.rankings for line in ranking.left_out]
    return lines


def _rejected(row: Mapping[Hashable, Any]) -> str:
    what = [str(row["instance"] or "a row"), str(row["solver"] or "solver unknown")]
    if str(row["seed"]).isdigit():
        what.append(f"seed {row['seed']}")
    return f"{row['file']}: {', '.join(what)}: {row['reason']}"


def definitions() -> Iterable[tuple[str, str]]:
    """Return what the columns mean, as pairs of term and meaning."""
    return (
        (
            "Gap to the best known",
            "|objective − best known| over the larger of the two: 0 where the best known is reached, 1 where a run has "
            "no valid solution. The best known is the better of the suite's table and all runs shown here. Solvers are "
            "ranked by its mean over instances (of the mean over seeds).",
        ),
        (
            "Gap to bound",
            "How much better the optimum can be by the tightest proven bound of any run or of the suite, as a part of "
            "the objective; the median over runs.",
        ),
        (
            "Controllable gap",
            "The same gap as a part of what decisions change: |objective − C| in the denominator, with C the objective "
            "of an ideal in which only wireless latency and energy count, which no decision changes. To the best known "
            "the mean over instances, to the bound the median over runs. Ranking, primal integral and times use the "
            "gap of the whole; so does “optimal”.",
        ),
        (
            "Primal integral",
            "The mean gap to the best known over the time limit (Berthold 2013): 1 until the first solution, the last "
            "gap kept to the limit after the run ended; 0 would be the best known at once.",
        ),
        ("Within 0.1 %", "The share of runs that came within 0.1 % of the best known in time; time to it beside."),
        (
            "Performance profile",
            "For each solver the share of tasks on which it is within a factor τ of the best solver there (Dolan and "
            "Moré 2002); a run that fails has an infinite factor.",
        ),
        (
            "p",
            "Two-sided Wilcoxon signed-rank test against the best solver, paired on instance and seed, after Holm's "
            "correction. “p” takes one difference for each instance, the mean over its seeds, since seeds of one "
            "instance are no independent witnesses; “p, all pairs” takes every pair. Intervals are 95 % bootstrap "
            "intervals over instances.",
        ),
        ("Time", f"Wall time, shifted geometric mean with a shift of {TIME_SHIFT_S:g} s."),
    )
