"""What must hold of dtopt on one instance: its evaluator, its bound and its solvers against the equations."""

from __future__ import annotations

import math
import random
import re
import signal
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import dtopt
from dtopt.errors import UnsupportedProblemError
from tests.oracle.equations import CLOSE, INF, NO, YES, Oracle, Outcome, Spec
from tests.oracle.instances import build, generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dtopt.evaluation import Evaluation
    from dtopt.problem import Problem
    from dtopt.result import Result

__all__ = ["PROVING", "Checker", "Failure"]

#: Relative error allowed to objectives and bounds, and to an optimum that is claimed.
EXACT, CLAIMED = 1e-9, 1e-6
#: Error allowed relative to the size of the terms, where these cancel.
CANCELLED = 1e-14
#: Solvers that prove what they find, given time.
PROVING = ("exact", "auto", "milp", "ortools-cpsat")
#: A call without an answer after this time counts as hanging, s. The first calls compile for minutes, and a compilation
#: that is broken off fails ever after.
PATIENCE = 900.0
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Failure:
    """One thing that does not hold.

    Parameters
    ----------
    kind : str
        "placement" or "migration".
    index : int
    check : str
        What was checked.
    subject : str
        What was under test: ``evaluate``, ``dual_bound`` or a solver.
    signature : str
        What failures of one cause have in common: the error and its place.
    detail : str
        The numbers.
    """

    kind: str
    index: int
    check: str
    subject: str
    signature: str
    detail: str

    @property
    def group(self) -> tuple[str, str, str, str]:
        return self.kind, self.check, self.subject, self.signature


class Hang(BaseException):
    """A call under test does not come back."""


