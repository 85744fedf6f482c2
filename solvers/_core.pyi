"""The compiled core of the searches; see `solvers/core/`."""

from collections.abc import Callable
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
    def slots(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]:
        """Of each user's server in its list, int32, shape (N,)."""

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
        """Users an iteration should look at; a small problem has no more."""

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

def place_at_prices(view: PlacementView, price: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], order: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]:
    """
    Return the slots, int32, of users placed in this order at least price, where there is room; -1 for none.

    Parameters
    ----------
    view : PlacementView
    price : ndarray, shape (N, C)
        Infinite or NaN where a pair is not to be used.
    order : ndarray of int64
        Users.
    """

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

    def descend(self, cancellation: dtopt._core.Cancellation, check: Callable[[], bool] | None = None) -> None:
        """
        Shift all users to their best servers until that no longer helps, or `check` returns True.
        """

    def polish(self, cancellation: dtopt._core.Cancellation, check: Callable[[], bool] | None = None) -> None:
        """
        Shift and swap all users until that hardly helps any more, or `check` returns True.
        """

    def close_servers(self, cancellation: dtopt._core.Cancellation, check: Callable[[], bool] | None = None) -> None:
        """
        Close servers, those first whose closing gains most, until none does, or `check` returns True.
        """

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
    def can_oscillate(self) -> bool:
        """Whether `oscillate` may help."""

    @property
    def slice_iterations(self) -> int:
        """
        Iterations that take far less than a tenth of a second; by sizes alone.
        """

    @property
    def reach(self) -> int:
        """Open servers around one that an iteration looks at."""

    @property
    def logged(self) -> int:
        """Moves away from the best association."""

    @property
    def gains(self) -> list[list[float]]:
        """What the stages of a descent may gain, for each kind of disturbance."""

    @property
    def params(self) -> LocalSearchParams: ...

class SetSearchParams:
    """How the search over open sets goes, and when it ends."""

    def __init__(self) -> None: ...

    @property
    def shift_sweeps(self) -> int:
        """Sweeps of shifts in a row, at most."""

    @shift_sweeps.setter
    def shift_sweeps(self, arg: int, /) -> None: ...

    @property
    def swap_sweeps(self) -> int:
        """Sweeps of swaps, and cycles of three users, at most."""

    @swap_sweeps.setter
    def swap_sweeps(self, arg: int, /) -> None: ...

    @property
    def cycled(self) -> int:
        """Users from one server to another that are tried in cycles of three."""

    @cycled.setter
    def cycled(self, arg: int, /) -> None: ...

    @property
    def kicks(self) -> int:
        """Disturbances of each set that is valued."""

    @kicks.setter
    def kicks(self, arg: int, /) -> None: ...

    @property
    def last_kicks(self) -> int:
        """Disturbances of the best set at the end."""

    @last_kicks.setter
    def last_kicks(self, arg: int, /) -> None: ...

    @property
    def hopeless(self) -> float:
        """Sets above the best cost by this part of it are not disturbed."""

    @hopeless.setter
    def hopeless(self, arg: float, /) -> None: ...

    @property
    def batch(self) -> int:
        """Sets of least bound that are valued at a time."""

    @batch.setter
    def batch(self, arg: int, /) -> None: ...

    @property
    def few_servers(self) -> int:
        """Up to this many servers all their sets are looked at."""

    @few_servers.setter
    def few_servers(self, arg: int, /) -> None: ...

    @property
    def equal_margin(self) -> float:
        """
        Under equal sharing, where bounds are estimates: sets above the best cost by this part are valued.
        """

    @equal_margin.setter
    def equal_margin(self, arg: float, /) -> None: ...

    @property
    def looks(self) -> int:
        """Bounds of sets in one search, at most."""

    @looks.setter
    def looks(self, arg: int, /) -> None: ...

    @property
    def looked_users(self) -> int:
        """Users in all these bounds, at most."""

    @looked_users.setter
    def looked_users(self, arg: int, /) -> None: ...

    @property
    def values(self) -> int:
        """Sets valued in one search, at most."""

    @values.setter
    def values(self, arg: int, /) -> None: ...

    @property
    def valued_pairs(self) -> int:
        """Pairs of users in all these values, at most."""

    @valued_pairs.setter
    def valued_pairs(self, arg: int, /) -> None: ...

    @property
    def least_values(self) -> int:
        """Sets that may be valued whatever the number of users."""

    @least_values.setter
    def least_values(self, arg: int, /) -> None: ...

