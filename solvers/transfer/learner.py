"""Algorithm 2: twins' models that move with the twins, their experience, and how both are merged and trained.

The paper leaves much open; what is done here, and what else an option has, is told in docs/transfer.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from dtopt.arrays import choice, int_array, number
from dtopt.elementary import exp
from solvers._core import model_gradients, model_values
from solvers.policy_online.view import PAIR_FEATURES, USER_FEATURES
from solvers.transfer.models import adam, parameters, random_models

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dtopt.arrays import FloatArray, IntArray
    from dtopt.problem import Migration
    from solvers.policy_online.view import View

    Bools = NDArray[np.bool_]

__all__ = ["INPUTS", "Learner", "Mixing", "Options", "Slot", "Trajectory", "seen", "state_of"]

Trajectory = Literal["recency", "uniform", "dwell"]
Mixing = Literal["convex", "printed"]

#: What a model is shown of a user and a server: (22) in seconds of wire, where the user has been and is going to.
STATE = (
    "wire now",
    "computing",
    "pressure",
    "is where the twin is",
    "move to it",
    "moves from it",
    "wire 1 before",
    "wire 4 before",
    "wire to the user's place",
    "how fast that falls",
    "wire, mean before",
    "wire 3 ahead, constant",
    "wire 6 ahead, constant",
    "seconds of wire for the mean distance",
    "speed",
)
_COLUMNS = [(*PAIR_FEATURES, *USER_FEATURES).index(name) for name in STATE]
INPUTS = len(STATE)
#: Bytes of a number that is sent.
BYTES = 4
#: Experience kept in all, for each user of the scenario.
KEPT = 40


@dataclass(frozen=True)
class Options:
    """How models are moved and trained.

    Parameters
    ----------
    hidden : int
        Width of a model's hidden layer.
    discount : float
        γ, 0.7 in Table II.
    batch : int
        Samples of a model in a step, 32 in Table II.
    learning_rate : float
        0.001 in Table II, for 5000 iterations; here a model has a few hundred.
    updates : int
        Steps in a slot: line 7 of Algorithm 2.
    carried : int
        The user's newest samples that go with its model.
    aggregate, merge, fine_tune : bool
        (32), (33) and (34); off, a target begins with the source's model, with no samples but its own, and trains
        without being drawn to the source.
    weights : Trajectory
        w_p of (32), of the servers where the twin has been: ``recency``, each 1/2 of the one after it; ``uniform``;
        ``dwell``, in proportion to the slots spent there.
    mixing : Mixing
        (34): ``convex``, θ ← (1 − ρ) θ + ρ θ_src; ``printed``, θ ← θ + ρ θ_src.
    rho : float
        ρ of (34).
    """

    hidden: int = 12
    discount: float = 0.9
    batch: int = 32
    learning_rate: float = 1e-2
    updates: int = 4
    carried: int = 16
    aggregate: bool = True
    merge: bool = True
    fine_tune: bool = True
    weights: Trajectory = "recency"
    mixing: Mixing = "convex"
    rho: float = 0.02

    def __post_init__(self) -> None:
        for name, least in (("hidden", 1), ("batch", 1), ("updates", 0), ("carried", 0)):
            int_array(getattr(self, name), name, shape=(), minimum=least)
        number(self.discount, "discount", minimum=0.0, maximum=1.0)
        number(self.learning_rate, "learning_rate", minimum=0.0, exclusive=True)
        number(self.rho, "rho", minimum=0.0, maximum=1.0)
        choice(self.weights, "weights", Trajectory)
        choice(self.mixing, "mixing", Mixing)

    @property
    def parameters(self) -> int:
        """Parameters of a model."""
        return parameters(INPUTS, self.hidden)

    def bits(self, servers: int) -> float:
        """Return what goes with a twin, bit: its model, and the samples that (33) merges."""
        sample = 2 * servers * INPUTS + servers * servers
        return 8.0 * BYTES * (self.parameters + (self.carried * sample if self.merge else 0))


class Slot(NamedTuple):
    """What a slot tells of n users and S servers.

    users, shape (n,), of the scenario; state, shape (n, S, `INPUTS`); left, shape (n, S), the time left before moving,
    at the loads before the slot; move, shape (n,), s/m; between, shape (S, S); unit, shape (n,), see
    `solvers.policy_online.view.View`.
    """

    users: IntArray
    state: FloatArray
    left: FloatArray
    move: FloatArray
    between: FloatArray
    unit: FloatArray
    beta: float
    penalty: float


def state_of(view: View) -> FloatArray:
    """Return what models are shown, shape (n, S, `INPUTS`)."""
    return np.ascontiguousarray(view.shown[..., _COLUMNS], dtype=np.float64)


def seen(users: IntArray, view: View, move: FloatArray) -> Slot:
    """Return what a slot tells, from its view and the seconds that moving each twin takes for a metre."""
    u = view.arrays
    old = view.column >= 0
    there = np.bincount(view.column[old], weights=u.size[old], minlength=u.part.size) * u.part
    here = np.arange(u.part.size) == view.column[:, None]
    level = there + np.where(here, 0.0, u.size[:, None] * u.part)
    left = np.where(np.isfinite(u.slack), u.slack + view.away - u.growth[:, None] * u.rate * level, -np.inf)
    return Slot(users, state_of(view), left, move, view.between, view.unit, u.beta, u.penalty)


class Learner:
    """Models and experience of N users on S servers.

    Parameters
    ----------
    options : Options
    users, servers : int
        N, of the scenario; S.
    source : ndarray, shape (P,), optional
        The trained model that all begin with; random ones where not given.
    transfers : bool
        Whether models move with twins (Algorithm 2); otherwise a twin that has moved begins anew.
    seed : int
    """

    def __init__(
        self, options: Options, users: int, servers: int, *, source: FloatArray | None, transfers: bool, seed: int
    ) -> None:
        self.options, self.transfers, self.seed, self.slot = options, transfers, seed, 0
        self.source = source
        random = np.random.default_rng([seed, 0])
        self.model = self._fresh(random, users)
        width = self.model.shape[1]
        #: θ_src of (34), the model that came with the twin.
        self.origin = self.model.copy()
        self.first, self.second = np.zeros((users, width)), np.zeros((users, width))
        self.steps = np.zeros(users, dtype=np.int64)
        self.server = np.full(users, -1, dtype=np.int64)
        #: Models as they were when the twin last left a server, when that was, and the slots spent there.
        self.left_model = np.zeros((users, servers, width))
        self.left_slot = np.full((users, servers), -1, dtype=np.int64)
        self.dwell = np.zeros((users, servers), dtype=np.int64)
        room = KEPT * users
        self.before, self.after = np.zeros((room, servers, INPUTS)), np.zeros((room, servers, INPUTS))
        self.gain = np.zeros((room, servers, servers))
        self.owner, self.count = np.full(room, -1, dtype=np.int64), 0
        #: Which servers hold a sample.
        self.held: Bools = np.zeros((room, servers), dtype=bool)
        self.last: Slot | None = None

    def _fresh(self, random: np.random.Generator, count: int) -> FloatArray:
        if self.source is not None:
            return np.repeat(self.source[None], count, axis=0)
        return random_models(random, count, INPUTS, self.options.hidden)

    def value(self, users: IntArray, state: FloatArray) -> FloatArray:
        """Return what servers are worth after this slot by the users' models, shape (n, S), in the users' unit."""
        return model_values(self.model[users], state, self.options.hidden)

    # --- what a slot brings ---------------------------------------------------------------------------------------

    def follow(self, users: IntArray, problem: Migration, view: View, association: IntArray) -> None:
        """Take in a slot and what was decided in it: its experience is kept, and models go with their twins."""
        self.experience(seen(users, view, problem.move_seconds_per_m))
        self.migrate(users, np.searchsorted(view.servers, association))

    def experience(self, now: Slot) -> None:
        """Keep what this slot says of the one before, at the servers that the twins are on."""
        was, self.last = self.last, now
        if was is None:
            return
        _, old, new = np.intersect1d(was.users, now.users, assume_unique=True, return_indices=True)
        able = np.isfinite(now.left[new]).all(axis=1) & (self.server[now.users[new]] >= 0)
        old, new = old[able], new[able]
        left = now.left[new][:, None, :] - now.move[new][:, None, None] * now.between
        gain = now.beta * exp(np.minimum(left, 30.0)) + now.penalty * np.minimum(left, 0.0)
        at = (self.count + np.arange(new.size)) % self.owner.size
        self.count += new.size
        self.before[at], self.after[at] = was.state[old], now.state[new]
        self.gain[at] = gain / np.maximum(now.unit[new], 1e-9)[:, None, None]
        self.owner[at] = now.users[new]
        self.held[at] = False
        self.held[at, self.server[now.users[new]]] = True

    def migrate(self, users: IntArray, server: IntArray) -> None:
        """Move models to where twins go: lines 2 to 6 of Algorithm 2, (32) and (33).

        Parameters
        ----------
        users, server : ndarray of int, shape (n,)
            Who is there in this slot, and on which server (column) after it.
        """
        self.slot += 1
        random = np.random.default_rng([self.seed, self.slot])
        gone = np.ones(self.server.size, dtype=bool)
        gone[users] = False
        self._forget(np.flatnonzero(gone & (self.server >= 0)))
        was = self.server[users]
        new, moved = was < 0, (was >= 0) & (was != server)
        self._begin(users[new], server[new], random)
        if moved.any():
            self._move(users[moved], was[moved], server[moved], random)
        self.server[users] = server
        self.dwell[users, server] += 1

    def _forget(self, users: IntArray) -> None:
        """Let go of users who left: whoever comes back has a new twin."""
        self.server[users] = -1
        self.left_slot[users], self.dwell[users] = -1, 0
        self.owner[np.isin(self.owner, users)] = -2

    def _begin(self, users: IntArray, server: IntArray, random: np.random.Generator) -> None:
        """Give new twins a model: the mean of those that their server has, which is all that it knows."""
        self.model[users] = self._fresh(random, users.size)
        if self.transfers and self.source is None:
            for k in np.unique(server):
                others = np.flatnonzero(self.server == k)
                if others.size:
                    self.model[users[server == k]] = self.model[others].mean(axis=0)
        self._restart(users)

    def _move(self, users: IntArray, was: IntArray, server: IntArray, random: np.random.Generator) -> None:
        if not self.transfers:
            self.model[users] = random_models(random, users.size, INPUTS, self.options.hidden)
            self.owner[np.isin(self.owner, users)] = -2
            self._restart(users)
            return
        self.left_model[users, was], self.left_slot[users, was] = self.model[users], self.slot
        if self.options.aggregate:
            weight = self._trajectory(users)
            self.model[users] = (weight[:, :, None] * self.left_model[users]).sum(axis=1)
        self._restart(users)
        if self.options.merge:
            # In order of age: the ring's oldest sample is the one that is written next.
            order = (self.count + np.arange(self.owner.size)) % self.owner.size
            for user, k in zip(users.tolist(), server.tolist(), strict=True):
                own = order[self.owner[order] == user]
                self.held[own[max(0, own.size - self.options.carried) :], k] = True

    def _trajectory(self, users: IntArray) -> FloatArray:
        """Return w of (32) for the servers that twins have left, shape (n, S); they sum to 1."""
        left = self.left_slot[users]
        been = left >= 0
        if self.options.weights == "recency":
            rank = (left[:, None, :] > left[:, :, None]).sum(axis=2)
            weight = np.where(been, 0.5**rank, 0.0)
        elif self.options.weights == "dwell":
            weight = np.where(been, np.maximum(self.dwell[users], 1), 0.0).astype(np.float64)
        else:
            weight = been.astype(np.float64)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _restart(self, users: IntArray) -> None:
        self.origin[users] = self.model[users]
        self.first[users], self.second[users], self.steps[users] = 0.0, 0.0, 0

    # --- training -------------------------------------------------------------------------------------------------

    def train(self, updates: int | None = None) -> None:
        """Train the models of the twins that are there on the experience of their servers; (34) after each step."""
        random = np.random.default_rng([self.seed, self.slot, 1])
        for _ in range(self.options.updates if updates is None else updates):
            self.iterate(random)

    def iterate(self, random: np.random.Generator) -> None:
        """Do one iteration: a step of every model."""
        options = self.options
        users = np.flatnonzero(self.server >= 0)
        chosen = np.full((users.size, options.batch), -1, dtype=np.int64)
        for k in range(self.held.shape[1]):
            here = np.flatnonzero(self.held[:, k] & (self.owner != -1))
            some = np.flatnonzero(self.server[users] == k)
            if here.size and some.size:
                chosen[some] = here[random.integers(0, here.size, (some.size, options.batch))]
        model = self.model[users]
        slope, _ = model_gradients(model, chosen, self.before, self.after, self.gain, options.discount, options.hidden)
        first, second, steps = self.first[users], self.second[users], self.steps[users]
        adam(model, slope, first, second, steps, options.learning_rate)
        self.first[users], self.second[users], self.steps[users] = first, second, steps
        if self.transfers and options.fine_tune:
            kept = 1.0 - options.rho if options.mixing == "convex" else 1.0
            model = kept * model + options.rho * self.origin[users]
        self.model[users] = model
