"""The compiled core of the bounds; see `dtopt/core/`."""

from typing import Annotated

import numpy
import numpy.typing
from numpy.typing import NDArray


TOLERANCE: float = 1e-09

ROUNDING: float = 1e-12

def uses_avx2() -> bool:
    """Return whether hot loops use AVX2; DTOPT_CPU=baseline says no."""

def exp(values: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
    """Return e to the power of each value."""

def log(values: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
    """Return the natural logarithm of each value."""

def log1p(values: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
    """Return log(1 + x) of each value."""

class Cancellation:
    """
    The way to end a computation of the core: a time limit, another thread, or Ctrl-C.

    Parameters
    ----------
    seconds : float
        Wall time until the computation is to end, s; infinity for no limit.
    """

    def __init__(self, seconds: float = float('inf')) -> None: ...

    def cancel(self) -> None:
        """End the computation soon; any thread may call it."""

    def requested(self) -> bool:
        """Return whether the computation is to end."""

class Random:
    """The random generator of the core (SplitMix64), for its tests."""

    def __init__(self, seed: int) -> None: ...

    def bits(self) -> int:
        """Return the next 64 random bits."""

    def below(self, bound: int) -> int:
        """Return a random whole number from 0 to bound - 1."""

    def uniform(self) -> float:
        """Return a random number in [0, 1)."""

class AscentParams:
    """How the quasi-Newton ascent of a dual goes, and when it ends."""

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
    def halvings(self) -> int:
        """Halvings of a step before the ascent ends at a temperature."""

    @halvings.setter
    def halvings(self, arg: int, /) -> None: ...

    @property
    def sufficient(self) -> float:
        """Share of the slope that a step must gain (Armijo)."""

    @sufficient.setter
    def sufficient(self, arg: float, /) -> None: ...

    @property
    def least_gain(self) -> float:
        """Part of the value that an iteration must gain to go on."""

    @least_gain.setter
    def least_gain(self, arg: float, /) -> None: ...

    @property
    def enough(self) -> float:
        """Value from which on no further temperature is taken."""

    @enough.setter
    def enough(self, arg: float, /) -> None: ...

class Columns:
    """
    The pairs listed for the price dual of P1, server by server; see `PriceDual`.

    The users that server k could take are ``user[start[k]:start[k + 1]]``; `cost`, and `part` and `floor` where given, run beside `user`. `opening` is what each server costs beside its users' gains.
    """

    def __init__(self, start: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], user: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], cost: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], part: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, floor: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, root_load: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], cpu: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], capacity: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], opening: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], worth: float, max_open: int) -> None: ...

    @property
    def n_users(self) -> int: ...

    @property
    def n_servers(self) -> int: ...

    @property
    def n_pairs(self) -> int: ...

    @property
    def worth(self) -> float: ...

    @property
    def max_open(self) -> int: ...

    @property
    def start(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def user(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]: ...

    @property
    def cost(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def part(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def floor(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def root_load(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def cpu(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def capacity(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def opening(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    def value(self, state: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], prices: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> float:
        """Return the dual; a bound only if every pair that could gain is listed."""

    def smoothed(self, state: numpy.typing.NDArray[numpy.int64], prices: numpy.typing.NDArray[numpy.float64], temperature: float) -> tuple[float, numpy.typing.NDArray[numpy.float64]]:
        """Return the softened dual and its gradient."""

    def ascend(self, state: numpy.typing.NDArray[numpy.int64], start: numpy.typing.NDArray[numpy.float64], unit: numpy.typing.NDArray[numpy.float64], bounded: numpy.typing.NDArray[numpy.bool_], fixed: numpy.typing.NDArray[numpy.bool_], temperatures: numpy.typing.NDArray[numpy.float64], params: AscentParams, cancellation: Cancellation) -> tuple[float, numpy.typing.NDArray[numpy.float64], int]:
        """
        Return the best value over all temperatures, its prices, and the evaluations of the softened dual.

        Parameters
        ----------
        state : ndarray of int64, shape (M,)
        start, unit : ndarray, shape (N + 3M + 1,)
            Prices to begin with, and the size of a typical change of each.
        bounded, fixed : ndarray of bool, shape (N + 3M + 1,)
            Which prices must be at least 0, and which stay as they are.
        temperatures : ndarray
            In units of the value, falling.
        params : AscentParams
        cancellation : Cancellation
            Once requested, the ascent ends with what it has.
        """

    def narrowed(self, prices: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], margin: float) -> Columns:
        """
        Return the columns of the pairs that cost at most `margin` more than they gain at these prices.
        """

    def least_priced(self, load: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], place: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], share: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]:
        """
        Return each user's least priced cost at these prices of servers, floors left out.
        """

    def region(self, prices: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], margin: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], servers: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], inner: int, is_free: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Region:
        """
        Return the part of the dual in which prices may change.

        Parameters
        ----------
        prices : ndarray, shape (N + 3M + 1,)
        margin : ndarray, shape (N,)
            Pairs of each user that cost at least so much more than they gain are left out.
        servers : ndarray of int64
            Of the region; the prices of the first `inner` of them may change.
        is_free : ndarray of bool, shape (N,)
            The users whose prices may change.
        """

class Region:
    """
    A dual over some users and servers, in place of the whole at fixed prices elsewhere.
    """

    @property
    def columns(self) -> Columns:
        """What servers gain by users elsewhere is a part of their opening."""

    @property
    def users(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]:
        """
        Which they are in the whole; the prices of the first `free_users` may change.
        """

    @property
    def free_users(self) -> int: ...

class WiredPairs:
    """
    Costs c_ik = base_i + slope_i d(b_i, k) and deadline floors of pairs; see `dtopt.wired`.
    """

    def __init__(self, base: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], slope: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], access: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], distance: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], order: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], slack: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, pace: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, cycles: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, demand: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)] | None, root_load: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], cpu: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], capacity: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], opening: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], worth: float, max_open: int) -> None: ...

    def listed(self, radius: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Columns:
        """
        Return the allowed pairs within each user's radius, m from its access station.
        """

    def settle(self, prices: numpy.typing.NDArray[numpy.float64], radius: numpy.typing.NDArray[numpy.float64], state: numpy.typing.NDArray[numpy.int64]) -> tuple[float, float, numpy.typing.NDArray[numpy.float64], numpy.typing.NDArray[numpy.float64]]:
        """
        Return the dual over all N·M pairs, with what its rounding is relative to.

        Returns
        -------
        value : float
            A valid lower bound but for rounding.
        magnitude : float
            The sum of the sizes of all terms.
        server : ndarray, shape (M,)
            V of each server.
        reach : ndarray, shape (N,)
            The radius within which all pairs lie that gain; at least `radius`.
        """
