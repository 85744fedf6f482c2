"""The compiled core of the searches; see `solvers/core/`."""

import enum
from typing import Annotated

import dtopt._core
import numpy
from numpy.typing import NDArray


class Sharing(enum.Enum):
    """How servers share their CPU."""

    FIXED = 0

    OPTIMAL = 1

    EQUAL = 2

class PairData(enum.Enum):
    """What the view of a placement says of pairs beside their costs."""

    NONE = 0

    FITTING = 1
    """The part of the server's CPU that must be set aside."""

    CLAMPED = 2
    """Such a part that clamps shares under optimal sharing."""

    LIMITED = 3
    """The largest number of twins among which the user keeps its deadline."""

    LATE = 4
    """
    a such that the user is late by a + b x / F; see `solvers/core/placement.hpp`.
    """

class PlacementView:
    """
    A P1 problem as the searches read it; see `solvers/core/placement.hpp`.
    """

    def __init__(self, *, station: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], cost: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], more: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)] | None, size: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], rate: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], near: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], cpu: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], opening: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], capacity: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], penalty: float, max_open: int, sharing: Sharing, data: PairData, dense: bool) -> None: ...

    @property
    def n_users(self) -> int: ...

    @property
    def n_servers(self) -> int: ...

    @property
    def width(self) -> int:
        """Servers in each user's list."""

    @property
    def sharing(self) -> Sharing: ...

    @property
    def data(self) -> PairData: ...

    @property
    def dense(self) -> bool: ...

    @property
    def max_open(self) -> int: ...

class PenaltyParams:
    """How excess is penalised, and which gains count."""

    def __init__(self) -> None: ...

    @property
    def strict(self) -> float:
        """Weight of excess, times the cost of the association loaded."""

    @strict.setter
    def strict(self, arg: float, /) -> None: ...

    @property
    def overfull(self) -> float:
        """An overfull CPU counts as this much fuller than it is."""

    @overfull.setter
    def overfull(self, arg: float, /) -> None: ...

    @property
    def least_gain(self) -> float:
        """Part of that cost that a move must gain."""

    @least_gain.setter
    def least_gain(self, arg: float, /) -> None: ...

class Stage(enum.Enum):
    """
    Which moves a descent makes; each stage has those of the stages before it too.
    """

    SWEEP = 0
    """One sweep of shifts."""

    SHIFTS = 1
    """Shifts until none helps."""

    SWAPS = 2

    EJECTIONS = 3

class ServerState:
    """A server with its users."""

    @property
    def load(self) -> float:
        """Sum of their sizes."""

    @property
    def used(self) -> float:
        """Part of the CPU set aside."""

    @property
    def value(self) -> float:
        """Its cost, opening left out."""

    @property
    def urgency(self) -> float:
        """How soon the most urgent deadline matters."""

    @property
    def limit(self) -> int:
        """The largest number of users that they themselves allow."""

    @property
    def weight(self) -> float:
        """Penalty of one CPU, or of one place, in excess."""

    @property
    def members(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]: ...

class Mark:
    """Where undoing leads back to."""

class PlacementState:
    """
    An association under way: exact cost, excess, moves; see `solvers/core/placement_state.hpp`.
    """

    def __init__(self, view: PlacementView, penalties: PenaltyParams = ...) -> None: ...

    def load(self, slots: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None:
        """
        Begin from the slot of each user's server in its list, int32, shape (N,).
        """

    @property
    def cost(self) -> float:
        """Of the association, excess left out."""

    @property
    def excess(self) -> float:
        """Penalty of what breaks constraints."""

    @property
    def is_feasible(self) -> bool: ...

    @property
    def has_overload(self) -> bool: ...

    @property
    def open_servers(self) -> int: ...

    @property
    def slots(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]: ...

    def server(self, server: int) -> ServerState: ...

    def leaving(self, user: int) -> float:
        """Return what cost and excess change when a user leaves its server."""

    def joining(self, user: int, slot: int) -> float:
        """
        Return what they change when a user joins another server, its opening left out.
        """

    def shift(self, user: int, slot: int) -> None:
        """Move a user to another server."""

    def mark(self) -> Mark: ...

    def undo(self, mark: Mark) -> None:
        """Undo the moves since a mark."""

    def forget(self) -> None:
        """Empty the log of moves."""

    def best_shift(self, user: int, enough: float) -> tuple[float, int]:
        """
        Return what the best shift of a user changes, and its slot: -1 if none is better.
        """

    def best_swap(self, user: int, partners: int, random: dtopt._core.Random) -> tuple[int, int, int]:
        """
        Return with whom a user should change servers, and the slots that both go to; -1 if that does not help.
        """

    def sweep(self, users: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], cancellation: dtopt._core.Cancellation) -> int:
        """Shift users to their best open servers; return how many moved."""

    def exchange(self, users: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], partners: int, ejections: bool, random: dtopt._core.Random, cancellation: dtopt._core.Cancellation) -> int:
        """Swap users where that helps, or else eject; return how often."""

    def settle(self, users: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], stage: Stage, passes: int, partners: int, random: dtopt._core.Random, cancellation: dtopt._core.Cancellation) -> None:
        """Descend by the moves of a stage."""

