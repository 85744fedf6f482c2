"""The placement network for inference: what `solvers.policy.model` computes, in the compiled core and without PyTorch.

Importing PyTorch takes longer than many runs, its last bits depend on the CPU, and it needs room for all pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from solvers import _core
    from solvers.policy.graph import Graph

    Floats32 = NDArray[np.float32]

__all__ = ["Weights", "forward"]


class Weights(NamedTuple):
    """The weights of a network, rounds stacked along the first axis; named as in `solvers.policy.model.Policy`."""

    begin_weight: Floats32
    begin_bias: Floats32
    terms_weight: Floats32
    terms_bias: Floats32
    inner_weight: Floats32
    inner_bias: Floats32
    outer_weight: Floats32
    outer_bias: Floats32
    sharpness_weight: Floats32
    sharpness_bias: Floats32
    final_weight: Floats32
    final_bias: Floats32


def forward(network: _core.GraphNetwork, graph: Graph) -> tuple[Floats32, Floats32]:
    """Return the log odds that servers are open, shape (M,), and what listed pairs cost at their prices, (N, C)."""
    return network.forward(
        graph.station, graph.gap, graph.part, graph.size, graph.server, graph.cpu, graph.shared, graph.crowd
    )