class OpenSetSearch:
    """
    Which servers to open, by quick descents in sets of servers; one thread at a time.

    Parameters
    ----------
    view : PlacementView
        Dense.
    params : SetSearchParams, optional
    """

    def __init__(self, view: PlacementView, params: SetSearchParams = ...) -> None: ...

    def bound(self, servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> float:
        """
        Return a lower bound on the cost of a set of servers (an estimate under equal sharing); infinite where
        it has too few places.
        """

    def descend(self, servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], *, shift_sweeps: int, swap_sweeps: int, kicks: int = 0, hopeless: float = float('inf'), cancellation: dtopt._core.Cancellation) -> tuple[float, Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
        """
        Search among the servers of a set; return the cost and the association, -1 for users without room.
        """

    def improve(self, usable: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], cancellation: dtopt._core.Cancellation) -> tuple[float, Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
        """
        Close, open and exchange up to three usable servers while that pays; return as `descend` does.
        """

class EjectionParams:
    """How ejection chains and path relinking go; see `EjectionSearch`."""

    def __init__(self) -> None: ...

    @property
    def pool(self) -> int:
        """Elite associations that paths are laid between."""

    @pool.setter
    def pool(self, arg: int, /) -> None: ...

    @property
    def least_weight(self) -> float:
        """Least first weight of what servers lack, in mean costs of a pair."""

    @least_weight.setter
    def least_weight(self, arg: float, /) -> None: ...

    @property
    def least_gain(self) -> float:
        """Least gain of a move, in mean costs of a pair."""

    @least_gain.setter
    def least_gain(self, arg: float, /) -> None: ...

    @property
    def ease(self) -> float:
        """
        Factor of the weights after a local search that met feasible associations.
        """

    @ease.setter
    def ease(self, arg: float, /) -> None: ...

    @property
    def press(self) -> float:
        """Factor of the weights of overloaded servers after one that met none."""

    @press.setter
    def press(self, arg: float, /) -> None: ...

    @property
    def press_first(self) -> float:
        """The same as long as none has ever been met."""

    @press_first.setter
    def press_first(self, arg: float, /) -> None: ...

    @property
    def patience(self) -> int:
        """Local searches in a row that may leave the pool as it is."""

    @patience.setter
    def patience(self, arg: int, /) -> None: ...

    @property
    def way(self) -> float:
        """
        Part of the way between two elite associations that is walked, at most.
        """

    @way.setter
    def way(self, arg: float, /) -> None: ...

    @property
    def depth(self) -> int:
        """Users that one chain may move."""

    @depth.setter
    def depth(self, arg: int, /) -> None: ...

    @property
    def sample(self) -> int:
        """Steps compared at each point of a path, at most."""

    @sample.setter
    def sample(self, arg: int, /) -> None: ...

class EjectionSearch:
    """
    Ejection chains and path relinking under fixed sharing (Yagiura, Ibaraki and Glover, 2006).

    Parameters
    ----------
    view : PlacementView
        Dense, with fixed sharing.
    share_price, place_price : ndarray, shape (M,)
        Prices of a whole CPU and of a place, from a dual bound.
    usable : ndarray of bool, shape (M,)
        The servers that may be used.
    start : ndarray of int, shape (N,), or None
        Where to begin; it may break constraints.
    seed : int
    params : EjectionParams, optional

    Raises
    ------
    ValueError
        Where a user is allowed on no server.
    """

    def __init__(self, view: PlacementView, *, share_price: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], place_price: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], usable: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)], start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, seed: int, params: EjectionParams = ...) -> None: ...

    def advance(self, users: int, cancellation: dtopt._core.Cancellation) -> int:
        """
        Search the neighbourhoods of `users` users, fewer where cancelled; return how many.
        """

    @property
    def best_cost(self) -> float:
        """
        Cost of the best feasible association so far; infinite while there is none.
        """

    @property
    def best(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))] | None:
        """The best feasible association so far; None while there is none."""

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