class LocalSearchParams(PenaltyParams):
    """
    The tunables of local search; see `solvers/core/local_search_params.hpp`.
    """

    def __init__(self) -> None: ...

    @property
    def region_users(self) -> int:
        """Users that an iteration should look at; a small problem has no more."""

    @region_users.setter
    def region_users(self, arg: int, /) -> None: ...

    @property
    def partners(self) -> int:
        """Users of each server that a user may swap with, in large problems."""

    @partners.setter
    def partners(self, arg: int, /) -> None: ...

    @property
    def passes(self) -> int:
        """Rounds of a descent at most, in large problems."""

    @passes.setter
    def passes(self, arg: int, /) -> None: ...

    @property
    def small_passes(self) -> int:
        """Rounds of a descent at most, in small problems."""

    @small_passes.setter
    def small_passes(self, arg: int, /) -> None: ...

    @property
    def sweeps(self) -> int:
        """Sweeps over all users at most."""

    @sweeps.setter
    def sweeps(self, arg: int, /) -> None: ...

    @property
    def settled(self) -> float:
        """A sweep that moves less than this part of the users is the last."""

    @settled.setter
    def settled(self, arg: float, /) -> None: ...

    @property
    def wide_reach(self) -> int:
        """Open servers around one that a wide iteration looks at, at most."""

    @wide_reach.setter
    def wide_reach(self, arg: int, /) -> None: ...

    @property
    def wide_users(self) -> int:
        """Users that a wide iteration looks at, at most."""

    @wide_users.setter
    def wide_users(self, arg: int, /) -> None: ...

    @property
    def swap_gain(self) -> float:
        """What swaps may gain then, a part of the cost by servers."""

    @swap_gain.setter
    def swap_gain(self, arg: float, /) -> None: ...

    @property
    def kicks(self) -> int:
        """Of 64 iterations, those that move users at random (small problems)."""

    @kicks.setter
    def kicks(self, arg: int, /) -> None: ...

    @property
    def exchanges(self) -> int:
        """Of 64 iterations, those that exchange servers."""

    @exchanges.setter
    def exchanges(self, arg: int, /) -> None: ...

    @property
    def least_kicked(self) -> int:
        """Users that a kick moves."""

    @least_kicked.setter
    def least_kicked(self, arg: int, /) -> None: ...

    @property
    def more_kicked(self) -> int:
        """Users that it may move beside."""

    @more_kicked.setter
    def more_kicked(self, arg: int, /) -> None: ...

    @property
    def draws(self) -> int:
        """Draws of a server near another, until one fits."""

    @draws.setter
    def draws(self, arg: int, /) -> None: ...

    @property
    def nearest(self) -> int:
        """Servers near the first disturbance among which the second one is."""

    @nearest.setter
    def nearest(self, arg: int, /) -> None: ...

    @property
    def first_gain(self) -> float:
        """What a stage of a descent may gain before it was seen."""

    @first_gain.setter
    def first_gain(self, arg: float, /) -> None: ...

    @property
    def smoothing(self) -> float:
        """How fast what a stage was seen to gain is forgotten."""

    @smoothing.setter
    def smoothing(self, arg: float, /) -> None: ...

    @property
    def threshold(self) -> float:
        """Acceptance above the incumbent, a part of the cost by servers."""

    @threshold.setter
    def threshold(self, arg: float, /) -> None: ...

    @property
    def threshold_fitting(self) -> float:
        """The same under fixed sharing."""

    @threshold_fitting.setter
    def threshold_fitting(self, arg: float, /) -> None: ...

    @property
    def few_servers(self) -> int:
        """Up to this many servers, parts of the cost are per server alone."""

    @few_servers.setter
    def few_servers(self, arg: int, /) -> None: ...

    @property
    def drift(self) -> int:
        """
        Moves, beyond half the users, after which it goes back to the incumbent.
        """

    @drift.setter
    def drift(self, arg: int, /) -> None: ...

    @property
    def resum_moves(self) -> int:
        """Moves, beyond ten times the users, after which sums are made again."""

    @resum_moves.setter
    def resum_moves(self, arg: int, /) -> None: ...

    @property
    def ease(self) -> float:
        """Factor of weights after an iteration without overload, in oscillation."""

    @ease.setter
    def ease(self, arg: float, /) -> None: ...

    @property
    def press(self) -> float:
        """Factor of weights of overloaded servers."""

    @press.setter
    def press(self, arg: float, /) -> None: ...

    @property
    def first_weight(self) -> float:
        """Weight to begin oscillation with, a part of the cost by servers."""

    @first_weight.setter
    def first_weight(self, arg: float, /) -> None: ...

