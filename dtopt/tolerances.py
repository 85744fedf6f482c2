"""The one tolerance on deadlines and CPU, used by the evaluator, the pair filters, the solvers and the bounds alike.

A deadline τ is met by latencies of at most ``relaxed(τ)``, and a server of CPU F gives at most ``relaxed(F)``. Counts
have no tolerance. Every test of feasibility compares with these limits, so that all parts agree on what is feasible.
The evaluator alone allows `ROUNDING` on top. Solvers and bounds sum the same numbers in another order, so whatever they
accept at the limit, and whatever a proof must not exclude, lies within that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dtopt.arrays import FloatArray

__all__ = ["ROUNDING", "TOLERANCE", "relaxed", "within"]

#: Relative tolerance on deadlines and CPU.
TOLERANCE = 1e-9
#: Relative allowance for rounding in sums, on top of the tolerance.
ROUNDING = 1e-12

Number = TypeVar("Number", float, "FloatArray")


def relaxed(limit: Number) -> Number:
    """Return the limit with the tolerance added."""
    return limit * (1.0 + TOLERANCE)


def within(limit: Number) -> Number:
    """Return the largest value that the evaluator accepts: the limit with the tolerance and the allowance added."""
    return limit * ((1.0 + TOLERANCE) * (1.0 + ROUNDING))