class MigrationView:
    """
    A P2 problem as the searches read it; see `solvers/core/migration.hpp`.

    The fields are those of `dtopt.utility_segments.ServerUtility`; `bonus` is what a pair is worth beyond this slot.
    """

    def __init__(self, *, slack: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], demand: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)] | None, deadline: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], growth: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], rate: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], size: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], part: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], capacity: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], beta: float, penalty: float, hard: bool, sharing: Sharing) -> None: ...

    def with_bonus(self, bonus: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> MigrationView:
        """Return the view with another bonus of pairs, shape (N, M)."""

    def value(self, association: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> float:
        """
        Return Σ U_i and the bonuses without the constant part; -inf where a constraint is broken.
        """

    @property
    def n_users(self) -> int: ...

    @property
    def n_servers(self) -> int: ...

    @property
    def slack(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None), writable=False)]: ...

    @property
    def demand(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None), writable=False)]:
        """Shape (0, 0) but under fixed sharing."""

    @property
    def bonus(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None), writable=False)]:
        """Shape (0, 0) where there is none."""

    @property
    def deadline(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def growth(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def size(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def rate(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def part(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def capacity(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]: ...

    @property
    def beta(self) -> float: ...

    @property
    def penalty(self) -> float: ...

    @property
    def hard(self) -> bool: ...

    @property
    def sharing(self) -> Sharing: ...

class MigrationSearchParams:
    """How the local search for P2 goes."""

    def __init__(self) -> None: ...

    @property
    def least_gain(self) -> float:
        """Part of the whole that a move must gain."""

    @least_gain.setter
    def least_gain(self, arg: float, /) -> None: ...

    @property
    def most_swapped(self) -> int:
        """Users up to which pairs of them are swapped."""

    @most_swapped.setter
    def most_swapped(self, arg: int, /) -> None: ...

    @property
    def least_kicked(self) -> int:
        """Least number of users sent elsewhere at random."""

    @least_kicked.setter
    def least_kicked(self, arg: int, /) -> None: ...

    @property
    def most_kicked(self) -> int:
        """Largest number of them."""

    @most_kicked.setter
    def most_kicked(self, arg: int, /) -> None: ...

class MigrationSearch:
    """Iterated local search for P2; see `solvers/core/migration_search.hpp`."""

    def __init__(self, view: MigrationView, association: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], seed: int, params: MigrationSearchParams = ...) -> None: ...

    def run(self, iterations: int, cancellation: dtopt._core.Cancellation) -> None:
        """
        Come to a local optimum, the first time, and do some iterations; fewer where cancelled.
        """

    @property
    def association(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
        """The best association."""

    @property
    def value(self) -> float:
        """Its value, see `MigrationView.value`."""

    @property
    def iterations(self) -> int:
        """Iterations done."""

class ShiftParams:
    """How the shifts for P2 at scale go."""

    def __init__(self) -> None: ...

    @property
    def tries(self) -> int:
        """Servers of each user that are valued exactly."""

    @tries.setter
    def tries(self, arg: int, /) -> None: ...

    @property
    def passes(self) -> int:
        """Passes over all users."""

    @passes.setter
    def passes(self, arg: int, /) -> None: ...

    @property
    def least_gain(self) -> float:
        """Part of the whole that a shift must gain."""

    @least_gain.setter
    def least_gain(self, arg: float, /) -> None: ...

    @property
    def enough(self) -> float:
        """A pass that gains less than this part of the whole is the last."""

    @enough.setter
    def enough(self, arg: float, /) -> None: ...

class ShiftSearch:
    """Shifts for P2 at scale; see `solvers/core/shift_search.hpp`."""

    def __init__(self, view: MigrationView, association: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    def run(self, params: ShiftParams, cancellation: dtopt._core.Cancellation) -> None:
        """
        Shift users where that helps, and place those who are nowhere, until nothing helps.
        """

    def promise(self, user: int, server: int) -> float:
        """Return what a user on a server adds to the whole, to first order."""

    @property
    def association(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
        """Each user's server, -1 for none."""

    @property
    def missing(self) -> int:
        """How many users have no server."""

class Horizon:
    """
    A slot and H more, in which users are on one of S servers; see `solvers/core/horizon.hpp`.

    Parameters
    ----------
    slack : ndarray, shape (H + 1, N, S)
        τ_i less all of T_i but computing and moving, −inf where the pair is not allowed, s.
    growth, size : ndarray, shape (N,)
    rate, part : ndarray, shape (H + 1, S)
        As in `dtopt.utility_segments.ServerUtility`.
    move : ndarray, shape (N,)
        The time to move by a metre, s.
    gap : ndarray, shape (S, S)
        Metres.
    stays, weight : ndarray, shape (H + 1, N)
        The probability of being there, and what the slot counts for.
    """

    def __init__(self, *, slack: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], growth: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], rate: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], size: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], part: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], move: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], gap: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], stays: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], weight: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], beta: float, penalty: float, hard: bool) -> None: ...

    def continuation(self, start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], sweeps: int, cancellation: dtopt._core.Cancellation) -> tuple[Annotated[NDArray[numpy.float64], dict(shape=(None, None))], Annotated[NDArray[numpy.int64], dict(shape=(None, None))]]:
        """
        Return what being on each server after this slot is worth to each user, and each user's plan.

        Parameters
        ----------
        start : ndarray of int, shape (N,)
            Where users are before this slot, -1 for nowhere.
        sweeps : int
            How often each user's way is laid.
        cancellation : Cancellation

        Returns
        -------
        value : ndarray, shape (N, S)
        plan : ndarray of int, shape (H + 1, N)
        """

