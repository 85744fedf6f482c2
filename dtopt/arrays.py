"""Validated read-only arrays: how every frozen type of the model takes its data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt

from dtopt.errors import InputError, meant

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["UNLIMITED", "BoolArray", "FloatArray", "IntArray", "choice", "float_array", "int_array", "names", "number"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: A server capacity that never binds.
UNLIMITED = int(np.iinfo(np.int64).max)

_ROWS = frozenset({"users", "stations"})


def _place(field: str, index: tuple[int, ...]) -> str:
    """Return the path of one entry as instance files have it.

    Users and stations are rows there: ``users.data_bits`` and (3,) give ``users[3].data_bits``.
    """
    owner, _, name = field.rpartition(".")
    if owner in _ROWS and index:
        column = ("x_m", "y_m")[index[1]] if name == "position_m" and len(index) > 1 else name
        return f"{owner}[{index[0]}].{column}"
    return field + "".join(f"[{i}]" for i in index)


def _reject(field: str, bad: BoolArray, values: npt.NDArray[Any], rule: str) -> None:
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"must be {rule}, got {values[index]}", where=_place(field, index))


def _check_shape(array: npt.NDArray[Any], field: str, shape: tuple[int, ...] | None) -> None:
    if shape is not None and array.shape != shape:
        want = " x ".join(map(str, shape))
        got = " x ".join(map(str, array.shape)) or "a single number"
        raise InputError(f"has shape {got}, expected {want}", where=field)


def float_array(
    value: npt.ArrayLike,
    field: str,
    *,
    shape: tuple[int, ...] | None = None,
    minimum: float | None = None,
    exclusive: bool = False,
    infinite: bool = False,
) -> FloatArray:
    """Return a read-only contiguous float64 copy of `value` after checking it.

    Parameters
    ----------
    value : array_like
        The numbers.
    field : str
        How errors name it, for example ``users.data_bits``.
    shape : tuple of int, optional
        The shape required; a single number is spread over a one-dimensional shape.
    minimum : float, optional
        Smallest value allowed; with `exclusive`, not itself allowed.
    infinite : bool
        Whether plus infinity is allowed.

    Raises
    ------
    InputError
        On anything that is not numbers, NaN, a forbidden infinity, a wrong shape or a value below the minimum.
    """
    try:
        array = np.array(value, dtype=np.float64, order="C")
    except (TypeError, ValueError, OverflowError):
        raise InputError("is not an array of numbers, all rows of one length", where=field) from None
    if array.ndim == 0 and shape is not None and len(shape) == 1:
        array = np.full(shape, array)
    _check_shape(array, field, shape)
    _reject(field, np.isnan(array), array, "a number")
    if infinite:
        _reject(field, np.isneginf(array), array, "a number or plus infinity")
    else:
        _reject(field, np.isinf(array), array, "finite")
    if minimum is not None:
        bad = array <= minimum if exclusive else array < minimum
        _reject(field, bad, array, f"{'>' if exclusive else '>='} {minimum:g}")
    array.flags.writeable = False
    return array


def int_array(
    value: npt.ArrayLike,
    field: str,
    *,
    shape: tuple[int, ...] | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
) -> IntArray:
    """Return a read-only int64 copy of `value` after checking it; see `float_array`.

    Raises
    ------
    InputError
        On anything that is not whole numbers, a wrong shape, or a value outside the range.
    """
    raw = np.asarray(value)
    if raw.dtype.kind not in "iu":
        if raw.dtype.kind != "f" or (raw.size and not np.array_equal(raw, np.trunc(raw))):
            raise InputError("is not an array of whole numbers", where=field)
        if raw.size and np.abs(raw).max() > 2.0**53:
            raise InputError("holds a number too large to be a whole number exactly", where=field)
    array = np.array(raw, dtype=np.int64, order="C")
    if array.ndim == 0 and shape is not None and len(shape) == 1:
        array = np.full(shape, array)
    _check_shape(array, field, shape)
    if minimum is not None:
        _reject(field, array < minimum, array, f">= {minimum}")
    if maximum is not None:
        _reject(field, array > maximum, array, f"<= {maximum}")
    array.flags.writeable = False
    return array


def number(
    value: float,
    field: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    exclusive: bool = False,
    infinite: bool = False,
) -> float:
    """Return `value` as a checked float; the bounds are those of `float_array`.

    Raises
    ------
    InputError
        On anything but one number within the bounds.
    """
    checked = float(float_array(value, field, shape=(), minimum=minimum, exclusive=exclusive, infinite=infinite))
    if maximum is not None and (checked > maximum or (exclusive and checked == maximum)):
        raise InputError(f"must be {'<' if exclusive else '<='} {maximum:g}, got {checked:g}", where=field)
    return checked


def choice(value: object, field: str, kinds: object) -> None:
    """Check that a value is one of those of a ``Literal`` type.

    Raises
    ------
    InputError
        If it is another.
    """
    if value not in get_args(kinds):
        known = get_args(kinds)
        mend = f"{meant(str(value), known)}one of {', '.join(known)}"
        raise InputError(f"unknown value {value!r}", where=field, mend=mend)


def names(value: Sequence[str] | None, field: str, count: int) -> tuple[str, ...] | None:
    """Return the names as a tuple of `count` strings, or None where there are none.

    Raises
    ------
    InputError
        If their number is wrong or one is not a string.
    """
    if value is None:
        return None
    result = tuple(value)
    if len(result) != count:
        raise InputError(f"has {len(result)} names, expected {count}", where=field)
    for i, name in enumerate(result):
        if not isinstance(name, str):
            raise InputError(f"must be a string, got {name!r}", where=f"{field}[{i}]")
    return result
