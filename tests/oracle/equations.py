"""P1 (18) and P2 (21) from raw numbers, in plain Python: latency, CPU shares, costs and brute force.

Nothing here imports dtopt. Constraints have the relative tolerance `TOLERANCE`. Three verdicts describe a solution:
`YES` and `NO` where rounding cannot change the answer, and `CLOSE` where it can: within the tolerance of a deadline
whose floor decides CPU shares, or within `ROUNDING` of the tolerance itself. Costs are intervals, because floors of
deadlines may be computed anywhere within the tolerance.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from functools import cached_property

__all__ = ["CLOSE", "NO", "ROUNDING", "TOLERANCE", "YES", "Oracle", "Outcome", "Spec", "fill"]

#: Relative tolerance on deadlines and CPU.
TOLERANCE = 1e-9
#: Relative error of floating-point sums, with a wide margin.
ROUNDING = 1e-13

YES, CLOSE, NO = 1, 0, -1
INF = math.inf

Matrix = list[list[float]]
Interval = tuple[float, float]


@dataclass
class Spec:
    """The raw numbers of one instance; `instances.build` makes the dtopt problem from them."""

    kind: str
    sharing: str
    deadline: str
    penalty: float
    data: list[float]
    update: list[float]
    power: list[float]
    tau: list[float]
    cpu: list[float]
    #: None for unlimited.
    capacity: list[int | None]
    distance: Matrix
    #: None where pair latencies are given.
    gain: Matrix | None
    kappa: float
    phi: float
    passes: int = 1
    bandwidth: float = 20e6
    noise_dbm: float = -174.0
    demand: Matrix | None = None
    # P1
    objective: str = "system-cost"
    alpha: float = 1.0
    cost_weight: float = 1.0
    server_cost: float = 0.0
    max_servers: int | None = None
    period: float = 1.0
    eta: float = 1.0
    pair_latency: Matrix | None = None
    # P2
    previous: list[int] = field(default_factory=list)
    servers: list[int] | None = None
    beta: float = 0.5
    interaction: str = "update"
    migration_weight: float = 1.0
    companion: float = 0.0
    #: How dtopt gets the instance: "matrix" or "candidates" for the gains, "positions" for the distances.
    candidates: int | None = None
    positions: list[tuple[float, float]] | None = None
    #: What the generator did, for people.
    twists: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.data)

    @property
    def m(self) -> int:
        return len(self.cpu)


def fill(weight: list[float], floor: list[float], cpu: float) -> float:
    """Return the level x with Σ max(floor_i, x s_i) = F: the KKT multiplier of min Σ s_i²/f_i, f_i >= floor_i.

    At the minimum f_i = max(floor_i, x s_i). The sum is piecewise linear in x with a kink at each floor_i / s_i.
    Infinite where no twin has weight; `nan` where the floors do not fit.
    """
    if math.fsum(floor) > cpu:
        return math.nan
    order = sorted((i for i in range(len(weight)) if weight[i] > 0), key=lambda i: floor[i] / weight[i])
    if not order:
        return INF
    # All above their kink, then fewer: the first level at or above its own last kink is the answer.
    for last in range(len(order), 0, -1):
        free = order[:last]
        fixed = [floor[i] for i in range(len(weight)) if i not in free]
        level = (cpu - math.fsum(fixed)) / math.fsum(weight[i] for i in free)
        if level * weight[free[-1]] >= floor[free[-1]]:
            return max(level, 0.0)
    return floor[order[0]] / weight[order[0]]


@dataclass(frozen=True)
class Member:
    """What one user has on a server in certain company: intervals of T_i, of what its deadline bounds, of its share."""

    latency: Interval
    late: Interval
    share: Interval


@dataclass(frozen=True)
class Outcome:
    """What the equations say of an association: verdict, interval of cost (minus utility for P2), size of its terms."""

    association: tuple[int, ...]
    verdict: int
    low: float
    high: float
    scale: float
    members: tuple[Member, ...] = ()
    #: Whether rounding or a tolerance decides what the shares of some server are.
    open_shares: bool = False

    @property
    def narrow(self) -> bool:
        return self.low == self.high or self.high - self.low <= 1e-12 * self.scale


class Oracle:
    """The equations on one instance.

    Parameters
    ----------
    spec : Spec
    tolerance : float
        Relative tolerance on deadlines and CPU.
    """

    def __init__(self, spec: Spec, tolerance: float = TOLERANCE) -> None:
        self.spec, self.tolerance = spec, tolerance
        self._servers: dict[tuple[int, tuple[int, ...]], tuple[int, tuple[Member, ...], bool]] = {}
        n, noise = spec.n, 10 ** (spec.noise_dbm / 10 - 3) * spec.bandwidth
        self.rate = [INF] * n
        self.access = [0] * n
        if spec.gain is not None:
            for i in range(n):
                best = max(range(spec.m), key=lambda k, i=i: (spec.gain[i][k], -k))
                # (3)
                snr = spec.power[i] * spec.gain[i][best] / noise
                self.access[i], self.rate[i] = best, spec.bandwidth * math.log1p(snr) / math.log(2)
        if spec.kind == "placement":
            eta = spec.eta / spec.period
            self.load = [d + eta * u for d, u in zip(spec.data, spec.update, strict=True)]
            self.judged = list(spec.data)
        else:
            self.load = list(spec.update if spec.interaction == "update" else spec.data)
            self.judged = self.load
        if spec.pair_latency is not None:
            self.load = self.judged = [0.0] * n

    # --- latency ------------------------------------------------------------------------------------------------------

    def wireless(self, i: int, bits: float) -> float:
        """(4)."""
        if bits == 0:
            return 0.0
        return bits / self.rate[i] if self.rate[i] > 0 else INF

    def wired(self, i: int, k: int, bits: float) -> float:
        """(5), (7)."""
        return self.spec.phi * bits * self.spec.distance[self.access[i]][k]

    def moving(self, i: int, k: int) -> float:
        before = self.spec.previous[i]
        if before < 0:
            return 0.0
        return self.spec.phi * (self.spec.data[i] + self.spec.companion) * self.spec.distance[before][k]

    def transfer(self, i: int, k: int) -> float:
        """The part of T_i before computing."""
        spec = self.spec
        if spec.pair_latency is not None:
            return spec.pair_latency[i][k]
        if spec.kind == "placement":
            total = self.wireless(i, self.load[i]) + self.wired(i, k, self.load[i])
            return total + (spec.passes - 1) * self.wired(i, k, spec.data[i])
        passes = spec.passes if spec.interaction == "construction" else 1
        total = self.wireless(i, self.load[i]) + passes * self.wired(i, k, self.load[i])
        return total + spec.migration_weight * self.moving(i, k)

    def judged_transfer(self, i: int, k: int) -> float:
        """The part before computing of what the deadline bounds: T_ini of P1, T_i(t) of P2."""
        spec = self.spec
        if spec.pair_latency is not None or spec.kind == "migration":
            return self.transfer(i, k)
        return self.wireless(i, spec.data[i]) + spec.passes * self.wired(i, k, spec.data[i])

    def energy(self, i: int) -> float:
        """(19); nan for a user without power and without coverage."""
        spec = self.spec
        if spec.gain is None:
            return 0.0
        bits = spec.data[i] if spec.kind == "placement" else self.load[i]
        return spec.power[i] * self.wireless(i, bits)

    def _margin(self, value: float, limit: float) -> int:
        """Return the verdict on value <= limit with the relative tolerance."""
        if value <= limit * (1 + self.tolerance - ROUNDING):
            return YES
        return CLOSE if value <= limit * (1 + self.tolerance + ROUNDING) else NO

    # --- one server ---------------------------------------------------------------------------------------------------

    def server(self, k: int, users: tuple[int, ...]) -> tuple[int, tuple[Member, ...], bool]:
        """Return verdict and members of server k with these twins, and whether its shares are uncertain."""
        key = (k, users)
        if key not in self._servers:
            self._servers[key] = self._server(k, users)
        return self._servers[key]

    def _server(self, k: int, users: tuple[int, ...]) -> tuple[int, tuple[Member, ...], bool]:
        spec, verdict = self.spec, YES
        if spec.kind == "migration" and spec.servers is not None and k not in spec.servers:
            verdict = NO
        room = spec.capacity[k]
        if room is not None and len(users) > room:
            verdict = NO
        lowest, highest, shares_verdict = self._shares(k, users)
        verdict = min(verdict, shares_verdict)
        members = []
        for i, low, high in zip(users, lowest, highest, strict=True):
            work, judged = spec.kappa * self.load[i], spec.kappa * self.judged[i]
            latency = tuple(self.transfer(i, k) + _compute(work, f) for f in (high, low))
            late = tuple(self.judged_transfer(i, k) + _compute(judged, f) for f in (high, low))
            members.append(Member(latency, late, (low, high)))
            # Where shares follow floors `_shares` has decided, except on twins with nothing to compute.
            bound = spec.deadline == "hard" and spec.tau[i] < INF and (not self._floors or judged == 0)
            if math.isinf(latency[0]):
                verdict = NO
            elif bound:
                verdict = min(verdict, self._margin(late[1], spec.tau[i]))
        return verdict, tuple(members), self._floors and shares_verdict == CLOSE

    @cached_property
    def _floors(self) -> bool:
        spec = self.spec
        return spec.sharing == "optimal" and spec.deadline == "hard" and any(t < INF for t in spec.tau)

    def floor(self, i: int, k: int, slack: float) -> float:
        """Return the least share with which user i meets its deadline times 1 + slack on server k."""
        work = self.spec.kappa * self.judged[i]
        left = self.spec.tau[i] * (1 + slack) - self.judged_transfer(i, k)
        if work == 0:
            return 0.0
        return work / left if left > 0 else INF

    def _shares(self, k: int, users: tuple[int, ...]) -> tuple[list[float], list[float], int]:
        """Return the least and the largest share of each user, and the verdict on CPU and floors."""
        spec, cpu = self.spec, self.spec.cpu[k]
        if spec.sharing == "fixed":
            assert spec.demand is not None
            shares = [spec.demand[i][k] for i in users]
            return shares, shares, self._margin(math.fsum(shares), cpu)
        if spec.sharing == "equal":
            shares = [cpu / len(users)] * len(users)
            return shares, shares, YES
        weight = [math.sqrt(spec.kappa * self.load[i]) for i in users]
        if not self._floors:
            level = fill(weight, [0.0] * len(users), cpu)
            shares = [level * s if s > 0 else 0.0 for s in weight]
            return shares, shares, YES
        tight = [self.floor(i, k, 0.0) for i in users]
        loose = [self.floor(i, k, self.tolerance + ROUNDING) for i in users]
        wide = cpu * (1 + self.tolerance + ROUNDING)
        most = fill(weight, loose, wide)
        if math.isnan(most):
            # No shares meet the deadlines: they are those without deadlines.
            level = fill(weight, [0.0] * len(users), cpu)
            shares = [level * s if s > 0 else 0.0 for s in weight]
            return shares, shares, NO
        least = fill(weight, tight, cpu)
        verdict = CLOSE if math.isnan(least) else YES
        least = 0.0 if math.isnan(least) else least
        low = [max(f, least * s) if s > 0 else f for f, s in zip(loose, weight, strict=True)]
        high = [max(f, most * s) if s > 0 else f for f, s in zip(tight, weight, strict=True)]
        return low, high, verdict

    # --- one association ----------------------------------------------------------------------------------------------

    def outcome(self, association: tuple[int, ...], n_open: int | None = None) -> Outcome:
        """Return what the equations say of an association with its servers open, or with more open servers."""
        spec, verdict = self.spec, YES
        groups: dict[int, list[int]] = {}
        for i, k in enumerate(association):
            groups.setdefault(k, []).append(i)
        members: list[Member | None] = [None] * spec.n
        open_shares = False
        for k, users in groups.items():
            one, found, uncertain = self.server(k, tuple(users))
            verdict, open_shares = min(verdict, one), open_shares or uncertain
            for i, member in zip(users, found, strict=True):
                members[i] = member
        n_open = len(groups) if n_open is None else n_open
        if spec.kind == "placement" and spec.max_servers is not None and n_open > spec.max_servers:
            verdict = NO
        done = tuple(member for member in members if member is not None)
        low, high, scale = self._placement(done, n_open) if spec.kind == "placement" else self._migration(done)
        return Outcome(association, verdict, low, high, scale, done, open_shares)

    def lateness(self, member: Member, i: int) -> Interval:
        """Return the seconds past the deadline; under hard deadlines 0 within the tolerance."""
        tau = self.spec.tau[i]
        if self.spec.deadline == "soft":
            return tuple(max(0.0, late - tau) if late > tau else 0.0 for late in member.late)
        return tuple(
            max(0.0, late - tau) if late - tau > (self.tolerance + shift) * tau else 0.0
            for late, shift in zip(member.late, (ROUNDING, -ROUNDING), strict=True)
        )

    def is_late(self, member: Member, i: int) -> tuple[bool, bool]:
        """Return whether the deadline is missed by more than the tolerance, at both ends of the interval."""
        tau = self.spec.tau[i]
        return tuple(
            late > tau * (1 + self.tolerance + shift)
            for late, shift in zip(member.late, (ROUNDING, -ROUNDING), strict=True)
        )

    def penalty(self, members: tuple[Member, ...], end: int) -> float:
        if self.spec.deadline != "soft":
            return 0.0
        # A penalty of 0 for an endless lateness is 0.
        late = math.fsum(self.lateness(member, i)[end] for i, member in enumerate(members))
        return self.spec.penalty * late if self.spec.penalty else 0.0

    def _placement(self, members: tuple[Member, ...], n_open: int) -> tuple[float, float, float]:
        """(13), (14), (25), (26)."""
        spec, ends = self.spec, []
        energy = math.fsum(self.energy(i) for i in range(spec.n))
        for end in (0, 1):
            mean = math.fsum(member.latency[end] for member in members) / spec.n
            penalty = self.penalty(members, end) / spec.n
            if spec.objective == "latency":
                ends.append(mean + penalty)
            else:
                servers = spec.cost_weight * spec.server_cost * n_open
                # Without weight an endless energy counts for nothing: the user is not covered in any case.
                used = spec.cost_weight * energy if spec.cost_weight else 0.0
                ends.append(spec.alpha * (mean + penalty) + servers + used)
        size = math.fsum(abs(member.latency[1]) for member in members) / spec.n
        return ends[0], ends[1], max(abs(ends[1]), size * (spec.alpha if spec.objective == "system-cost" else 1.0))

    def _migration(self, members: tuple[Member, ...]) -> tuple[float, float, float]:
        """(20), (21), as a cost."""
        spec = self.spec
        energy = (1 - spec.beta) * math.fsum(self.energy(i) for i in range(spec.n))
        ends, scale = [], 0.0
        for end in (0, 1):
            joy = spec.beta * math.fsum(math.exp(spec.tau[i] - member.latency[end]) for i, member in enumerate(members))
            penalty = self.penalty(members, end)
            ends.append(energy + penalty - joy)
            scale = max(scale, energy + penalty + joy)
        return ends[0], ends[1], scale

    def associations(self) -> list[Outcome]:
        """Return the outcome of every association. An open server without twins never pays, so none is tried."""
        return [self.outcome(a) for a in itertools.product(range(self.spec.m), repeat=self.spec.n)]


def _compute(cycles: float, share: float) -> float:
    """(9)."""
    if cycles == 0:
        return 0.0
    return cycles / share if share > 0 else INF
