"""Whether x and y of a trace are metres or degrees, by their size: the formats that write them do not say."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtopt.elementary import hypot, quantile
from dtopt.errors import InputError, InputWarning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.arrays import FloatArray

__all__ = ["are_degrees", "unit_of"]

#: Extent of a trace below which nobody moves in metres.
STILL_EXTENT = 1.0
#: Speed below which nobody moves in metres, in units/s: 1 mm/s, which is 110 m/s in degrees.
STILL_SPEED = 1e-3
#: Speed from which on nothing moves in degrees, in units/s: 5 km/s, 5 cm/s in metres. It is 2 cm/s in a trace of a
#: large extent; between that and `STILL_SPEED` neither is plausible.
FAST_DEGREES, SLOW_METRES = 0.05, 0.02


def are_degrees(
    path: str, user: Sequence[str], time_s: FloatArray, position: FloatArray, *, metres_said: bool = False
) -> bool:
    """Return whether x and y, whose unit is not known, are longitude and latitude in degrees; see `unit_of`.

    Parameters
    ----------
    path : str
        For messages.
    user : sequence of str, shape (R,)
    time_s : ndarray, shape (R,)
    position : ndarray, shape (R, 2)
    metres_said : bool
        Whether the headings say that they are metres.

    Raises
    ------
    InputError
        If they may be either, if they are degrees against what the headings say, or if y is no latitude.
    """
    unit = unit_of(user, time_s, position)
    if unit == "metres":
        return False
    (west, south), (east, north) = position.min(axis=0), position.max(axis=0)
    span = f"x {west:.9g} to {east:.9g}, y {south:.9g} to {north:.9g}"
    if unit == "either" or metres_said:
        what = "metres by their headings and degrees by their size" if metres_said else "metres or degrees"
        raise InputError(f"x and y may be {what}: {span}", where=path, mend="degrees=true or degrees=false says which")
    if max(-south, north) > 90.0:
        mend = "x is the longitude; name the columns latitude and longitude, or degrees=false for metres"
        raise InputError(f"x and y are degrees by their size, but y is no latitude: {span}", where=path, mend=mend)
    what = f"x and y are read as longitude and latitude in degrees, degrees=false reads metres: {span}"
    warnings.warn(f"{path}: {what}", InputWarning, stacklevel=2)
    return True


def unit_of(user: Sequence[str], time_s: FloatArray, position: FloatArray) -> Literal["metres", "degrees", "either"]:
    """Return what x and y are by their size.

    They are metres where they leave the range of degrees, or where users would be faster than anything in degrees. They
    are degrees where users would not move in metres, that is within a metre, or slower than a millimetre a second, if
    they have more decimals than metres have. Users at one place are in metres.
    """
    if not (np.isfinite(position).all() and np.isfinite(time_s).all()) or (np.abs(position) > 180.0).any():
        return "metres"
    extent = float(np.ptp(position, axis=0).max(initial=0.0)) if len(position) else 0.0
    if extent == 0.0:
        return "metres"
    # Metres are written to the centimetre, by SUMO too. In degrees that is a kilometre.
    fine = bool((np.abs(np.round(position, 2) - position) > 1e-9).any())
    speed = _usual_speed(user, time_s, position)
    if speed is None:
        return "degrees" if fine and extent < STILL_EXTENT else "metres"
    still, possible = (FAST_DEGREES, FAST_DEGREES) if extent < STILL_EXTENT else (STILL_SPEED, SLOW_METRES)
    if speed >= possible:
        return "metres"
    return "degrees" if fine and speed < still else "either"


def _usual_speed(user: Sequence[str], time_s: FloatArray, position: FloatArray) -> float | None:
    """Return the median speed between records of one user that differ in place, None where there are none."""
    index = np.unique(np.array(user), return_inverse=True)[1]
    order = np.lexsort((time_s, index))
    step, time = hypot(*np.diff(position[order], axis=0).T), np.diff(time_s[order])
    moving = (np.diff(index[order]) == 0) & (step > 0) & (time > 0)
    return quantile(step[moving] / time[moving], 0.5) if moving.any() else None
