"""The large neighbourhood search itself: which servers to solve anew together, and what to do when none helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtopt.halting import cancellation
from dtopt.price_dual import PriceDual
from dtopt.run import pass_on
from dtopt.stop import MaxIterations
from solvers import local_search
from solvers._core import NeighbourhoodSearch
from solvers.exact.knapsack import whole_demands
from solvers.exact.placement import cost_step
from solvers.lns.choice import Choice
from solvers.local_search.arrays import SearchArrays
from solvers.local_search.candidates import lists_of
from solvers.local_search.ejection import improve_fixed

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Placement
    from dtopt.run import Run
    from dtopt.solution import Solution
    from solvers._core import NeighbourhoodOutcome
    from solvers.local_search.candidates import Lists

__all__ = ["LargeNeighbourhoodSearch", "neighbourhoods_of"]

#: Grains that a server's CPU is cut into under ``fixed`` sharing where demands are not whole numbers up to `FINEST`.
GRAINS, FINEST = 500, 2500

#: The part of the time left that local search may take at the start, and ejection chains after it.
FIRST_PART = 0.1
#: Iterations of local search at the start, and before each kick, for each server and ten more; neighbourhoods of each
#: user that ejection chains search at the start.
FIRST_SEARCHES, SEARCHES, CHAINS = 50, 10, 200
#: Under a time limit local search may have more iterations, and has a share of the time: most after an improvement,
#: then less each time it finds none.
MORE, MOST_SHARE, LEAST_SHARE, LOSE = 10, 0.5, 0.1, 0.8
#: Nodes of branch and bound in a neighbourhood, at first and at most, and their growth.
NODES, MOST_NODES, DEEPER = 50_000, 5_000_000, 3
#: Servers of the smallest neighbourhood.
SMALLEST = 2
#: Neighbourhoods in a row without an improvement after which they grow by a server, for each server of the problem.
FAILURES = 1.0
#: They do not grow further once this part of the searches in them is cut short.
CUT_SHORT = 0.5
#: A kick solves this many servers anew ...
KICKED, KICKS = 4, 6
#: ... with this much noise in the costs of pairs, as a part of the mean second regret.
NOISE, LOUDER, SOFTER, TRIES = 0.5, 1.2, 0.9, 10
#: Iterations without improvement after which the search ends where nothing else stops it, per server.
PATIENCE = 100


class LargeNeighbourhoodSearch:
    """One run on a P1 problem.

    Parameters
    ----------
    run : Run
    problem : Placement
    limited : bool
        Whether to end after `PATIENCE`.
    """

    def __init__(self, run: Run, problem: Placement, *, limited: bool = False) -> None:
        self.run, self.problem = run, problem
        self.dual = PriceDual.of(problem)
        self.arrays = SearchArrays.of(problem, self.dual)
        run.check()
        self.lists = lists_of(problem)
        run.check()
        self.random = np.random.default_rng(run.seed)
        self.step = cost_step(self.dual)
        self.nodes = 0
        self.noise = NOISE
        self.share, self.searched_s = MOST_SHARE, 0.0
        #: Whether all servers together are a neighbourhood that has been searched to the end.
        self.exhausted = problem.n_stations == 1
        n, m = self.dual.cost.shape
        self.bound, prices = self.dual.ascend()
        run.offer_bound(self.bound - 1e-9 * abs(self.bound) + problem.constant_cost)
        self.prices = prices
        self.hoods = neighbourhoods_of(problem, self.lists, prices[:n], prices[n + m : n + 2 * m])
        self.patience = PATIENCE * m if limited else np.inf
        self.association: IntArray
        self.cost = np.inf

    # --- start --------------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Find a first association; return whether there is one."""
        run, m = self.run, self.problem.n_stations
        part, effort = FIRST_PART, FIRST_SEARCHES * (10 + m)
        self.local_search(effort, part * run.seconds_left, run.solution)
        run.check()
        if self.problem.sharing == "fixed":
            found, _ = improve_fixed(
                self.arrays,
                None if run.solution is None else run.solution.association,
                seconds=part * run.seconds_left,
                seed=run.seed,
                should_stop=run.should_stop,
                iterations=CHAINS * self.problem.n_users,
            )
            if found is not None:
                run.offer(found)
        if run.solution is None:
            return False
        self.association, self.cost = np.array(run.solution.association), self.judged()
        return True

    def local_search(self, iterations: int, seconds: float, start: Solution | None) -> None:
        """Offer what local search makes of a solution, or of its own start."""
        run = self.run
        inner = local_search.solve(
            self.problem,
            seed=int(self.random.integers(2**31)),
            stop=MaxIterations(iterations),
            time_limit=seconds,
            start=start,
        )
        if inner.solution is not None:
            run.offer(inner.solution)
        pass_on(inner)

    def turn_of_local_search(self, turn: int) -> None:
        """Let local search try, longer with each turn; under a time limit, for a share of it that follows success."""
        run, before, began = self.run, self.judged(), self.run.elapsed_s
        iterations = SEARCHES * (10 + self.problem.n_stations) * turn
        # Its own starts lead elsewhere.
        start = run.solution if turn % 2 == 1 else None
        if np.isfinite(run.seconds_left):
            owed = self.share * began - self.searched_s
            if owed <= 0.0:
                return
            self.local_search(MORE * iterations, min(owed, run.seconds_left), start)
        else:
            self.local_search(iterations, np.inf, start)
        self.searched_s += run.elapsed_s - began
        better = self.judged() < before - 1e-12 * abs(before)
        self.share = MOST_SHARE if better else max(LEAST_SHARE, LOSE * self.share)

    def judged(self) -> float:
        """Return the cost of the incumbent, the constant part left out."""
        assert self.run.evaluation is not None  # noqa: S101 - there is one by now
        return self.run.evaluation.objective - self.problem.constant_cost

    # --- search -------------------------------------------------------------------------------------------------------

    def search(self) -> None:
        """Solve neighbourhoods until the run is to end."""
        run = self.run
        if not self.start():
            return
        self.choice = Choice(self.dual, self.prices, self.association, self.random)
        kept, kept_cost, improved_at = self.association, self.cost, run.iterations
        budget, balance, turn, turned_at = NODES, 0, 0, np.inf
        self.descend(budget)
        while not self.exhausted and run.iterations - improved_at < self.patience:
            if self.cost < kept_cost - 1e-12 * abs(kept_cost):
                kept, kept_cost, improved_at = self.association, self.cost, run.iterations
                budget = NODES
            elif self.cost <= kept_cost:
                kept = self.association
            else:
                self.accept(kept, kept_cost)
            run.check()
            turn = turn + 1 if kept_cost == turned_at else 1
            turned_at = kept_cost
            self.turn_of_local_search(turn)
            run.check()
            if self.judged() < kept_cost - 1e-12 * abs(kept_cost):
                assert run.solution is not None  # noqa: S101 - there is one by now
                self.accept(np.array(run.solution.association), self.judged())
                self.descend(NODES)
                continue
            # Half the work goes into looking harder around the incumbent, half into what lies further away.
            before = self.nodes
            if balance > 0 and budget < MOST_NODES:
                budget *= DEEPER
                self.descend(budget)
                balance -= self.nodes - before
            else:
                self.kick()
                self.descend(NODES)
                balance += self.nodes - before
        if self.exhausted and self.problem.sharing == "fixed" and run.evaluation is not None:
            # All servers are one neighbourhood then, and nothing better is in it.
            run.offer_bound(run.evaluation.objective - 1e-8 * abs(run.evaluation.objective))

    def accept(self, association: IntArray, cost: float) -> None:
        """Go on from another association."""
        self.association, self.cost = association, cost
        self.choice.moved(association)
        best = self.judged()
        if cost < best - 1e-12 * abs(best):
            self.run.offer(association)

    def descend(self, nodes: int) -> None:
        """Solve neighbourhoods of more and more servers until none improves the association at hand."""
        run, choice = self.run, self.choice
        m = self.problem.n_stations
        size, failures, cut, solved = SMALLEST, 0, 0, 0
        while size <= m and not self.exhausted:
            run.check()
            servers = choice.draw(size, nodes)
            if servers is not None:
                outcome = self.solve(servers, nodes)
                solved += 1
                cut += not outcome.complete
                choice.learn(servers, improved=outcome.association is not None, complete=outcome.complete, nodes=nodes)
                self.exhausted |= size == m and outcome.complete
                if outcome.association is not None:
                    self.accept(outcome.association, self.cost + outcome.change)
                    failures = 0
                    continue
            failures += 1
            if servers is None or failures > FAILURES * m:
                if solved and cut > CUT_SHORT * solved:
                    return
                size, failures, cut, solved = size + 1, 0, 0, 0

    def solve(self, servers: IntArray, nodes: int, noise: FloatArray | None = None) -> NeighbourhoodOutcome:
        """Solve one neighbourhood."""
        self.run.iterations += 1
        outcome = self.hoods.solve(
            self.association,
            servers,
            nodes=nodes,
            step=self.step,
            noise=noise,
            cancellation=cancellation(),
        )
        self.nodes += outcome.nodes
        return outcome

    def kick(self) -> None:
        """Go on from another association near a few servers, good but for some noise in the costs."""
        m = self.problem.n_stations
        size, wanted = min(m, KICKED), 1 + int(self.random.integers(KICKS))
        for _ in range(TRIES * wanted):
            self.run.check()
            servers = self.choice.any(size)
            noise = self.noise * self.choice.scale * self.random.random(self.dual.cost.shape)
            outcome = self.solve(servers, NODES, noise)
            if outcome.association is None or outcome.change == 0.0:
                # Not enough noise to lead anywhere.
                self.noise *= LOUDER
                continue
            self.noise *= SOFTER
            self.accept(outcome.association, self.cost + outcome.change)
            wanted -= 1
            if not wanted:
                return


def neighbourhoods_of(
    problem: Placement, lists: Lists, user_prices: FloatArray, place_prices: FloatArray
) -> NeighbourhoodSearch:
    """Return the search over neighbourhoods of a problem, all pairs of which are listed."""
    weight = room = None
    if problem.sharing == "fixed":
        demands, room = whole_demands(problem, GRAINS, FINEST)
        weight = np.ascontiguousarray(demands.T)
    return NeighbourhoodSearch(
        lists.view, np.ascontiguousarray(user_prices), np.ascontiguousarray(place_prices), weight, room
    )
