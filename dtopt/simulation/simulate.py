"""`simulate`: run a policy over a scenario, slot by slot."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.arrays import int_array
from dtopt.errors import InputError
from dtopt.run import versions
from dtopt.simulation.coverage import covered, covered_problem
from dtopt.simulation.forecast import forecast
from dtopt.simulation.journal import Entry, Journal
from dtopt.simulation.observation import Observation, Past
from dtopt.simulation.policy import make_policy
from dtopt.simulation.trajectory import Trajectory, outcome_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.scenario import Scenario
    from dtopt.simulation.forecast import Forecast
    from dtopt.simulation.observation import Record
    from dtopt.simulation.policy import Decision, Policy
    from dtopt.simulation.trajectory import SlotOutcome

__all__ = ["simulate"]


def simulate(
    scenario: Scenario,
    policy: str | Policy,
    *,
    seed: int = 0,
    journal: str | os.PathLike[str] | None = None,
    resume: bool = False,
    slots: int | None = None,
    on_slot: Callable[[SlotOutcome], None] | None = None,
    label: str | None = None,
    **options: Any,
) -> Trajectory:
    """Run a policy over a scenario; the same scenario, policy, options and seed give the same trajectory.

    Parameters
    ----------
    scenario : Scenario
    policy : str or Policy
        A name from `dtopt.simulation.policy_names`, or an object that decides.
    seed : int
    journal : path, optional
        A file to which every finished slot is committed at once.
    resume : bool
        Whether to go on from a journal that exists; what comes out is the same as of a run that was never stopped, but
        for the times.
    slots : int, optional
        So many slots from the first on; all where not given.
    on_slot : callable, optional
        Called with each finished slot, those of a resumed journal included.
    label : str, optional
        What to call the policy in the trajectory; its name where not given.
    **options
        The policy's own; only with a name.

    Returns
    -------
    Trajectory
        Up to the last finished slot where Ctrl-C stops the run.

    Raises
    ------
    InputError
        On a bad option, a journal of another run, or a decision that is none.
    """
    if seed < 0:
        raise InputError(f"must be >= 0, got {seed}", where="seed")
    last = scenario.n_slots if slots is None else int(int_array(slots, "slots", shape=(), minimum=1))
    if last > scenario.n_slots:
        raise InputError(f"is {last}, the scenario has {scenario.n_slots}", where="slots")
    if isinstance(policy, str):
        name, decider = policy, make_policy(policy, **options)
    else:
        name, decider = type(policy).__name__, policy
        if options:
            raise InputError("go with a policy's name, not with an object", where="options")
    run = _Simulation(scenario, decider, name, seed)
    header = {"scenario": scenario.content_hash, "policy": name, "options": options, "seed": seed}
    opened = None if journal is None else Journal(journal, header | {"versions": versions("numpy")}, resume=resume)
    with opened or nullcontext():
        try:
            for entry in (opened.entries if opened else [])[:last]:
                run.replay(entry, on_slot)
            while len(run.outcomes) < last:
                entry = run.decide()
                if opened:
                    opened.commit(entry)
                if on_slot:
                    on_slot(run.outcomes[-1])
        except KeyboardInterrupt:
            # What is finished is whole; whoever called sees that slots are missing.
            if not run.outcomes:
                raise
    return run.trajectory(label or name, options)


class _Simulation:
    """A simulation under way."""

    def __init__(self, scenario: Scenario, policy: Policy, name: str, seed: int) -> None:
        self.scenario, self.policy, self.name, self.seed = scenario, policy, name, seed
        self.outcomes: list[SlotOutcome] = []
        self.associations: list[IntArray] = []
        self.servers: list[IntArray | None] = []
        self.latencies: list[FloatArray] = []
        self.memory: dict[int, Record] = {}
        base = scenario.base
        self.budget = base.n_stations if base.servers is None else base.servers.size

    def decide(self) -> Entry:
        """Decide the next slot and keep what comes of it."""
        slot = len(self.outcomes)
        users, rows = self.scenario.present_users(slot), covered(self.scenario, slot)
        # Whoever has no coverage keeps the twin where it is, or has none yet.
        whole = np.array((self.associations[-1] if slot else self.scenario.base.previous)[users])
        if rows.any():
            whole[rows], servers, decision_s = self._decided(slot, users[rows])
        else:
            servers, decision_s = self._open(), 0.0
        state = self.policy.state() if hasattr(self.policy, "state") else None
        entry = Entry(slot, whole, servers, decision_s, state)
        self._keep(entry)
        return entry

    def _decided(self, slot: int, users: IntArray) -> tuple[IntArray, IntArray | None, float]:
        """Return what the policy decides for the users of the slot's P2, the servers, and how long it took."""
        problem = self._problem(slot)
        # What every policy needs is made before the clock starts: measuring the radio is not part of deciding.
        _ = problem.network.access_station
        past = Past(self.scenario, slot, self.associations, self.memory)
        asks = bool(getattr(self.policy, "forecasts", False))
        seen = Observation(
            slot=slot,
            problem=problem,
            users=users,
            past=past,
            budget=self.budget,
            seed=int(np.random.SeedSequence([self.seed, slot]).generate_state(1)[0]),
            _forecaster=self._forecaster(past) if asks else None,
        )
        begun = time.perf_counter()
        decision = self.policy.decide(seen)
        decision_s = time.perf_counter() - begun
        return *self._checked(slot, problem, decision), decision_s

    def replay(self, entry: Entry, on_slot: Callable[[SlotOutcome], None] | None) -> None:
        """Keep a slot that was decided before."""
        users, rows = self.scenario.present_users(entry.slot), covered(self.scenario, entry.slot)
        fits = entry.association.shape == users.shape and (entry.association < self.scenario.n_stations).all()
        if not fits or (entry.association[rows] < 0).any():
            raise InputError(f"slot {entry.slot} does not fit the scenario", where="journal")
        self._keep(entry)
        if entry.state is not None and hasattr(self.policy, "restore"):
            self.policy.restore(entry.state)
        if on_slot:
            on_slot(self.outcomes[-1])

    def trajectory(self, label: str, options: dict[str, Any]) -> Trajectory:
        return Trajectory(
            policy=label,
            seed=self.seed,
            scenario_name=self.scenario.name,
            scenario_hash=self.scenario.content_hash,
            slots=tuple(self.outcomes),
            associations=tuple(self.associations),
            servers=tuple(self.servers),
            latency_s=tuple(self.latencies),
            options=options,
            versions=versions("numpy"),
        )

    def _problem(self, slot: int) -> Any:
        problem = covered_problem(self.scenario, slot, self.associations[-1] if slot else None)
        if self._open() is not self.scenario.base.servers:
            problem = replace(problem, servers=self._open())
        # What a learned policy sends along with every twin is part of what moving costs.
        carried = getattr(self.policy, "companion_bits", None)
        return problem if carried is None else replace(problem, companion_bits=carried(problem))

    def _open(self) -> IntArray | None:
        """Return the stations that may keep twins before the next decision; None for all."""
        return self.servers[-1] if self.servers else self.scenario.base.servers

    def _keep(self, entry: Entry) -> None:
        rows = covered(self.scenario, entry.slot)
        problem = self._problem(entry.slot) if rows.any() else None
        before = self._open()
        same = (before is None and entry.servers is None) or (
            before is not None and entry.servers is not None and np.array_equal(before, entry.servers)
        )
        servers = before if same else entry.servers
        if problem is not None and not same:
            problem = replace(problem, servers=servers)
        outcome, latency_s = outcome_of(entry.slot, problem, entry.association, rows, entry.decision_s)
        self.outcomes.append(outcome)
        self.latencies.append(latency_s)
        self.servers.append(servers)
        whole = self.scenario.spread(entry.slot, entry.association)
        # Policies are shown it; none may change the past.
        whole.flags.writeable = False
        self.associations.append(whole)

    def _checked(self, slot: int, problem: Any, decision: Decision) -> tuple[IntArray, IntArray | None]:
        """Return association and servers of a decision after checking them."""
        where = f"policy {self.name!r}, slot {slot}"
        try:
            association = int_array(
                decision.association,
                "association",
                shape=(problem.n_users,),
                minimum=0,
                maximum=problem.n_stations - 1,
            )
            if decision.servers is None:
                return association, problem.servers
            servers = int_array(decision.servers, "servers", minimum=0, maximum=problem.n_stations - 1)
            servers = np.unique(servers)
            if not 1 <= servers.size <= self.budget:
                raise InputError(f"opens {servers.size} servers, {self.budget} may be open", where="servers")
        except InputError as error:
            raise error.within(where) from None
        return association, servers

    def _forecaster(self, past: Past) -> Callable[[str, int], Forecast]:
        return lambda kind, horizon: forecast(self.scenario, past, kind, horizon)