class Checker:
    """All checks of one instance.

    Parameters
    ----------
    kind : {"placement", "migration"}
    seed, index : int
    solvers : sequence of str
        Solvers to run.
    time_limit : float
        For each run of a solver, s.
    evaluations : int
        About the largest number of associations that are evaluated.
    extended : bool
        See `generate`.
    """

    def __init__(
        self,
        kind: str,
        seed: int,
        index: int,
        *,
        solvers: tuple[str, ...] = (),
        time_limit: float = 5.0,
        evaluations: int = 40,
        extended: bool = False,
        spec: Spec | None = None,
    ) -> None:
        self.kind, self.index, self.solvers, self.time_limit = kind, index, solvers, time_limit
        self.evaluations = evaluations
        self.rng = random.Random(f"check:{seed}:{index}")
        self.spec = generate(kind, seed, index, extended=extended) if spec is None else spec
        self.oracle = Oracle(self.spec)
        self.failures: list[Failure] = []
        self.seconds: dict[str, float] = {}
        self.best: float | None = None
        self.scale = 0.0
        self.problem: Problem | None = None

    def run(self) -> list[Failure]:
        """Make all checks and return what failed."""
        ran, problem = self._call("build", lambda: build(self.spec))
        if not ran:
            return self.failures
        self.problem = problem
        outcomes = self.oracle.associations()
        self._evaluations(outcomes)
        self._optimum(outcomes)
        self._bound()
        for solver in self.solvers:
            self._solver(solver)
        return self.failures

    # --- helpers ------------------------------------------------------------------------------------------------------

    def fail(self, check: str, subject: str, detail: str, signature: str = "") -> None:
        self.failures.append(Failure(self.kind, self.index, check, subject, signature, detail))

    def _call(self, subject: str, function: Callable[[], Any], patience: float = PATIENCE) -> tuple[bool, Any]:
        """Call what is under test; record errors and warnings. Return whether it came back, and its answer."""
        began = time.perf_counter()
        try:
            with warnings.catch_warnings(record=True) as caught, _alarm(patience):
                warnings.simplefilter("always")
                answer = function()
        except UnsupportedProblemError:
            return False, None
        except Exception as error:
            detail = "".join(traceback.format_exception(error)[-4:])
            self.fail("crash", subject, detail, f"{type(error).__name__}: {_general(str(error))} at {_place(error)}")
            return False, None
        except Hang as error:
            self.fail("hang", subject, f"no answer in {patience:g} s", _place(error))
            return False, None
        finally:
            self.seconds[subject] = self.seconds.get(subject, 0.0) + time.perf_counter() - began
        for warning in caught:
            if issubclass(warning.category, RuntimeWarning) and str(ROOT) in warning.filename:
                place = f"{Path(warning.filename).relative_to(ROOT)}:{warning.lineno}"
                self.fail("warning", subject, str(warning.message), f"{warning.message} at {place}")
        return True, answer

    def cost(self, objective: float) -> float:
        """Return an objective as a cost: minus the utility of P2."""
        return -objective if self.kind == "migration" else objective

    def _slack(self, value: float, scale: float, relative: float = EXACT) -> float:
        return relative * abs(value) + CANCELLED * scale

    # --- the evaluator ------------------------------------------------------------------------------------------------

    def _evaluations(self, outcomes: list[Outcome]) -> None:
        """Hold `evaluate` against the equations on close calls, on the best and on some other associations."""
        chosen = {i for i, outcome in enumerate(outcomes) if outcome.verdict == CLOSE}
        ordered = sorted(range(len(outcomes)), key=lambda i: (-outcomes[i].verdict, _ordered(outcomes[i].low)))
        chosen.update(ordered[:5])
        rest = [i for i in range(len(outcomes)) if i not in chosen]
        more = max(5, self.evaluations - len(chosen))
        chosen.update(rest if len(rest) <= more else self.rng.sample(rest, more))
        self.judged: dict[tuple[int, ...], Evaluation] = {}
        for i in sorted(chosen):
            self._evaluate(outcomes[i])
        self._other_solutions(outcomes)

    def _evaluate(self, outcome: Outcome, open_servers: tuple[int, ...] | None = None) -> Evaluation | None:
        assert self.problem is not None
        servers = None if open_servers is None else np.array(open_servers)
        solution = dtopt.Solution(np.array(outcome.association), servers)
        ran, judged = self._call("evaluate", lambda: dtopt.evaluate(self.problem, solution))
        if not ran:
            return None
        if open_servers is None:
            self.judged[outcome.association] = judged
        self._agrees("evaluate", outcome, judged)
        return judged

    def _agrees(self, subject: str, outcome: Outcome, judged: Evaluation) -> None:
        """Check verdict, objective, terms and shares of an evaluation."""
        where = f"association {list(outcome.association)}"
        nan = [name for name, value in asdict(judged.terms).items() if math.isnan(value)]
        if math.isnan(judged.objective):
            nan.append("objective")
        arrays = ("latency_s", "deadline_latency_s", "cpu_share_hz")
        nan += [name for name in arrays if np.isnan(getattr(judged, name)).any()]
        if nan:
            self.fail("nan", subject, f"{where}: {nan}", ", ".join(nan))
        if outcome.verdict != CLOSE and judged.feasible != (outcome.verdict == YES):
            said = sorted({violation.name for violation in judged.violations})
            detail = f"{where}: feasible {judged.feasible} {said}, the equations say {outcome.verdict == YES}"
            self.fail("feasible", subject, detail, f"violations {said}")
        unsure = outcome.open_shares and not judged.feasible
        if math.isnan(outcome.low) or math.isnan(judged.objective) or unsure:
            return
        cost = self.cost(judged.objective)
        if math.isinf(outcome.low):
            if cost != outcome.low:
                self.fail("objective", subject, f"{where}: {cost}, the equations say {outcome.low}", "not infinite")
            return
        low = outcome.low - self._slack(outcome.low, outcome.scale)
        high = outcome.high + self._slack(outcome.high, outcome.scale)
        if not low <= cost <= high:
            detail = f"{where}: {cost!r}, the equations say {outcome.low!r} to {outcome.high!r}"
            self.fail("objective", subject, detail, "feasible" if judged.feasible else "infeasible")
        elif not math.isinf(outcome.high):
            self._shares(subject, outcome, judged)
            self._terms(subject, outcome, judged)

    def _shares(self, subject: str, outcome: Outcome, judged: Evaluation) -> None:
        for i, member in enumerate(outcome.members):
            share = float(judged.cpu_share_hz[i])
            if self.spec.kappa * self.oracle.load[i] > 0 and not (
                member.share[0] * (1 - EXACT) <= share <= member.share[1] * (1 + EXACT)
            ):
                self.fail("share", subject, f"{list(outcome.association)}, user {i}: {share!r}, not {member.share}")

    def _terms(self, subject: str, outcome: Outcome, judged: Evaluation) -> None:
        """Compare the terms, where they are not intervals."""
        spec, oracle = self.spec, self.oracle
        if not outcome.narrow or any(m.latency[0] != m.latency[1] for m in outcome.members):
            return
        terms = judged.terms
        used = set(outcome.association)
        latency = math.fsum(m.latency[0] for m in outcome.members) / spec.n
        late = [oracle.lateness(member, i) for i, member in enumerate(outcome.members)]
        expected = {
            "latency": latency,
            "energy": math.fsum(oracle.energy(i) for i in range(spec.n)),
            "compute": math.fsum(
                spec.kappa * oracle.load[i] / m.share[0] if spec.kappa * oracle.load[i] > 0 else 0.0
                for i, m in enumerate(outcome.members)
            )
            / spec.n,
            "wireless": 0.0
            if spec.gain is None
            else math.fsum(oracle.wireless(i, oracle.load[i]) for i in range(spec.n)) / spec.n,
            "n_open": float(len(used)),
        }
        if all(a == b for a, b in late):
            expected["lateness"] = math.fsum(a for a, _ in late)
        missed = [oracle.is_late(member, i) for i, member in enumerate(outcome.members)]
        if all(a == b for a, b in missed):
            expected["late_users"] = float(sum(a for a, _ in missed))
        if spec.kind == "placement":
            expected["construction"] = math.fsum(m.late[0] for m in outcome.members) / spec.n
            expected["paper_latency"] = latency / spec.m
            expected["placement_cost"] = spec.server_cost * len(used)
        else:
            moved = [i for i, k in enumerate(outcome.association) if spec.previous[i] not in (-1, k)]
            moving = math.fsum(oracle.moving(i, k) for i, k in enumerate(outcome.association))
            expected["moving"] = spec.migration_weight * moving / spec.n
            expected["migrations"] = float(len(moved))
            expected["moved_bits"] = math.fsum(spec.data[i] + spec.companion for i in moved)
        if terms.n_open != len(used):
            del expected["n_open"]
            expected.pop("placement_cost", None)
        size = max(abs(m.latency[0]) + abs(m.late[0]) for m in outcome.members)
        for name, value in expected.items():
            got = float(getattr(terms, name))
            if abs(got - value) > EXACT * abs(value) + 1e-13 * size:
                self.fail("term", subject, f"{list(outcome.association)}: {name} {got!r}, not {value!r}", name)

    def _other_solutions(self, outcomes: list[Outcome]) -> None:
        """Check a solution with an idle open server, and one that leaves a user without a server."""
        assert self.problem is not None
        outcome = self.rng.choice(outcomes)
        used = set(outcome.association)
        idle = [k for k in range(self.spec.m) if k not in used]
        if idle and (self.spec.servers is None or set(idle) & set(self.spec.servers)):
            choice = [k for k in idle if self.spec.servers is None or k in self.spec.servers]
            extra = self.rng.choice(choice)
            more = self.oracle.outcome(outcome.association, len(used) + 1)
            self._evaluate(more, tuple(sorted({*used, extra})))
        partial = np.array(outcome.association)
        partial[self.rng.randrange(partial.size)] = -1
        ran, judged = self._call("evaluate", lambda: dtopt.evaluate(self.problem, dtopt.Solution(partial)))
        if ran and (judged.feasible or self.cost(judged.objective) != INF):
            detail = f"{partial.tolist()}: feasible {judged.feasible}, objective {judged.objective}"
            self.fail("unassigned", "evaluate", detail)

    # --- the optimum --------------------------------------------------------------------------------------------------

    def _optimum(self, outcomes: list[Outcome]) -> None:
        """Find the least cost that the evaluator accepts: its own word counts on close calls."""
        self.best_association: tuple[int, ...] | None = None
        limit = min((o.high for o in outcomes if o.verdict == YES), default=INF)
        for outcome in outcomes:
            if outcome.verdict == NO or not outcome.low <= limit:
                continue
            cost = outcome.low
            if outcome.verdict == CLOSE or not outcome.narrow:
                judged = self.judged.get(outcome.association) or self._evaluate(outcome)
                if judged is None or not judged.feasible:
                    continue
                cost = min(max(self.cost(judged.objective), outcome.low), outcome.high)
            if self.best is None or cost < self.best:
                self.best, self.best_association, self.scale = cost, outcome.association, outcome.scale

    def _valid_bound(self, subject: str, bound: float) -> None:
        cost = self.cost(bound)
        if math.isnan(bound):
            self.fail("nan", subject, f"bound {bound}", "bound")
        elif self.best is not None and cost > self.best + self._slack(self.best, self.scale):
            infinite = "infinite" if math.isinf(cost) else "finite"
            detail = f"{cost!r} is above the optimum {self.best!r} at {self.best_association}"
            self.fail("bound", subject, detail, infinite + self._only_close(cost, EXACT))

    def _only_close(self, cost: float, relative: float) -> str:
        """Say whether a claim that no solution costs less holds where constraints have no tolerance."""
        strict = self.strict_best
        holds = strict is None or cost <= strict + self._slack(strict, self.scale, relative)
        return ", true without tolerance" if holds else ""

    @cached_property
    def strict_best(self) -> float | None:
        """The least cost where constraints have no tolerance, from above; None where nothing is feasible then."""
        costs = [o.high for o in Oracle(self.spec, tolerance=0.0).associations() if o.verdict == YES]
        return min(costs, default=None)

    def _bound(self) -> None:
        ran, bound = self._call("dual_bound", lambda: dtopt.dual_bound(self.problem))
        if ran:
            self._valid_bound("dual_bound", bound)

    # --- solvers ------------------------------------------------------------------------------------------------------

    def _solver(self, solver: str) -> None:
        ran, result = self._call(
            solver, lambda: dtopt.solve(self.problem, solver, time_limit=self.time_limit, seed=self.index)
        )
        if ran:
            self._result(solver, result)

    def _result(self, solver: str, result: Result) -> None:
        """Check solution, status and bound of a run."""
        status = str(result.status)
        cost: float | None = None
        if result.solution is not None and result.evaluation is not None:
            association = tuple(result.solution.association.tolist())
            n_open = result.solution.open_servers.size
            outcome = self.oracle.outcome(association, n_open)
            if not result.evaluation.feasible or outcome.verdict == NO:
                self.fail("infeasible answer", solver, f"{association}, verdict {outcome.verdict}")
            self._agrees(solver, outcome, result.evaluation)
            cost = self.cost(result.evaluation.objective)
            if self.best is not None and cost < self.best - self._slack(self.best, self.scale):
                detail = f"{association} costs {cost!r}, the optimum is {self.best!r} at {self.best_association}"
                self.fail("better than best", solver, detail)
        if result.bound is not None:
            self._valid_bound(solver, result.bound)
        found = f"status {status}, cost {cost!r}, bound {result.bound!r}; the optimum is {self.best!r}"
        found += f" at {self.best_association}; {result.message}"
        if status == "infeasible" and self.best is not None:
            self.fail("claims infeasible", solver, found, _general(result.message) + self._only_close(INF, EXACT))
        if status == "optimal":
            if cost is None:
                self.fail("claims optimal", solver, found, "without a solution")
            elif self.best is not None and cost > self.best + self._slack(self.best, self.scale, CLAIMED):
                self.fail("claims optimal", solver, found, "worse than the optimum" + self._only_close(cost, CLAIMED))
        if status == "feasible" and cost is None:
            self.fail("claims feasible", solver, found, "without a solution")
        if status == "not_found" and cost is not None:
            self.fail("claims nothing", solver, found, "with a solution")
        if solver in PROVING and status not in ("optimal", "infeasible"):
            self.fail("unproven", solver, found, f"{status}, {'feasible' if self.best is not None else 'infeasible'}")

    # --- for people ---------------------------------------------------------------------------------------------------

    def describe(self) -> Iterator[str]:
        """Yield the numbers of the instance, line by line, and what the equations say of it."""
        default = Spec.__dataclass_fields__
        for name, value in vars(self.spec).items():
            if value != default[name].default:
                yield f"  {name} = {value!r}"
        outcomes = self.oracle.associations()
        yield f"  {len(outcomes)} associations: " + ", ".join(
            f"{sum(o.verdict == v for o in outcomes)} {word}"
            for v, word in ((YES, "feasible"), (CLOSE, "close"), (NO, "infeasible"))
        )
        yield f"  least cost {self.best!r} at {self.best_association}"


def _ordered(value: float) -> float:
    return INF if math.isnan(value) else value


def _general(message: str) -> str:
    """Return a message without its numbers."""
    return re.sub("[0-9]+", "#", message)[:60]


def _place(error: BaseException) -> str:
    """Return the innermost line of the project in a traceback."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if str(ROOT) in f.filename and "/tests/" not in f.filename
    ]
    if not frames:
        return "?"
    return f"{Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].lineno}"


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `Hang` inside the block after some seconds, where Python code runs at all."""

    def ring(*_: object) -> None:
        raise Hang

    try:
        before = signal.signal(signal.SIGALRM, ring)
    except ValueError:  # not in the main thread
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
