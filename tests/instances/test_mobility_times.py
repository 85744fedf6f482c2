"""Times in traces: every way to write them, and what is refused."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtopt.errors import InputError, InputWarning
from instances.mobility.times import is_clock, read_times
from instances.units import split_unit


def place(row: int) -> str:
    return f"f: line {row + 2}"


def quiet(*texts: str) -> list[float]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_times(texts, place).tolist()


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (("0", "2.5", "-3", "1e2"), [0.0, 2.5, -3.0, 100.0]),
        (("1201966600", "1201966600.25"), [1201966600.0, 1201966600.25]),
        (("00:00:00.00", "00:01:05.50", "25:00:00"), [0.0, 65.5, 90000.0]),
        (("23:59:59", "1:00:00:05.25"), [86399.0, 86405.25]),
        ((" 7:05:09 ", "7:05:09,5"), [25509.0, 25509.5]),
        (("-00:00:05", "00:00:05"), [-5.0, 5.0]),
        (("2008-02-02 15:36:00", "2008-2-2 15:36:05"), [1201966560.0, 1201966565.0]),
        (
            ("2008-02-02T15:36:00Z", "2008-02-02T16:36:00+01:00", "2008-02-02T10:06:00.5-0530"),
            [1201966560.0] * 2 + [1201966560.5],
        ),
        (("2008/02/02 15:36:00.125", "20080202T153600,5"), [1201966560.125, 1201966560.5]),
        (("2008-02-02 15:36:00 UTC", "2008-02-02t15:36z"), [1201966560.0, 1201966560.0]),
        (("1970-01-01", "1970-01-02"), [0.0, 86400.0]),
    ],
)
def test_times_are_seconds(texts: tuple[str, ...], seconds: list[float]) -> None:
    assert quiet(*texts) == seconds


@pytest.mark.parametrize(("factor", "name"), [(1e3, "milli"), (1e6, "micro"), (1e9, "nano")])
def test_unix_times_are_known_by_their_size(factor: float, name: str) -> None:
    seconds = [1201966600.0, 1201966605.5]
    texts = [f"{int(s * factor)}" for s in seconds]
    with pytest.warns(
        InputWarning, match=rf"^f: line 2: times such as {texts[0]} are read as {name}seconds since 1970"
    ):
        assert read_times(texts, place).tolist() == seconds
    unit = split_unit(f"time_{name[0]}s" if name != "micro" else "time_us", "seconds")[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_times(texts, place, unit=unit).tolist() == seconds


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("1", "12:30"), "line 3: is not a number or a time: '12:30'"),
        (("1", ""), "line 3: has no time"),
        (("0", "00:00:05"), "line 3: has h:m:s, '00:00:05', where '0' before it is a number"),
        (("2008-02-02 15:36:00", "1201966600"), "line 3: has a number, '1201966600', where"),
        (("2008-02-02 15:36:00", "2008-02-02 15:36:05Z"), "line 3: has a date with offset"),
        (("00:00:01", "2008-02-02 15:36:05"), "line 3: has a date without offset"),
        (("2008-02-30 15:36:00",), "line 2: is no date: '2008-02-30 15:36:00', day is out of range"),
        (("02/03/2008 15:36:00",), "is not a number or a time: '02/03/2008 15:36:00'"),
        (("00:61:00",), "is not a number or a time"),
        (("23:59:55", "00:00:00"), "line 3: goes back from 23:59:55 to 00:00:00, as if past midnight"),
        (("0", "1201966600000"), "line 3: has the time 1201966600000, beside 0: of what unit?"),
        (
            ("1201966600000", "1201966600000000"),
            "line 3: has the time 1201966600000000, beside 1201966600000: of what unit?",
        ),
        (("20000000000",), "line 2: has the time 20000000000: of what unit?"),
        (("1e25",), "of what unit?"),
    ],
)
def test_what_is_no_time_is_refused_where_it_is(texts: tuple[str, ...], words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_times(texts, place)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_times_against_the_unit_of_their_heading() -> None:
    for heading in ("time_s", "time_h"):
        with pytest.raises(InputError, match="by its unit, beyond the year 2286"):
            read_times(["1201966600000"], place, unit=split_unit(heading, "seconds")[1])


def test_each_user_has_a_clock() -> None:
    texts = ["23:00:00", "23:59:55", "00:00:00", "00:00:05"]
    assert read_times(texts, place, owner=["a", "a", "b", "b"]).tolist() == [82800.0, 86395.0, 0.0, 5.0]
    with pytest.raises(InputError, match="line 4: goes back"):
        read_times(texts, place, owner=["b", "a", "b", "a"])


@given(st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_dates_are_those_of_the_standard_library(moment: datetime, minutes: int) -> None:
    for one in (moment.replace(tzinfo=UTC), moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))):
        np.testing.assert_allclose(quiet(one.isoformat()), [one.timestamp()], rtol=0, atol=1e-6)


@given(st.integers(0, 10**7))
def test_clocks_count_seconds(second: int) -> None:
    text = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    assert quiet(text) == [second]
    assert is_clock(text)
    assert not is_clock(f"2008-02-02 {text}")
    days = f"{second // 86400}:{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.5"
    assert quiet(days) == [second + 0.5]
