"""Compare dtopt with the equations on tiny random instances: ``python -m tests.oracle --placements 5000``.

Each failure has a kind, a seed and an index; ``--show placement:0:17`` prints that instance and its failures, and
``--save FOLDER`` writes it as a dtopt file.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from collections import Counter
from pathlib import Path

import dtopt
from solvers import exact
from tests.oracle.check import Checker, Failure

PLACEMENT_ONLY = ("lns", "policy", "policy+ls")
ROTATION = (
    "auto,milp,local-search,lns,ortools-cpsat,ortools-flow,ortools-assignment,greedy,nearest,random,policy,policy+ls"
)


def main() -> int:
    """Check instances; return 1 where something failed."""
    args = _arguments()
    faulthandler.enable()
    if args.search:
        exact.can_enumerate = lambda _: False
    if args.show:
        return _show(args)
    groups: dict[tuple[str, str, str, str], list[Failure]] = {}
    seconds: Counter[str] = Counter()
    checked: Counter[str] = Counter()
    solvable = 0
    began = time.perf_counter()
    for kind, count in (("placement", args.placements), ("migration", args.migrations)):
        for index in range(args.first, args.first + count):
            if args.minutes and time.perf_counter() - began > 60 * args.minutes:
                break
            if args.trace:
                print(f"{kind}:{args.seed}:{index}", file=sys.stderr, flush=True)
            checker = _checker(args, kind, args.seed, index)
            for failure in checker.run():
                group = groups.setdefault(failure.group, [])
                group.append(failure)
                if len(group) == 1:
                    print(f"FAIL {kind}:{args.seed}:{index} {_line(failure)}", flush=True)
            seconds.update(checker.seconds)
            checked[kind] += 1
            checked.update(checker.solvers)
            solvable += checker.best is not None
    print(f"\n{dict(checked)} in {time.perf_counter() - began:.0f} s; {solvable} instances have a solution")
    print("seconds: " + ", ".join(f"{name} {spent:.1f}" for name, spent in seconds.most_common()))
    for key, failures in sorted(groups.items()):
        some = " ".join(str(failure.index) for failure in failures[:6])
        print(f"{len({f.index for f in failures}):6} x {' | '.join(key)}\n         {key[0]} {args.seed}: {some}")
    print(f"{sum(map(len, groups.values()))} failures of {len(groups)} kinds")
    return 1 if groups else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.oracle", description=__doc__)
    parser.add_argument("--placements", type=int, default=500)
    parser.add_argument("--migrations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first index")
    parser.add_argument("--minutes", type=float, default=0.0, help="time limit in minutes; 0 for none")
    parser.add_argument("--always", default="exact", help="solvers that run on every instance")
    parser.add_argument("--solvers", default=ROTATION, help="solvers that take turns")
    parser.add_argument("--per-instance", type=int, default=1, help="how many of them run on each instance")
    parser.add_argument("--time-limit", type=float, default=5.0, help="seconds for each run of a solver")
    parser.add_argument("--evaluations", type=int, default=40, help="associations evaluated for each instance")
    parser.add_argument("--extended", action="store_true", help="negative pair latencies, demands and CPU of 0")
    parser.add_argument("--search", action="store_true", help="let exact search small problems, not enumerate them")
    parser.add_argument("--trace", action="store_true", help="name each instance before it is checked")
    parser.add_argument("--show", metavar="KIND:SEED:INDEX", help="describe one instance and check it")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="with --show: write the instance there")
    return parser.parse_args()


def _checker(args: argparse.Namespace, kind: str, seed: int, index: int, *, every: bool = False) -> Checker:
    turns = [s for s in args.solvers.split(",") if s and not (kind == "migration" and s in PLACEMENT_ONLY)]
    count = len(turns) if every else min(args.per_instance, len(turns))
    solvers = [s for s in args.always.split(",") if s]
    # A stride that shares no factor with the cycle of instance features, so that every pair of both occurs.
    shift = (index * count + index // 144) % len(turns) if turns else 0
    solvers += [turns[(shift + j) % len(turns)] for j in range(count)]
    return Checker(
        kind,
        seed,
        index,
        solvers=tuple(dict.fromkeys(solvers)),
        time_limit=args.time_limit,
        evaluations=args.evaluations,
        extended=args.extended,
    )


def _show(args: argparse.Namespace) -> int:
    kind, seed, index = args.show.split(":")
    checker = _checker(args, kind, int(seed), int(index), every=True)
    failures = checker.run()
    print(f"{kind} {seed}:{index}", *checker.describe(), sep="\n")
    for failure in failures:
        print(_line(failure))
    if args.save and checker.problem is not None:
        args.save.mkdir(parents=True, exist_ok=True)
        path = args.save / f"{kind}-{seed}-{index}.json"
        dtopt.write(checker.problem, path)
        print(f"written: {path}")
    return 1 if failures else 0


def _line(failure: Failure) -> str:
    return f"{failure.check} | {failure.subject} | {failure.signature}\n    {failure.detail.strip()}"


if __name__ == "__main__":
    sys.exit(main())
