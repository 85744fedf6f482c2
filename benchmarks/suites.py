"""Makes the shipped suites: their instances, and best-known values and bounds at generous limits.

python benchmarks/suites.py define [SUITE…]            writes recipes and hashes; see `kept_values` for the others
python benchmarks/suites.py solve [SUITE…] --limit 60  runs solvers on what is not proven optimal, keeps what is better

`define` is for a new release of a suite. Values are kept true from then on by `dtopt suite update`, by the same checks.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dtopt.evaluation import evaluate
from dtopt.problem import Placement, Problem
from dtopt.registry import solve
from instances.suites.recipes import problem_of
from instances.suites.suite import Entry, Known, Suite, read_suite, write_suite
from instances.suites.upkeep import accept_bound, accept_solution
from reports.gap import uncontrollable

DATA = Path(__file__).resolve().parents[1] / "instances" / "suites" / "data"
#: Added to who found a solution where it is one of an earlier release.
JUDGED_AGAIN = "; judged again on a later release"
SUMMARIES = {
    "paper": "the paper's setting, Table II, under every CPU sharing and both objectives",
    "city": "users on streets, clustered at hot spots, under macro and small cells",
    "melbourne": "Optus base stations and users of Melbourne's business district; needs the EUA data set",
    "hard": "tight capacities, tight deadlines, dear servers, costs and demands that pull against each other",
    "large": "the paper's setting at scale, 2 000 to 100 000 users",
    "mobility": "P2: users one step, or tens of slots, away from their twins",
}


def preset(name: str, label: str, seed: int = 1, **options: Any) -> tuple[str, dict[str, Any]]:
    """Return an instance of a preset."""
    return f"{label}-s{seed}", {"preset": name, "options": options, "seed": seed}


def slot(name: str, label: str, seed: int, at: int, **options: Any) -> tuple[str, dict[str, Any]]:
    """Return a P2 of a slot of a generated scenario."""
    return f"{label}-s{seed}-t{at}", {
        "scenario": name,
        "options": {"slots": at + 1, **options},
        "seed": seed,
        "slot": at,
    }


def sized(name: str, users: int, stations: int, seed: int = 1, tag: str = "", **options: Any) -> tuple[str, Any]:
    """Return an instance of a preset, named by its size."""
    label = f"{users}x{stations}" + "".join(f"-{v}" for v in options.values()) + tag
    return preset(name, label, seed, users=users, stations=stations, **options)


def definitions() -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return names and recipes of all instances, by suite."""
    paper = [sized("paper", n, m, s) for n in (80, 100) for m in (5, 10) for s in (1, 2)]
    paper += [sized("paper", 100, 10, sharing=x) for x in ("equal", "fixed")]
    paper += [sized("paper", 100, 10, objective="latency")]
    city = [sized("city", 200, 25, s) for s in (1, 2)]
    city += [sized("city", 200, 25, sharing=x) for x in ("equal", "fixed")]
    city += [sized("city", 500, 50), sized("city", 1000, 100)]
    melbourne = [sized("melbourne", n, m) for n, m in ((100, 20), (200, 30), (400, 60), (816, 125))]
    melbourne += [sized("melbourne", 200, 30, sharing=x) for x in ("equal", "fixed")]
    hard = []
    for name, sizes in {
        "tight-capacity": ((100, 10, 1), (100, 10, 2), (200, 20, 1)),
        "tight-deadline": ((100, 10, 1), (100, 10, 2), (200, 20, 1)),
        "costly-servers": ((100, 20, 1), (200, 40, 1)),
        "correlated": ((50, 5, 1), (100, 10, 1), (100, 10, 2)),
    }.items():
        for n, m, s in sizes:
            hard.append(preset(name, f"{name}-{n}x{m}", s, users=n, stations=m))
    hard.append(preset("tight-capacity", "tight-capacity-100x10-fixed", 1, users=100, stations=10, sharing="fixed"))
    large = [
        preset("large", f"{n}x{m}", 1, users=n, stations=m)
        for n, m in ((2000, 50), (5000, 100), (10_000, 200), (20_000, 300), (100_000, 1000))
    ]
    mobility = [
        preset("paper", f"step-{n}x{m}", s, users=n, stations=m, kind="migration")
        for n, m, s in ((80, 5, 1), (100, 10, 1), (100, 10, 2))
    ]
    mobility += [preset("city", "step-city-200x25", 1, users=200, stations=25, kind="migration")]
    mobility += [preset("tight-capacity", "step-tight-100x10", 1, users=100, stations=10, kind="migration")]
    mobility += [
        slot("paper", f"{model}-{work}", 1, 60, mobility=model, interaction=work)
        for model in ("random-waypoint", "gauss-markov", "manhattan", "trace")
        for work in ("update", "construction")
    ]
    mobility += [slot("city", "city-manhattan-construction", 1, 60, mobility="manhattan", interaction="construction")]
    return {
        "paper": paper,
        "city": city,
        "melbourne": melbourne,
        "hard": hard,
        "large": large,
        "mobility": mobility,
    }