class SlotView:
    """
    P2 over many slots as the core reads it; see `solvers/core/slot_view.hpp`.

    There are R rows (a user in a slot), sources numbered from R on (where a twin was before the first row of a stay), C candidates of each, and K cells (a server in a slot).

    Parameters
    ----------
    cell : ndarray of int64, shape (R, C)
        A list ends in -1.
    prior : ndarray of int64, shape (R,)
        The user's row in the slot before, or its source.
    sources : int
    slack : ndarray, shape (R, C)
        The deadline less the latency that neither company nor moving changes, s.
    move : ndarray, shape (R, C, C)
        Weighted time to move, s, by row, position and position before; infinite where hard deadlines forbid it.
    growth, size, room : ndarray, shape (R,)
        g = growth * rate and h = size * part; what rounding may take from a deadline, s.
    demand : ndarray, shape (R, C), or None
        h under fixed sharing.
    rate, part, places : ndarray, shape (K,)
    beta, penalty : float
    sharing : Sharing
    hard : bool
        Whether deadlines are hard.
    has_others : bool
        Whether a full row's last position stands for all other servers.
    """

    def __init__(self, *, cell: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], prior: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], sources: int, slack: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], move: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], growth: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], size: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], room: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], demand: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)] | None, rate: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], part: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], places: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], beta: float, penalty: float, sharing: Sharing, hard: bool, has_others: bool) -> None: ...

    @property
    def rows(self) -> int:
        """R."""

    @property
    def positions(self) -> int:
        """C."""

    @property
    def cells(self) -> int:
        """K."""

    @property
    def cell(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None, None), writable=False)]: ...

    @property
    def prior(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]: ...

    @property
    def slack(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None), writable=False)]: ...

    @property
    def move(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), writable=False)]: ...

    @property
    def growth(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def size(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def room(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def demand(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None), writable=False)]: ...

    @property
    def rate(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def part(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def places(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def width(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]:
        """Candidates of each row and source."""

    @property
    def real_width(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]:
        """The same without the position that stands for other servers."""

    @property
    def next(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]:
        """The row after each row and source; -1 at the end of a stay."""

    @property
    def beta(self) -> float: ...

    @property
    def penalty(self) -> float: ...

    @property
    def sharing(self) -> Sharing: ...

    @property
    def hard(self) -> bool: ...

class CellPrices:
    """A level of each cell, and its prices of load and places there."""

    def __init__(self, level: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], load: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], place: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    @property
    def level(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def load(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def place(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

class SlotStartParams:
    """How the first prices of the dual over time are found."""

    def __init__(self) -> None: ...

    @property
    def rounds(self) -> int: ...

    @rounds.setter
    def rounds(self, arg: int, /) -> None: ...

    @property
    def warmest(self) -> float:
        """First temperature of the logit, as a part of the spread of worth."""

    @warmest.setter
    def warmest(self, arg: float, /) -> None: ...

    @property
    def coldest(self) -> float:
        """Its last temperature."""

    @coldest.setter
    def coldest(self, arg: float, /) -> None: ...

    @property
    def step(self) -> float:
        """Part of the way that levels and prices go in a round."""

    @step.setter
    def step(self, arg: float, /) -> None: ...

class SlotStart:
    """Levels and prices at which users that choose paths about agree."""

    @property
    def cells(self) -> CellPrices: ...

    @property
    def serve(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def node(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None), writable=False)]: ...

    @property
    def unit(self) -> float:
        """The size of a typical change of a price of a row or node."""

def slot_start(view: SlotView, even: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], top: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], params: SlotStartParams, cancellation: dtopt._core.Cancellation) -> SlotStart:
    """
    Return where the ascent of the dual over time starts; every row must have a candidate.

    Parameters
    ----------
    view : SlotView
    even, top : ndarray, shape (K,)
        The level of each cell to begin with, and its largest.
    params : SlotStartParams
    cancellation : Cancellation
    """

def slot_rounded(view: SlotView, cells: CellPrices, temperature: float) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
    """
    Return the position of each row that most of its user is on, where users spread over paths by a logit.
    """

class SlotPrices:
    """
    Prices of the dual over time.

    Parameters
    ----------
    serve : ndarray, shape (R,)
    node : ndarray, shape (R + S, C)
    load, place : ndarray, shape (segments,)
    """

    def __init__(self, serve: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], node: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], load: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], place: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    @property
    def serve(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def node(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None), writable=False)]: ...

    @property
    def load(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def place(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

class SlotDualParams:
    """How the ascent of the dual over time goes."""

    def __init__(self) -> None: ...

    @property
    def iterations(self) -> int:
        """Iterations at each temperature."""

    @iterations.setter
    def iterations(self, arg: int, /) -> None: ...

    @property
    def memory(self) -> int:
        """Past steps remembered."""

    @memory.setter
    def memory(self, arg: int, /) -> None: ...

    @property
    def remembered(self) -> int:
        """Numbers remembered at most."""

    @remembered.setter
    def remembered(self, arg: int, /) -> None: ...

    @property
    def precision(self) -> float:
        """
        The ascent ends with a step that lowers the mean over rows by less, in units.
        """

    @precision.setter
    def precision(self, arg: float, /) -> None: ...

    @property
    def near(self) -> float:
        """Segments take part whose cell loses no more by them, in units."""

    @near.setter
    def near(self, arg: float, /) -> None: ...

    @property
    def near_edges(self) -> float:
        """The same for edges, less their user's."""

    @near_edges.setter
    def near_edges(self, arg: float, /) -> None: ...

    @property
    def widening(self) -> float:
        """Factor of `near_edges` where edges left out matter."""

    @widening.setter
    def widening(self, arg: float, /) -> None: ...

    @property
    def halvings(self) -> int:
        """Halvings in the search for a segment's price of load."""

    @halvings.setter
    def halvings(self, arg: int, /) -> None: ...

    @property
    def pieces(self) -> int:
        """Parts that a segment is split into."""

    @pieces.setter
    def pieces(self, arg: int, /) -> None: ...

class SlotDual:
    """
    The Lagrangian dual of P2 over time, over segments of levels; see `solvers/core/slot_dual.hpp`.

    Its value bounds what every feasible choice of paths is worth, for any prices; the constant -(1-beta) sum E_i is left out.

    Parameters
    ----------
    view : SlotView
    cell : ndarray of int64, shape (segments,)
        In order.
    low, high : ndarray, shape (segments,)
        Equal for a single level.
    unit : float
        The size of a typical change of a price of a row or node.
    params : SlotDualParams
    """

    def __init__(self, view: SlotView, cell: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], low: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], high: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], unit: float, params: SlotDualParams) -> None: ...

    @property
    def unit(self) -> float: ...

    @property
    def n_segments(self) -> int: ...

    @property
    def cell(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def low(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def high(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    def gains(self, prices: SlotPrices) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None))]:
        """
        Return what cells win at both ends of all segments, shape (segments, 2).
        """

    def value(self, prices: SlotPrices) -> float:
        """Return the dual, with what rounding can take from its sums added."""

    def smoothed(self, prices: SlotPrices, temperature: float) -> tuple[float, SlotPrices]:
        """Return the dual with its maxima softened, and its gradient."""

    def settled(self, prices: SlotPrices) -> SlotPrices:
        """
        Return prices with each segment's price of load where the segment wins least.
        """

    def best_levels(self, prices: SlotPrices) -> CellPrices:
        """Return the level and the prices of each cell's best segment."""

    def ascend(self, prices: SlotPrices, temperatures: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], cancellation: dtopt._core.Cancellation) -> tuple[float, SlotPrices]:
        """
        Return the least value found over falling temperatures, and its prices.

        Parameters
        ----------
        prices : SlotPrices
            Where to begin.
        temperatures : ndarray
            Of the softening, as parts of `unit`.
        cancellation : Cancellation
        """

    def finer(self, prices: SlotPrices, accuracy: float) -> tuple[SlotDual | None, SlotPrices]:
        """
        Return the dual with the segments split that its value rests on, and the same prices for it.

        No dual where that would lower the value by no more than about `accuracy`.
        """

