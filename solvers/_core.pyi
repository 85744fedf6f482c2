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