def kept_values(before: Entry, problem: Problem) -> tuple[Known | None, Known | None]:
    """Return the best-known value and the bound that an instance keeps from the last release.

    Where the instance has changed, its bound is given up. Its solution is kept, with its new value, if it still fits.
    """
    if before.hash == problem.content_hash or before.best is None:
        return before.best, before.bound
    solution = before.best.solution
    if solution is None or len(solution.association) != problem.n_users:
        return None, None
    judged = evaluate(problem, solution)
    if not judged.feasible:
        return None, None
    how = f"{before.best.how.removesuffix(JUDGED_AGAIN)}{JUDGED_AGAIN}"
    return Known.of(judged.objective, how, before.best.date, solution), None


def define(names: list[str]) -> None:
    """Write recipes and hashes; raises the release of a suite whose instances are not what they were."""
    made = definitions()
    for name in names:
        path = DATA / f"{name}.json"
        before = read_suite(path) if path.exists() else None
        known = {} if before is None else {entry.name: entry for entry in before.instances}
        entries = []
        for label, recipe in made[name]:
            problem = problem_of(recipe)
            objective = problem.objective.replace("-", " ") if isinstance(problem, Placement) else "utility"
            best, bound = kept_values(known[label], problem) if label in known else (None, None)
            entries.append(
                Entry(
                    name=label,
                    hash=problem.content_hash,
                    kind=problem.kind,
                    objective=objective,
                    users=problem.n_users,
                    stations=problem.n_stations,
                    recipe=recipe,
                    best=best,
                    bound=bound,
                    uncontrollable_objective=uncontrollable(problem),
                )
            )
            print(name, label, problem.content_hash[:12], flush=True)
        release = 1 if before is None else before.release
        suite = Suite(name=name, release=release, summary=SUMMARIES[name], checksum="", instances=entries)
        if before is not None and suite.identity() != before.checksum:
            suite = suite.model_copy(update={"release": release + 1})
        write_suite(suite.model_copy(update={"checksum": suite.identity()}), path)


def improve(names: list[str], solvers: list[str], limit: float, pattern: str) -> None:
    """Run solvers on every instance that is not proven optimal, and keep what is better."""
    for name in names:
        path = DATA / f"{name}.json"
        for label in [e.name for e in read_suite(path).instances if pattern in e.name]:
            entry = read_suite(path).entry(label)
            if entry.gap <= 1e-6:
                continue
            problem = problem_of(entry.recipe)
            for solver in solvers:
                try:
                    result = solve(problem, solver, time_limit=limit, seed=0)
                except Exception as error:
                    print(f"{name}/{label}: {solver}: {error}", flush=True)
                    continue
                suite = read_suite(path)
                entry = suite.entry(label)
                how = f"{solver} of dtopt {result.versions['dtopt']}, {limit:g} s, seed 0"
                if result.solution is not None:
                    entry = accept_solution(entry, problem, result.solution, how)[0]
                if result.bound is not None:
                    entry = accept_bound(entry, result.bound, how)[0]
                write_suite(suite.with_entry(entry), path)
                best = None if entry.best is None else entry.best.value
                print(f"{name}/{label}: {result.status} by {solver} in {result.wall_s:.1f} s, "
                      f"best {best}, gap {entry.gap:.2g}", flush=True)  # fmt: skip
                if entry.gap <= 1e-6:
                    break


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("define", "solve"))
    parser.add_argument("suites", nargs="*")
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--solver", action="append")
    parser.add_argument("--only", default="", help="a part of the instances' names")
    given = parser.parse_args()
    names = given.suites or list(definitions())
    if given.what == "define":
        define(names)
    else:
        improve(names, given.solver or ["exact"], given.limit, given.only)


if __name__ == "__main__":
    main()
