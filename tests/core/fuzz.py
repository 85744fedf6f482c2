"""Fuzzing of the compiled core's bindings: ``python -m tests.core.fuzz --calls 10000 --seed 0``.

Small runs of solvers call the core. Before some of these calls the same call is made with damaged arguments: another
dtype, shape, stride, order or type, numbers out of range, infinities and NaN. Each damaged call must return or raise a
Python exception; a crash ends the process, which whoever started it sees.
"""

from __future__ import annotations

import argparse
import enum
import inspect
import itertools
import sys
from collections import Counter
from functools import partial

import numpy as np

from dtopt import _core as bounds
from solvers import _core as searches

Cancellation = bounds.Cancellation
#: Exceptions that refuse bad arguments.
REFUSALS = (TypeError, ValueError, IndexError, OverflowError, RuntimeError)
#: Time that a damaged call may take, s.
SECONDS = 0.02


class Fuzzer:
    """Wraps the functions and methods of the core."""

    def __init__(self, seed: int, part: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.part = part
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._inside = False

    def install(self) -> None:
        """Put a wrapper in the place of everything that takes arguments."""
        for module in (bounds, searches):
            for name, thing in list(vars(module).items()):
                if inspect.isclass(thing) and not issubclass(thing, enum.Enum) and name != "Cancellation":
                    for key, method in list(vars(thing).items()):
                        if callable(method) and not key.startswith("_"):
                            setattr(thing, key, self.wrapped(f"{name}.{key}", method, is_method=True))
                    if not name.endswith("Params"):
                        setattr(module, name, self.wrapped(name, thing))
                elif callable(thing) and not inspect.isclass(thing):
                    setattr(module, name, self.wrapped(name, thing))

    def wrapped(self, name, function, *, is_method=False):
        """Return a function that now and then makes damaged calls before the one asked for."""

        def call(*arguments, **named):
            if not self._inside and len(arguments) + len(named) > is_method and self.rng.random() < self.part:
                self._inside = True
                try:
                    self.damage(name, function, int(is_method), arguments, named)
                finally:
                    self._inside = False
            return function(*arguments, **named)

        return call

    def damage(self, name, function, first, arguments, named):
        """Make a call with one or two arguments from the `first` on damaged."""
        places = [*range(first, len(arguments)), *named]
        changed, keywords = list(arguments), dict(named)
        for at in [places[i] for i in self.rng.integers(len(places), size=1 + self.rng.integers(2))]:
            (changed if isinstance(at, int) else keywords)[at] = self.damaged(
                arguments[at] if isinstance(at, int) else named[at]
            )
        for at in places:
            held = changed if isinstance(at, int) else keywords
            if isinstance(held[at], Cancellation):
                held[at] = Cancellation(SECONDS)
        self.counts[name] += 1
        try:
            function(*changed, **keywords)
        except REFUSALS:
            self.refused[name] += 1

    def damaged(self, value):
        """Return something like a value that may be wrong."""
        rng = self.rng
        if isinstance(value, np.ndarray):
            return self.damaged_array(value)
        if isinstance(value, bool):
            return [not value, 7, None, "x"][rng.integers(4)]
        if isinstance(value, int):
            return [-1, 0, value + 1, 50, 2**31, -(2**63), 2**64, 1.5, None][rng.integers(9)]
        if isinstance(value, float):
            return [np.nan, np.inf, -np.inf, 0.0, -value, 1e300, "x", None][rng.integers(8)]
        return [None, 3, "x", value, np.zeros(2)][rng.integers(5)]

    def damaged_array(self, array):
        """Return an array of another kind, shape, layout or content."""
        rng, kind = self.rng, self.rng.integers(10)
        if kind == 0:
            with np.errstate(invalid="ignore"):
                return array.astype([np.float32, np.int8, np.uint64, np.complex128, object][rng.integers(5)])
        if kind == 1:
            return array[..., None]
        if kind == 2:
            return array.reshape(-1)[: rng.integers(array.size + 1)]
        if kind == 3:
            return np.concatenate([array, array])
        if kind == 4:
            return array[::-1]
        if kind == 5:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        if kind == 6:
            return np.asfortranarray(array)
        if kind == 7:
            return array.tolist()
        changed = array.copy()
        if changed.size:
            at = rng.integers(changed.size, size=rng.integers(1, 4))
            if changed.dtype.kind == "f":
                changed.reshape(-1)[at] = [np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300][rng.integers(6)]
            elif changed.dtype.kind == "i":
                changed.reshape(-1)[at] = [-1, -2, 0, 1, 10**6, np.iinfo(changed.dtype).max][rng.integers(6)]
            else:
                changed.reshape(-1)[at] = ~changed.reshape(-1)[at]
        return changed


def runs(seed):
    """Run solvers and policies that use all of the core, again and again, each for a short time."""
    import dtopt
    from dtopt.testing.tiny import tiny_problem
    from instances.mobility.generate import generate_scenario
    from solvers.clairvoyant import clairvoyant_bound

    presets = ("paper", "tight-capacity", "tight-deadline", "costly-servers", "correlated")
    solvers = ("local-search", "lns", "exact", "policy", "policy+ls")
    policies = ("local-search", "lookahead", "policy-online", "drl-transfer", "re-placement")
    for number in itertools.count(seed):
        moving = generate_scenario("paper", users=6, stations=3, slots=4, mobility="random-waypoint", seed=number)
        for policy in policies:
            yield partial(dtopt.simulate, moving, policy, seed=number)
        yield partial(clairvoyant_bound, moving, time_limit=1.0)
        for sharing in ("optimal", "equal", "fixed"):
            preset = presets[number % len(presets)]
            problem = dtopt.generate(preset, users=14, stations=5, seed=number, sharing=sharing)
            for solver in solvers:
                yield partial(dtopt.solve, problem, solver, time_limit=0.3, seed=number)
            tiny = tiny_problem(number, kind="migration", users=12, stations=4, sharing=sharing)
            for solver in ("local-search", "exact"):
                yield partial(dtopt.solve, tiny, solver, time_limit=0.3, seed=number)
        large = dtopt.generate("large", users=200, stations=30, seed=number)
        yield partial(dtopt.solve, large, "auto", time_limit=0.5, seed=number)


def main(arguments=None):
    """Fuzz until enough damaged calls were made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", type=float, default=0.2, help="of the calls, those that are damaged before")
    given = parser.parse_args(arguments)
    fuzzer = Fuzzer(given.seed, given.part)
    fuzzer.install()
    ended = Counter()
    for run in runs(given.seed):
        try:
            run()
        except Exception as error:
            # A damaged call may have changed the state of a search; that it ends in an exception is enough.
            ended[type(error).__name__] += 1
        if fuzzer.counts.total() >= given.calls:
            break
    print(f"{fuzzer.counts.total()} damaged calls of {len(fuzzer.counts)} functions, {fuzzer.refused.total()} refused")
    print(f"runs that a changed state ended: {dict(ended)}")
    for name, count in sorted(fuzzer.counts.items()):
        print(f"{name}: {count}, {fuzzer.refused[name]} refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