class SlotPaths:
    """
    Local search over users' paths from any choice, feasible or not; see `solvers/core/slot_paths.hpp`.

    Every row must have a candidate.
    """

    def __init__(self, view: SlotView, seed: int) -> None: ...

    @property
    def breach(self) -> float:
        """What breaking a rule costs: more than all choices are worth."""

    def random_choice(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
        """Return a random position of each row."""

    def value(self, choice: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> float:
        """
        Return what a choice is worth without the constant part; far below 0 where it breaks a rule.
        """

    def improved(self, choice: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], sweeps: int, cancellation: dtopt._core.Cancellation) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
        """
        Return what a choice becomes when users take their best paths in random order, until none gains by it.
        """

class SlotSubsetParams:
    """How much an enumeration of subsets may take."""

    def __init__(self) -> None: ...

    @property
    def edges(self) -> int:
        """Edges of each subset that is asked for, on average."""

    @edges.setter
    def edges(self, arg: int, /) -> None: ...

    @property
    def steps(self) -> int:
        """Steps of the enumeration for each of them."""

    @steps.setter
    def steps(self, arg: int, /) -> None: ...

class SlotSubsets:
    """
    Subsets of users of cells, as the edges that they come by: (row, position before, position).
    """

    @property
    def cell(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]: ...

    @property
    def starts(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]:
        """Where the edges of each subset begin; one more at the end."""

    @property
    def worth(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,), writable=False)]: ...

    @property
    def row(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]: ...

    @property
    def source(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]: ...

    @property
    def position(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]: ...

    @property
    def is_complete(self) -> bool: ...

