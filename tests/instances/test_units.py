"""Units in column headings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instances.units import UNITS, Quantity, split_unit, words


@pytest.mark.parametrize(
    ("heading", "quantity", "name", "one"),
    [
        ("cpu_hz", "hertz", ("cpu",), 1.0),
        ("CPU (GHz)", "hertz", ("cpu",), 1e9),
        ("cpuGHz", "hertz", ("cpu",), 1e9),
        ("cpu speed [MHz]", "hertz", ("cpu", "speed"), 1e6),
        ("cpu-khz", "hertz", ("cpu",), 1e3),
        ("data_bits", "bits", ("data",), 1.0),
        ("data_kbit", "bits", ("data",), 1e3),
        ("data_Mbit", "bits", ("data",), 1e6),
        ("data_b", "bits", ("data",), 8.0),
        ("data_bytes", "bits", ("data",), 8.0),
        ("data_kb", "bits", ("data",), 8e3),
        ("dataMB", "bits", ("data",), 8e6),
        ("data_GB", "bits", ("data",), 8e9),
        ("data_kib", "bits", ("data",), 8192.0),
        ("data_MiB", "bits", ("data",), 8.0 * 2**20),
        ("data_gibit", "bits", ("data",), 2.0**30),
        ("deadline_ms", "seconds", ("deadline",), 1e-3),
        ("deadlineMs", "seconds", ("deadline",), 1e-3),
        ("deadline (µs)", "seconds", ("deadline",), 1e-6),
        ("deadline_min", "seconds", ("deadline",), 60.0),
        ("x_km", "metres", ("x",), 1e3),
        ("x [ft]", "metres", ("x",), 0.3048),
        ("tx_power_mW", "watts", ("tx", "power"), 1e-3),
        ("tx_power_w", "watts", ("tx", "power"), 1.0),
        ("txPowerDbm", "watts", ("tx", "power"), 10**-2.9),
        ("tx_power_dbw", "watts", ("tx", "power"), 10**0.1),
    ],
)
def test_headings_with_a_unit(heading: str, quantity: Quantity, name: tuple[str, ...], one: float) -> None:
    stem, unit = split_unit(heading, quantity)
    assert stem == name
    assert unit is not None
    assert unit.to_si(1.0) == pytest.approx(one, rel=1e-15)


@pytest.mark.parametrize(
    ("heading", "quantity"),
    [("cpu", "hertz"), ("m", "metres"), ("cpu_ms", "hertz"), ("items", "seconds"), ("", "bits"), ("Team", "metres")],
)
def test_headings_without_a_unit(heading: str, quantity: Quantity) -> None:
    stem, unit = split_unit(heading, quantity)
    assert unit is None
    assert stem == words(heading)


def test_levels_and_decimal_fractions_are_exact() -> None:
    dbm = UNITS["watts"]["dbm"]
    assert dbm.to_si(np.array([0.0, 10.0, 23.0, 30.0])) == pytest.approx([1e-3, 1e-2, 0.199526231, 1.0])
    assert UNITS["seconds"]["ms"].to_si(np.array([4.7, 3000.0])).tolist() == [0.0047, 3.0]


def test_megabit_or_megabyte() -> None:
    for heading in ("data_Mb", "data (Kb)", "data_Gb"):
        unit = split_unit(heading, "bits")[1]
        assert unit is not None
        assert unit.ambiguous
    for heading in ("data_MB", "data_mb", "data_kB", "data_Mbit"):
        unit = split_unit(heading, "bits")[1]
        assert unit is not None
        assert not unit.ambiguous


def test_words_in_any_case() -> None:
    assert words("decimalLatitude") == words("Decimal latitude") == words("DECIMAL_LATITUDE") == ("decimal", "latitude")
    assert words("WGS84_LAT") == ("wgs", "84", "lat")


@given(st.text(max_size=20))
def test_any_text_is_a_heading(text: str) -> None:
    for quantity in UNITS:
        stem, unit = split_unit(text, quantity)
        assert all(word == word.lower() for word in stem)
        assert unit is None or stem