class LocalSearch:
    """
    An iterated local search over the users and servers of a view; see `solvers/core/local_search.hpp`.

    Parameters
    ----------
    view : PlacementView
    params : LocalSearchParams
    seed : int
    """

    def __init__(self, view: PlacementView, params: LocalSearchParams, seed: int) -> None: ...

    def start(self, association: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, closed: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None) -> None:
        """
        Begin from an association, or from users placed in random order at least marginal cost.

        Parameters
        ----------
        association : ndarray of int64, shape (N,), optional
            Users whose server is not in their list go to the first of it.
        closed : ndarray of bool, shape (M,), optional
            Servers that users are placed on only where they have no other.
        """

    def focus(self, servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None:
        """
        Begin iterations at these servers, those that are given more often more often.
        """

    def oscillate(self) -> None:
        """From now on, walk through associations that break constraints too."""

    def descend(self, cancellation: dtopt._core.Cancellation) -> None:
        """Shift all users to their best servers until that no longer helps."""

    def polish(self, cancellation: dtopt._core.Cancellation) -> None:
        """Shift and swap all users until that hardly helps any more."""

    def close_servers(self, cancellation: dtopt._core.Cancellation) -> None:
        """Close servers, those first whose closing gains most, until none does."""

    def advance(self, iterations: int, cancellation: dtopt._core.Cancellation) -> None:
        """Do iterations."""

    def advance_widely(self, cancellation: dtopt._core.Cancellation) -> None:
        """Do an iteration that looks far around, for large problems."""

    def best(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
        """
        Return the best association so far, int64, shape (N,); the one at hand where none was feasible.
        """

    @property
    def best_cost(self) -> float:
        """Cost of the best feasible association so far, infinite without one."""

    @property
    def iterations(self) -> int:
        """Iterations done, attempts to close servers included."""

    @property
    def improved_at(self) -> int:
        """The iteration that found the best association."""

    @property
    def is_small(self) -> bool:
        """
        Whether an iteration may look at all users, and every move may be tried.
        """

    @property
    def looks_near(self) -> bool:
        """
        Whether an iteration looks at much less around a server than a wide one.
        """

    @property
    def reach(self) -> int:
        """Open servers around one that an iteration looks at."""

    @property
    def logged(self) -> int:
        """Moves away from the best association."""

    @property
    def params(self) -> LocalSearchParams: ...

class ClimbParams:
    """How prices are raised: deflected subgradients, Polyak's steps."""

    def __init__(self) -> None: ...

    @property
    def steps(self) -> int: ...

    @steps.setter
    def steps(self, arg: int, /) -> None: ...

    @property
    def memory(self) -> float:
        """Weight of the direction before in the next one."""

    @memory.setter
    def memory(self, arg: float, /) -> None: ...

    @property
    def patience(self) -> int:
        """Steps without progress, then the step is halved."""

    @patience.setter
    def patience(self, arg: int, /) -> None: ...

    @property
    def least_gain(self) -> float:
        """Part of the value that counts as progress."""

    @least_gain.setter
    def least_gain(self, arg: float, /) -> None: ...

    @property
    def shortest(self) -> float:
        """Length of a step at which the ascent ends."""

    @shortest.setter
    def shortest(self, arg: float, /) -> None: ...

class KnapsackDual:
    """
    The Lagrangian dual of P1 under fixed sharing with whole knapsacks.

    The value at prices π on users is constant + Σ π + Σ_k min(0, empty_k + min {Σ_i (c_ki − π_i) x_i :
    Σ_i w_ki x_i ≤ room_k}), without the outer min where a server is forced open.

    Parameters
    ----------
    cost : ndarray, shape (M, N)
        Infinite where the pair is not allowed.
    weight : ndarray of int, shape (M, N)
    room : ndarray of int, shape (M,)
    empty : ndarray, shape (M,)
        What each server costs without users.
    forced : ndarray of bool, shape (M,)
    constant : float
    prices : ndarray, shape (N,)
        To start from.
    """

    def __init__(self, cost: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], weight: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], room: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], empty: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], forced: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)], constant: float, prices: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    @property
    def value(self) -> float:
        """The best value so far: a lower bound."""

    @property
    def prices(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
        """The prices of the best value."""

    @prices.setter
    def prices(self, arg: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], /) -> None: ...

    def ascend(self, target: float, params: ClimbParams, cancellation: dtopt._core.Cancellation) -> float:
        """Raise the value towards a target; return the best one."""

    def pair_bounds(self, cancellation: dtopt._core.Cancellation) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None))]:
        """
        Return lower bounds on the cost with each user on each server, shape (M, N); -inf where cancelled.
        """

    def keep(self, kept: Annotated[NDArray[numpy.bool_], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> None:
        """Leave out the pairs that are not kept, shape (N, M)."""

class NeighbourhoodParams(ClimbParams):
    """The tunables of `NeighbourhoodSearch`."""

    def __init__(self) -> None: ...

    @property
    def grains(self) -> int:
        """That a server's load is cut into under optimal sharing."""

    @grains.setter
    def grains(self, arg: int, /) -> None: ...

    @property
    def growth(self) -> float:
        """
        Load or count of a server is at most this times the larger of its own and its share of all.
        """

    @growth.setter
    def growth(self, arg: float, /) -> None: ...

    @property
    def most_entries(self) -> int:
        """Entries of all tables; larger neighbourhoods are left alone."""

    @most_entries.setter
    def most_entries(self, arg: int, /) -> None: ...

    @property
    def first_part(self) -> float:
        """
        Part of the way from bound to cutoff: what is much better is looked for first.
        """

    @first_part.setter
    def first_part(self, arg: float, /) -> None: ...

class NeighbourhoodOutcome:
    """What came of a neighbourhood."""

    @property
    def association(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))] | None:
        """
        The whole association with a better one of these users, shape (N,); None where none was found.
        """

    @property
    def change(self) -> float:
        """Of the cost; infinite without an association."""

    @property
    def complete(self) -> bool:
        """
        Whether nothing better than the association returned is possible here, up to rounding.
        """

    @property
    def nodes(self) -> int:
        """Nodes of branch and bound."""