def slot_subsets(dual: SlotDual, prices: SlotPrices, room: float, limit: int, params: SlotSubsetParams, cancellation: dtopt._core.Cancellation) -> SlotSubsets:
    """
    Return all subsets that are worth more than what their cell wins less `room`, at some prices.

    Incomplete with more than `limit` of them, or where finding them takes more than `params` allow.
    """

class ActionDecoder:
    """
    Makes associations of the stations' actions in one network state; see `solvers/core/action_decoder.hpp`.
    """

    def __init__(self, transfer: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], floor: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], compute: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], allowed: Annotated[NDArray[numpy.bool_], dict(shape=(None, None), order='C', device='cpu', writable=False)], cycles: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], cpu: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], capacity: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], weight: float, sharing: Sharing, max_open: int) -> None: ...

    def decode(self, open: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)], bids: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], scores: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], marginal: bool, score_weight: float) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
        """Return each user's server, shape (N,), -1 where none has room."""

def model_values(models: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], states: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], hidden: int) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None))]:
    """
    Return what every user's model says of the user's servers, shape (n, S), from states (n, S, K).
    """

def model_gradients(models: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], chosen: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], before: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], after: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], gain: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], discount: float, hidden: int) -> tuple[Annotated[NDArray[numpy.float64], dict(shape=(None, None))], Annotated[NDArray[numpy.float64], dict(shape=(None,))]]:
    """
    Return each model's gradient of the squared Bellman error over its samples, and that error.
    """

