"""The compiled core of the searches; see `solvers/core/`."""

import enum
from typing import Annotated

import numpy
from numpy.typing import NDArray


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