class NeighbourhoodSearch:
    """
    Solves a few servers and all their users together, the rest fixed; see `solvers/core/neighbourhood.hpp`.

    Parameters
    ----------
    view : PlacementView
        With all pairs listed.
    user_prices, place_prices : ndarray, shapes (N,) and (M,)
        To start from. Those of users follow the neighbourhoods solved.
    weight, room : ndarray of int, shapes (M, N) and (M,), or None
        Demands and CPUs in grains under fixed sharing.
    params : NeighbourhoodParams
    """

    def __init__(self, view: PlacementView, user_prices: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], place_prices: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], weight: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)] | None, room: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, params: NeighbourhoodParams = ...) -> None: ...

    def solve(self, association: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], *, nodes: int, step: float, noise: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)] | None, cancellation: dtopt._core.Cancellation) -> NeighbourhoodOutcome:
        """
        Look for a better association of the users of some servers.

        Parameters
        ----------
        association : ndarray of int, shape (N,)
        servers : ndarray of int
        nodes : int
            Of branch and bound at most.
        step : float
            Costs differ by at least this.
        noise : ndarray, shape (N, M), or None
            Added to the costs of pairs: the association found is then another good one, and may be a worse one.
        cancellation : Cancellation
        """

    def bounds(self, association: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], target: float, cancellation: dtopt._core.Cancellation) -> tuple[float, float, Annotated[NDArray[numpy.float64], dict(shape=(None, None))]]:
        """
        Return the cost of the users of some servers as they are, a lower bound on it raised towards a target, and lower bounds with each of the users on each of the servers.
        """

    @property
    def prices(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
        """Of users."""

class DecoderParams:
    """How `Decoder` improves associations."""

    def __init__(self) -> None: ...

    @property
    def few_users(self) -> int:
        """Up to this many users every swap is tried."""

    @few_users.setter
    def few_users(self, arg: int, /) -> None: ...

    @property
    def partners(self) -> int:
        """With more, users of each server that a user may swap with."""

    @partners.setter
    def partners(self, arg: int, /) -> None: ...

    @property
    def settled(self) -> float:
        """
        A round that moves no more than this part of the users is the last of its kind.
        """

    @settled.setter
    def settled(self, arg: float, /) -> None: ...

class Decoder:
    """
    Turns sets of open servers and prices into associations; see `solvers/core/decoder.hpp`.

    Parameters
    ----------
    view : PlacementView
    params : DecoderParams
    """

    def __init__(self, view: PlacementView, params: DecoderParams = ...) -> None: ...

    def decode(self, is_open: Annotated[NDArray[numpy.bool_], dict(shape=(None, None), order='C', device='cpu', writable=False)], priced: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], rounds: int, swaps: bool, cancellation: dtopt._core.Cancellation) -> tuple[Annotated[NDArray[numpy.float64], dict(shape=(None,))], Annotated[NDArray[numpy.int32], dict(shape=(None, None))]]:
        """
        Return the costs and slots, shapes (K,) and (K, N), that sets of open servers, shape (K, M), lead to.
        """
