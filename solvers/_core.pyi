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
