"""Random processes in time: Markov chains over levels, and Gauss–Markov processes that any slot can be asked of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dtopt.arrays import FloatArray, float_array, number
from dtopt.elementary import exp, expm1, total
from dtopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtopt.arrays import IntArray

__all__ = ["MarkovChain", "gauss_markov"]

#: Rows of a transition matrix may miss 1 by this much.
ROW_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class MarkovChain:
    """A stationary Markov chain over a few levels of something, for example of the CPU that is free.

    Parameters
    ----------
    levels : array_like, shape (L,)
        The value in each state.
    transition : array_like, shape (L, L)
        Probability of each next state (column) from each state (row), for one slot.

    Raises
    ------
    InputError
        If shapes do not fit, or a row is no probability distribution.
    """

    levels: FloatArray
    transition: FloatArray

    def __post_init__(self) -> None:
        levels = float_array(self.levels, "levels")
        if levels.ndim != 1 or levels.size == 0:
            raise InputError("must be a list of at least one number", where="levels")
        transition = float_array(self.transition, "transition", shape=(levels.size, levels.size), minimum=0.0)
        row_sum = total(transition, axis=1)
        bad = np.abs(row_sum - 1.0) > ROW_SUM_TOLERANCE
        if bad.any():
            i = int(bad.argmax())
            raise InputError(f"must sum to 1, sums to {row_sum[i]:g}", where=f"transition[{i}]")
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "transition", transition)

    @classmethod
    def neighbours(cls, levels: FloatArray, change: float) -> MarkovChain:
        """Return the chain that goes one level up or down, each with probability `change` / 2 where there is one.

        The matrix is symmetric, so that in the long run all levels are equally frequent.
        """
        change = number(change, "change", minimum=0.0, maximum=1.0)
        count = np.asarray(levels).size
        transition = np.zeros((count, count))
        inner = np.arange(count - 1)
        transition[inner, inner + 1] = transition[inner + 1, inner] = change / 2.0
        np.fill_diagonal(transition, 1.0 - total(transition, axis=1))
        return cls(levels, transition)

    @cached_property
    def stationary(self) -> FloatArray:
        """Long-run frequency of each state, shape (L,).

        Where states fall into several classes that the chain never leaves, each class counts by its number of states.
        """
        count = self.levels.size
        reach = np.eye(count, dtype=bool) | (self.transition > 0)
        for middle in range(count):
            reach |= reach[:, [middle]] & reach[middle]
        closed = np.asarray(~(reach & ~reach.T).any(axis=1))
        frequency = np.zeros(count)
        while closed.any():
            of_class = np.flatnonzero(reach[int(closed.argmax())])
            frequency[of_class] = of_class.size * _long_run(self.transition[np.ix_(of_class, of_class)])
            closed[of_class] = False
        return np.asarray(frequency / total(frequency))

    def sample(self, rng: np.random.Generator, slots: int, copies: int) -> FloatArray:
        """Return independent copies of the chain, begun in its long-run distribution, shape (slots, copies)."""
        state: IntArray = _choose(rng.random(copies), self.stationary[None, :])
        values = np.empty((slots, copies))
        for slot in range(slots):
            if slot:
                state = _choose(rng.random(copies), self.transition[state])
            values[slot] = self.levels[state]
        return values


def _long_run(transition: FloatArray) -> FloatArray:
    """Return the stationary distribution of an irreducible chain (Grassmann, Taksar and Heyman 1985).

    States are eliminated one by one, without a subtraction.
    """
    rest = transition.copy()
    for last in range(len(rest) - 1, 0, -1):
        rest[:last, last] /= total(rest[last, :last])
        rest[:last, :last] += rest[:last, last, None] * rest[last, :last]
    frequency = np.ones(len(rest))
    for state in range(1, len(rest)):
        frequency[state] = total(frequency[:state] * rest[:state, state])
    return np.asarray(frequency / total(frequency))


def _choose(draws: FloatArray, probability: FloatArray) -> IntArray:
    """Return a state for each draw in [0, 1); `probability` has a row for each draw, or one for all."""
    above = draws[:, None] >= np.add.accumulate(probability, axis=1)[:, :-1]
    return np.asarray(np.count_nonzero(above, axis=1), dtype=np.int64)


def gauss_markov(
    slot: int, slots: int, clock: Callable[[int], FloatArray], noise: Callable[[int], FloatArray]
) -> FloatArray:
    """Return one slot of stationary standard Gauss–Markov processes, without the slots before it.

    Their correlation between slots a and b is exp(-|c_b - c_a|), c being the process's own clock: Gudmundson's
    shadowing (Electronics Letters 27(23), 1991) where the clock is the distance covered over the decorrelation
    distance, and an AR(1) process where it runs evenly.

    The first and the last slot are drawn, then the middle one given those two, and so on by halves (a bridge): what
    lies outside two slots tells nothing more about a slot between them. Every slot has its own noise, so the
    processes are the same however slots are asked for, at O(log slots) each.

    Parameters
    ----------
    slot, slots : int
        The slot wanted, and how many there are.
    clock : callable
        From a slot to the processes' clocks there, which never run backwards; no unit.
    noise : callable
        From a slot to standard normals of its own, independent of those of other slots; the result has their shape,
        to which clocks broadcast.
    """
    first, last = 0, slots - 1
    at_first = noise(first)
    if slot == first:
        return at_first
    lapse = clock(last) - clock(first)
    at_last = exp(-lapse) * at_first + np.sqrt(-expm1(-2.0 * lapse)) * noise(last)
    while slot != last:
        middle = (first + last) // 2
        before, after = clock(middle) - clock(first), clock(last) - clock(middle)
        # 1 - correlation² of the three pairs of slots, without the rounding of 1 - exp.
        new_before, new_after = -expm1(-2.0 * before), -expm1(-2.0 * after)
        new_both = -expm1(-2.0 * (before + after))
        with np.errstate(divide="ignore", invalid="ignore"):
            # Where the clock stands still, all three values are the same.
            still = new_both == 0.0
            from_first = np.where(still, 1.0, exp(-before) * new_after / new_both)
            from_last = np.where(still, 0.0, exp(-after) * new_before / new_both)
            spread = np.where(still, 0.0, np.sqrt(new_before * new_after / new_both))
        at_middle = from_first * at_first + from_last * at_last + spread * noise(middle)
        if slot == middle:
            return np.asarray(at_middle)
        if slot < middle:
            last, at_last = middle, at_middle
        else:
            first, at_first = middle, at_middle
    return np.asarray(at_last)