class ForecastParams:
    """How a motion forecast is made."""

    def __init__(self) -> None: ...

    @property
    def samples(self) -> int:
        """Ways that each horizon is fitted to, roughly."""

    @samples.setter
    def samples(self, arg: int, /) -> None: ...

    @property
    def prior(self) -> float:
        """As many ways say that users go on as they are."""

    @prior.setter
    def prior(self, arg: float, /) -> None: ...

    @property
    def least_m_s(self) -> float:
        """Added to every user's pace, m/s."""

    @least_m_s.setter
    def least_m_s(self, arg: float, /) -> None: ...

    @property
    def border_m(self) -> float:
        """Distance over which one station takes over from another, m."""

    @border_m.setter
    def border_m(self, arg: float, /) -> None: ...

    @property
    def borders(self) -> float:
        """
        Stations further than this many borders behind the nearest one serve nobody.
        """

    @borders.setter
    def borders(self, arg: float, /) -> None: ...

    @property
    def loyalty_m(self) -> float:
        """Distance over which a user keeps its station, m."""

    @loyalty_m.setter
    def loyalty_m(self, arg: float, /) -> None: ...

class Motion:
    """
    How users have moved, fitted to the slots seen.

    Parameters
    ----------
    seen : ndarray, shape (R, N, 2)
        Places, m; NaN where absent.
    ahead : ndarray of int, shape (H,)
        Horizons, slots, in order.
    slot_s : float
    params : ForecastParams
    """

    def __init__(self, seen: Annotated[NDArray[numpy.float64], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], ahead: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], slot_s: float, params: ForecastParams) -> None: ...

    @property
    def factor(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None, None))]:
        """
        Factors of the velocity and of the way to the middle at each horizon, shape (H, 2).
        """

    @property
    def error(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
        """Root of the mean square error over the user's pace, shape (H,)."""

    @property
    def pace(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
        """m in a slot, shape (N,)."""

    @property
    def middle(self) -> list[float]:
        """The middle of all places seen."""

    @property
    def survival(self) -> float:
        """The probability of being there in the next slot."""

def forecast(motion: Motion, user: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], place: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], velocity: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], access: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], wire: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], move: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], others: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], pressure: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], allowed: Annotated[NDArray[numpy.bool_], dict(shape=(None, None), order='C', device='cpu', writable=False)], station: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)] | None, to_server: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], between: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], shown: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], params: ForecastParams, cancellation: dtopt._core.Cancellation) -> tuple[Annotated[NDArray[numpy.float64], dict(shape=(None, None, None))], Annotated[NDArray[numpy.float64], dict(shape=(None, None, None, None))]]:
    """
    Return what being on each server after this slot is worth, by the user's best way through each future.

    Futures: fitted motion with its errors; on as before; and everyone stays. Arguments as in
    `solvers/core/motion_forecast.hpp`.

    Returns
    -------
    value : ndarray, shape (F, n, S)
        In parts of the user's utility.
    wire : ndarray, shape (2, K, n, S)
        Seconds of wire at the horizons `shown` of the first two futures.
    """

def affine(x: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], weight: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], bias: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None))]:
    """
    Return the rows of x times the weight, plus the bias: the same bits on every CPU, as BLAS has not.
    """

class GraphNetwork:
    """
    The placement network with its weights, as `solvers.policy.forward.Weights` names them.
    """

    def __init__(self, begin_weight: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], begin_bias: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], terms_weight: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], terms_bias: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], inner_weight: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], inner_bias: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], outer_weight: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], outer_bias: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], sharpness_weight: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order='C', device='cpu', writable=False)], sharpness_bias: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], final_weight: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], final_bias: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    @property
    def n_server_features(self) -> int: ...

    @property
    def n_shared_features(self) -> int: ...

    def forward(self, station: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], gap: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], part: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], size: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], server: Annotated[NDArray[numpy.float32], dict(shape=(None, None), order='C', device='cpu', writable=False)], cpu: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], shared: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)], crowd: float) -> tuple[Annotated[NDArray[numpy.float32], dict(shape=(None,))], Annotated[NDArray[numpy.float32], dict(shape=(None, None))]]:
        """
        Return the log odds that servers are open, shape (M,), and what listed pairs cost, shape (N, C).
        """
