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

    def __init__(
        self,
        *,
        station: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
        cost: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)],
        more: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)]
        | None,
        size: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        rate: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        near: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order="C", device="cpu", writable=False)],
        cpu: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        opening: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        capacity: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        penalty: float,
        max_open: int,
        sharing: Sharing,
        data: PairData,
        dense: bool,
    ) -> None: ...
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
    def bound(
        self, servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)]
    ) -> float:
        """
        Return a lower bound on the cost of a set of servers (an estimate under equal sharing); infinite where it
        has too few places.
        """

    def descend(
        self,
        servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        *,
        shift_sweeps: int,
        swap_sweeps: int,
        kicks: int = 0,
        hopeless: float = float("inf"),
        cancellation: dtopt._core.Cancellation,
    ) -> tuple[float, Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
        """
        Search among the servers of a set; return the cost and the association, -1 for users without room.
        """

    def improve(
        self,
        usable: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        cancellation: dtopt._core.Cancellation,
    ) -> tuple[float, Annotated[NDArray[numpy.int64], dict(shape=(None,))]]:
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
        """Factor of the weights of what lacks after one that met none."""

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

    def __init__(
        self,
        view: PlacementView,
        *,
        share_price: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        place_price: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)],
        usable: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order="C", device="cpu", writable=False)],
        start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order="C", device="cpu", writable=False)] | None,
        seed: int,
        params: EjectionParams = ...,
    ) -> None: ...
    def advance(self, users: int, cancellation: dtopt._core.Cancellation) -> int:
        """
        Search the neighbourhoods of so many users, fewer where cancelled; return how many.
        """

    @property
    def best_cost(self) -> float:
        """
        Cost of the best feasible association so far; infinite while there is none.
        """

    @property
    def best(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))] | None:
        """The best feasible association so far; None while there is none."""
