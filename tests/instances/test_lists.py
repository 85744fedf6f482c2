"""Lists of stations and users as people have them: units, degrees, gaps, masts, headings and odd values."""

from __future__ import annotations

import gzip
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dtopt.arrays import UNLIMITED
from dtopt.errors import InputError, InputWarning
from dtopt.problem import LONGEST_UTILITY_DEADLINE_S
from instances.columns import STATION_COLUMNS, USER_COLUMNS, resembled
from instances.lists import csv
from instances.positions import find_axes, guess_system, parse_angle
from instances.tables import read_points

if TYPE_CHECKING:
    from pathlib import Path

    from dtopt.problem import Problem
    from instances.tables import Points

SITES = "name,latitude,longitude,cpu_hz,capacity\nA,-37.8150,144.9600,16e9,8\nB,-37.8120,144.9650,12e9,8\n"
USERS = "name,latitude,longitude\nu0,-37.8150,144.9600\nu1,-37.8140,144.9610\nu2,-37.8130,144.9620\n"
PLACES = [[-37.815, 144.96], [-37.812, 144.965]]


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Return a function that makes an instance of two texts and keeps the notes."""

    def run(stations: str | bytes = SITES, users: str | bytes = USERS, **options: Any) -> tuple[Problem, str]:
        paths = {}
        for name, content in (("stations", stations), ("users", users)):
            paths[name] = tmp_path / f"{name}.csv"
            paths[name].write_bytes(content if isinstance(content, bytes) else content.encode())
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            problem = csv(**{name: str(path) for name, path in paths.items()}, **options)
        assert all(issubclass(one.category, InputWarning) for one in caught)
        return problem, "\n".join(str(one.message) for one in caught)

    return run


def points(folder: Path, text: str, **options: Any) -> Points:
    path = folder / "p.csv"
    path.write_text(text, encoding="utf-8")
    return read_points(path, **options)


# --- units --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "cells"),
    [
        ("cpu_ghz", "16 12"),
        ("CPU (GHz)", "16 12"),
        ("cpuGHz", "16 12"),
        ("cpu_mhz", "16000 12000"),
        ("CPU_kHz", "16e6 12e6"),
        ("cpu_speed_ghz", "16.0 1.2e1"),
        ("processor_ghz", "16 12"),
    ],
)
def test_a_cpu_in_any_unit(make: Any, heading: str, cells: str) -> None:
    first, second = cells.split()
    text = SITES.replace("cpu_hz", heading).replace("16e9", first).replace("12e9", second)
    problem, notes = make(text)
    assert problem.network.stations.cpu_hz.tolist() == [16e9, 12e9]
    assert "cpu_hz" not in notes
    assert problem.content_hash == make()[0].content_hash


@pytest.mark.parametrize(
    ("heading", "cell", "field", "value"),
    [
        ("data_mbit", "4", "data_bits", 4e6),
        ("data_mb", "0.5", "data_bits", 4e6),
        ("dataMB", "0.5", "data_bits", 4e6),
        ("data_kb", "500", "data_bits", 4e6),
        ("data_kbit", "4000", "data_bits", 4e6),
        ("data_bytes", "500000", "data_bits", 4e6),
        ("data_gb", "0.0005", "data_bits", 4e6),
        ("data_kib", "500", "data_bits", 4_096_000.0),
        ("data_size_mib", "1", "data_bits", 8.0 * 2**20),
        ("update_kbit", "200", "update_bits", 2e5),
        ("update_kb", "25", "update_bits", 2e5),
        ("deadline_ms", "2500", "deadline_s", 2.5),
        ("deadline_us", "2500000", "deadline_s", 2.5),
        ("deadline (min)", "0.5", "deadline_s", 30.0),
        ("tx_power_mw", "200", "tx_power_w", 0.2),
        ("tx_power_dbm", "23", "tx_power_w", 0.19952623149688797),
        ("tx_power_dbm", "-3", "tx_power_w", 0.000501187233627272),
        ("tx_power_dbw", "-7", "tx_power_w", 0.19952623149688797),
        ("power_w", "0.5", "tx_power_w", 0.5),
    ],
)
def test_columns_of_users_in_any_unit(make: Any, heading: str, cell: str, field: str, value: float) -> None:
    lines = USERS.splitlines()
    problem, notes = make(users="\n".join([f"{lines[0]},{heading}", *(f"{line},{cell}" for line in lines[1:])]))
    assert getattr(problem.network.users, field) == pytest.approx(np.full(3, value), rel=1e-12)
    assert field not in notes


def test_positions_in_kilometres(make: Any) -> None:
    stations, users = "x_km,y_km\n0.05,0\n0.9,0.6\n", "X (m),Y (m)\n100,200\n800,500\n"
    network = make(stations, users)[0].network
    assert network.stations.position_m.tolist() == [[50, 0], [900, 600]]
    assert network.users.position_m.tolist() == [[100, 200], [800, 500]]


def test_a_mapping_says_which_unit(make: Any) -> None:
    text = SITES.replace("cpu_hz", "Speed").replace("16e9", "16").replace("12e9", "12")
    for columns in ("cpu_ghz=Speed", "cpu_ghz=speed"):
        assert make(text, station_columns=columns)[0].network.stations.cpu_hz.tolist() == [16e9, 12e9]
    text = text.replace("Speed", "Speed (GHz)")
    assert make(text, station_columns="cpu_hz=Speed (GHz)")[0].network.stations.cpu_hz.tolist() == [16e9, 12e9]


def test_megabit_or_megabyte_is_asked(make: Any) -> None:
    users = "latitude,longitude,data_Mb\n-37.815,144.96,4\n"
    with pytest.raises(InputError, match=r"column data_Mb: Mb may be bit or byte \(name it data_mbit or data_mbyte"):
        make(users=users)
    assert make(users=users, user_columns="data_mbit=data_Mb")[0].network.users.data_bits.tolist() == [4e6]


# --- unknown columns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "key", "table"),
    [
        *(
            (heading, "cpu_hz", STATION_COLUMNS)
            for heading in ("cpu", "CPU", "cpus", "cup_hz", "cpu_gz", "cpu_total_ghz")
        ),
        *((heading, "capacity", STATION_COLUMNS) for heading in ("capacty", "Capacitiy", "capacities", "max_capacity")),
        *((heading, "deadline_s", USER_COLUMNS) for heading in ("deadline", "deadlin_s", "dedline_ms")),
        *((heading, "tx_power_w", USER_COLUMNS) for heading in ("power", "tx_power", "TxPower", "transmit power")),
        *((heading, "data_bits", USER_COLUMNS) for heading in ("data", "data_size", "dta_bits", "user_data_mb")),
        *((heading, "update_bits", USER_COLUMNS) for heading in ("update", "updat_bits")),
    ],
)
def test_a_column_that_resembles_a_known_one(heading: str, key: str, table: Any) -> None:
    found = resembled(heading, ["1", "2"], table)
    assert found is not None
    assert found.key == key


@pytest.mark.parametrize(
    "heading",
    [
        *(
            "address",
            "state",
            "radio",
            "mcc",
            "net",
            "area",
            "cell",
            "unit",
            "range",
            "samples",
            "changeable",
            "created",
        ),
        *("updated", "averageSignal", "SITE_ID", "LICENSING_AREA_ID", "POSTCODE", "SITE_PRECISION", "ELEVATION"),
        *("HCIS_L2", "FID", "OBJECTID", "LICENSEE", "city", "category", "height", "gain", "azimuth", "frequency"),
        *("freq_mhz", "bandwidth_mhz", "tower", "lower", "latency", "date", "update_date", "updated_at", "last_update"),
        *("time", "count"),
    ],
)
def test_unrelated_columns(heading: str) -> None:
    for table in (STATION_COLUMNS, USER_COLUMNS):
        assert resembled(heading, ["1", "2"], table) is None


def test_words_below_a_heading_are_no_numbers() -> None:
    assert resembled("cpu_model", ["Xeon 5218", "EPYC"], STATION_COLUMNS) is None
    assert resembled("capacity", ["high", ""], STATION_COLUMNS) is None
    assert resembled("cpu", ["16 GHz", "12 GHz"], STATION_COLUMNS) is not None


def test_the_one_meant_is_named_and_may_be_left_out(make: Any) -> None:
    text = SITES.replace("cpu_hz", "cpu")
    with pytest.raises(InputError) as caught:
        make(text)
    assert str(caught.value).endswith(
        "stations.csv: column 'cpu' is not known "
        "(did you mean 'cpu_hz'? give station_columns=cpu_hz=cpu, or ignore=cpu)"
    )
    assert make(text, station_columns="cpu_hz=cpu")[0].content_hash == make()[0].content_hash
    problem, notes = make(text, ignore="CPU")
    assert "drawn at random, no column gives them: cpu_hz of stations; data_bits" in notes
    assert problem.network.stations.cpu_hz.tolist() != [16e9, 12e9]
    with pytest.raises(InputError, match=r"ignore: neither list has a column 'cpus' \(did you mean 'cpu'\?"):
        make(text, ignore="cpu,cpus")


def test_what_is_drawn_is_listed(make: Any) -> None:
    everything = "latitude,longitude,data_mbit,update_mbit,tx_power_dbm,deadline_s\n-37.815,144.96,4,1,23,3\n"
    assert make(users=everything)[1] == ""
    assert make()[1] == (
        "drawn at random, no column gives them: data_bits, update_bits, deadline_s of users; "
        "by default: tx_power_w of users (0.2 W)"
    )
    assert make(SITES.replace(",capacity", ",address"), everything)[1] == (
        "by default, no column gives them: capacity of stations (in proportion to the CPUs)"
    )


def test_two_columns_for_one_quantity(make: Any) -> None:
    text = "latitude,longitude,cpu_hz,cpu_ghz\n-37.8150,144.9600,16e9,15\n"
    with pytest.raises(
        InputError, match=r"has two columns for cpu_hz: cpu_hz and cpu_ghz \(choose one: station_columns="
    ):
        make(text)
    assert make(text, station_columns="cpu_ghz=cpu_ghz")[0].network.stations.cpu_hz.tolist() == [15e9]
    assert make(text, station_columns="cpu_hz=cpu_hz")[0].network.stations.cpu_hz.tolist() == [16e9]
    assert make(text, ignore="cpu_hz")[0].network.stations.cpu_hz.tolist() == [15e9]


def test_a_column_of_the_other_list_is_noted(make: Any) -> None:
    assert (
        "users.csv: column cpu_ghz belongs to the other list"
        in make(users="latitude,longitude,cpu_ghz\n-37.815,144.96,4\n")[1]
    )


# --- odd values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "cell", "words"),
    [
        ("data_bits", "5", "5 bit is too small to be right; 3 of 3 values are like it: values in Mbit belong in"),
        ("update_bits", "0.2", "0.2 bit is too small to be right"),
        ("data_mbit", "4e12", "4e+18 bit is too large to be right; 3 of 3 values are like it: values in bit belong"),
        ("tx_power_w", "-3", "must be > 0, got -3 (levels in dBm belong in a column tx_power_dbm)"),
        ("deadline_s", "0", "must be > 0, got 0"),
        ("data_bits", "0", "must be > 0, got 0"),
        ("update_bits", "-1", "must be >= 0, got -1"),
        ("data_bits", "", "is empty (option missing=skip leaves such rows out, 3 of 3)"),
        ("update_bits", "n/a", "has no value: 'n/a'"),
        ("data_bits", "inf", "must be finite, got inf"),
        ("data_mbit", "4 Mbit", "is not a number: '4 Mbit' (a unit belongs in the heading"),
        ("data_mbit", "1_000", "is not a number: '1_000'"),
    ],
)
def test_values_that_are_certainly_wrong(make: Any, heading: str, cell: str, words: str) -> None:
    lines = USERS.splitlines()
    with pytest.raises(InputError) as caught:
        make(users="\n".join([f"{lines[0]},{heading}", *(f"{line},{cell}" for line in lines[1:])]))
    assert f"users.csv: line 2, column {heading}: " in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("heading", "cell", "words"),
    [
        ("data_bits", "500", "500 bit is too small to be likely; 3 of 3 values"),
        (
            "deadline_s",
            "5000",
            "5000 s is too large to be likely; 3 of 3 values are like it: values in ms belong in a column",
        ),
        (
            "tx_power_w",
            "23",
            "23 W is too large to be likely; 3 of 3 values are like it: values in dBm belong in a column",
        ),
        ("tx_power_w", "200", "200 W is too large to be likely"),
    ],
)
def test_values_that_are_hardly_right_are_noted(make: Any, heading: str, cell: str, words: str) -> None:
    lines = USERS.splitlines()
    notes = make(users="\n".join([f"{lines[0]},{heading}", *(f"{line},{cell}" for line in lines[1:])]))[1]
    assert f"users.csv: line 2, column {heading}: {words}" in notes


@pytest.mark.parametrize(
    ("cpu", "words"),
    [
        ("16", "16 Hz is too small to be right; 1 of 2 values are like it: values in GHz belong in a column cpu_ghz"),
        ("2400", "2400 Hz is too small to be right"),
        ("1.6e19", "1.6e+19 Hz is too large to be right"),
    ],
)
def test_a_cpu_in_another_unit_is_refused(make: Any, cpu: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        make(SITES.replace("16e9", cpu))
    assert f"line 2, column cpu_hz: {words}" in str(caught.value)


def test_a_capacity_in_hertz_is_noted(make: Any) -> None:
    assert "line 2, column capacity: 1.6e+10 is too large to be likely" in make(SITES.replace("16e9,8", "16e9,16e9"))[1]


# --- limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["", "inf", "Infinity", "unlimited", "none", "null", "-", " ", "∞", "1e300"])
def test_no_limit_of_a_station(make: Any, cell: str) -> None:
    problem = make(SITES.replace("16e9,8", f"16e9,{cell}"))[0]
    assert problem.network.stations.capacity.tolist() == [UNLIMITED, 8]


@pytest.mark.parametrize("cell", ["", "inf", "unlimited", "None"])
def test_no_deadline(make: Any, cell: str) -> None:
    users = f"latitude,longitude,deadline_s\n-37.815,144.96,{cell}\n-37.814,144.961,3\n"
    assert make(users=users)[0].network.users.deadline_s.tolist() == [np.inf, 3.0]
    moving = make(users=users, kind="migration")[0].network.users.deadline_s.tolist()
    assert moving == [LONGEST_UTILITY_DEADLINE_S, 3.0]


def test_zero_is_zero(make: Any) -> None:
    users = "latitude,longitude,update_bits\n-37.815,144.96,0\n-37.814,144.961,2e5\n"
    problem = make(SITES.replace("16e9,8", "16e9,0"), users)[0]
    assert problem.network.stations.capacity.tolist() == [0, 8]
    assert problem.network.users.update_bits.tolist() == [0.0, 2e5]
    with pytest.raises(InputError, match="2 users do not fit 2 servers with 0 places"):
        make(SITES.replace(",8\n", ",0\n"), users)


# --- rows without a place, and masts ------------------------------------------------------------------------------

ACMA = (
    "SITE_ID,LATITUDE,LONGITUDE,NAME,STATE,ELEVATION\n"
    '1,-37.8150,144.9600,"Tower A, north",VIC,30\n2,-37.8120,144.9650,B,VIC,\n3,,,Withheld,VIC,\n'
)


@pytest.mark.parametrize(
    "cells", [",", "NA,NA", "nan,nan", "-37.8,", "null,null", "unknown,unknown", "0,0", "0.0,0.000"]
)
def test_rows_without_a_place(make: Any, cells: str) -> None:
    text = ACMA.replace("3,,,", f"3,{cells},")
    with pytest.raises(
        InputError, match=r"stations.csv: line 4.*option missing=skip leaves such rows out, 1 (row )?of 3"
    ):
        make(text)
    problem, notes = make(text, missing="skip")
    assert problem.network.stations.names == ("Tower A, north", "B")
    assert "stations.csv: 1 row of 3 left out for a" in notes
    assert "(line 4)" in notes


def test_skipping_ends_somewhere(make: Any) -> None:
    with pytest.raises(InputError, match="has no row with a position"):
        make("name,lat,lon\na,,\nb,,\n", missing="skip")
    with pytest.raises(InputError, match="missing"):
        make(missing="drop")
    # A place on the equator and the zero meridian is one where others are near.
    near = "lat,lon\n0,0\n0.01,0.01\n"
    assert make(near, near)[0].n_stations == 2


CELLS = (
    "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal\n"
    "GSM,505,1,10,101,,144.9600,-37.8150,1000,5,1,1377178208,1432976121,\n"
    "LTE,505,1,10,102,,144.9600,-37.8150,1000,5,1,1377178208,1432976121,\n"
    "LTE,505,1,10,103,,144.9650,-37.8120,1000,5,1,1377178208,1432976121,\n"
)


def test_cells_of_one_mast(make: Any) -> None:
    problem, notes = make(CELLS)
    assert problem.n_stations == 2
    assert (
        "stations.csv: 3 rows are at 2 places: rows at one place are merged into one station; duplicates=keep" in notes
    )
    problem, notes = make(CELLS, duplicates="keep")
    assert problem.n_stations == 3
    assert "merged" not in notes
    with pytest.raises(InputError, match="duplicates"):
        make(CELLS, duplicates="drop")


def test_packed_and_without_a_heading(make: Any) -> None:
    expected = make(CELLS)[0].content_hash
    assert make(gzip.compress(CELLS.encode()))[0].content_hash == expected
    bare = CELLS.partition("\n")[2]
    problem, notes = make(gzip.compress(bare.encode()))
    assert problem.content_hash == expected
    assert "has no heading and is read with the columns of OpenCelliD" in notes
    with pytest.raises(InputError, match=r"stations.csv: is not a whole gzip file"):
        make(gzip.compress(CELLS.encode())[:-9])
    with pytest.raises(InputError, match=r"line 1: has no heading.* such as name,latitude,longitude"):
        make(SITES.partition("\n")[2])


def test_servers_of_one_mast_with_values_of_their_own(make: Any) -> None:
    text = "name,latitude,longitude,cpu_hz\nA,-37.815,144.96,16e9\nB,-37.815,144.96,16e9\nA,-37.815,144.96,16e9\n"
    problem, notes = make(text)
    assert problem.network.stations.names == ("A", "B")
    assert "3 rows are at 2 places" in notes or "merged" in notes
    assert make(text.replace("A,-37.815,144.96,16e9\n", "A,-37.815,144.96,12e9\n", 1))[0].n_stations == 3


def test_blank_names(make: Any) -> None:
    assert make(SITES.replace("A,", ",", 1))[0].network.stations.names == ("line 2", "B")


# --- headings of positions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        ("LATDEC", "LONDEC"),
        ("lat_dd", "lon_dd"),
        ("WGS84_LAT", "WGS84_LON"),
        ("decimalLatitude", "decimalLongitude"),
        ("Lat.", "Long."),
        ("gpsLat", "gpsLng"),
        ("Latitude (decimal degrees)", "Longitude (decimal degrees)"),
        ("site_lat", "site_long"),
        ("lat_deg", "lon_deg"),
        ("LATITUDE_NAD83", "LONGITUDE_NAD83"),
        ("lat-gda94", "lng-gda94"),
    ],
)
def test_headings_of_degrees(tmp_path: Path, latitude: str, longitude: str) -> None:
    found = points(tmp_path, f'id,"{longitude}","{latitude}"\n1,144.96,-37.815\n2,144.965,-37.812\n')
    assert found.degrees
    assert found.position.tolist() == PLACES


def test_headings_that_only_begin_so() -> None:
    assert not any(find_axes(["latency", "longname", "late", "xtra", "year", "lat_s", "tax"]).values())


@pytest.mark.parametrize("heading", ["X,Y", "x_coord,y_coord", "POINT_X,POINT_Y", "XCoord,YCoord"])
def test_x_and_y_in_degrees(tmp_path: Path, heading: str) -> None:
    with pytest.warns(InputWarning, match=r"and .* are read as longitude and latitude in degrees"):
        found = points(tmp_path, f"{heading},FID\n144.9600,-37.8150,1\n144.9650,-37.8120,2\n")
    assert found.degrees
    assert found.position.tolist() == PLACES


def test_degrees_beside_x_and_y_are_used(tmp_path: Path) -> None:
    text = "X,Y,FID,LATDEC,LONDEC\n144.9600,-37.8150,1,-37.8150,144.9600\n144.9650,-37.8120,2,-37.8120,144.9650\n"
    assert points(tmp_path, text).position.tolist() == PLACES
    # What the user names goes before what is found.
    named = points(tmp_path, text, columns={"x_m": "X", "y_m": "Y"})
    assert not named.degrees
    assert named.position[0].tolist() == [144.96, -37.815]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("X,Y\n-37.8150,144.9600\n-37.8120,144.9650\n", "X and Y look like latitude and longitude in degrees"),
        ("x_m,y_m\n144.9600,-37.8150\n144.9650,-37.8120\n", "x_m and y_m look like longitude and latitude in degrees"),
        ("x,y\n0.125,0.5\n0.625,0.25\n", "x and y may be degrees or metres (give columns=longitude=x,latitude=y for"),
        ("X,Y\n-100.1234,40.5678\n-80.4321,35.8765\n", "X and Y may be degrees or metres"),
        ("X,Y\n144.9600,-37.8150\n", "X and Y may be degrees or metres"),
        ("lat,latitude,lon\n1,2,3\n", "has two columns for latitude: lat and latitude (choose one"),
        ("lattitude,longitude\n1,2\n", "(did you mean 'lattitude'? name the columns"),
    ],
)
def test_positions_that_have_to_be_asked_for(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        points(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_metres_remain_metres(tmp_path: Path) -> None:
    for text in ("x,y\n0,0\n1,0\n0,1\n", "x,y\n10.5,20.25\n90,80\n", "x,y\n144.9600,-37.8150\n1449.650,-378.120\n"):
        assert not points(tmp_path, text).degrees
    assert not points(tmp_path, "easting,northing\n320000.123,5812000.5\n320500.1,5812100.9\n").degrees


def test_the_other_list_decides(make: Any) -> None:
    one = "X,Y\n144.9600,-37.8150\n"
    problem, notes = make(SITES, one)
    assert "users.csv: X and Y are read as longitude and latitude in degrees, as the other list is" in notes
    assert problem.network.users.position_m[0] == pytest.approx(problem.network.stations.position_m[0])
    metres = "x_m,y_m\n0,0\n300,200\n"
    assert make(metres, "x,y\n12.125,8.375\n60.5,70.25\n")[0].network.users.position_m[0].tolist() == [12.125, 8.375]
    with pytest.raises(InputError, match=r"one list is in degrees, the other in metres \(.*stations.csv is in metres"):
        make(metres, "X,Y\n144.9600,-37.8150\n144.9650,-37.8120\n")
    with pytest.raises(InputError, match=r"stations.csv: X and Y may be degrees or metres \(give station_columns="):
        make(one, one)
    both = "x_m,y_m,latitude,longitude\n0,0,-37.815,144.96\n440,330,-37.812,144.965\n"
    assert make(both, "x_m,y_m\n5,5\n")[0].network.users.position_m.tolist() == [[5, 5]]
    assert make(both, USERS)[0].n_users == 3


def test_degrees_minutes_and_seconds(make: Any, tmp_path: Path) -> None:
    text = 'name,latitude,longitude\nA,"37°48\'54""S","144°57\'36""E"\nB,-37.8120,144.9650\n'
    assert points(tmp_path, text).position.tolist() == PLACES
    spread = (
        "lat_deg,lat_min,lat_sec,lat_dir,long_deg,long_min,long_sec,long_dir\n"
        "37,48,54,S,144,57,36.0,E\n37,48,43.2,S,144,57,54,E\n"
    )
    assert points(tmp_path, spread).position == pytest.approx(np.array(PLACES), abs=1e-12)
    sided = "lat_dd,lat_dir,lon_dd,lon_dir\n37.815,S,144.96,E\n-37.812,S,144.965,E\n"
    assert points(tmp_path, sided).position.tolist() == PLACES
    with pytest.raises(InputError, match=r"line 2, column latitude: is not an angle: 'north'"):
        points(tmp_path, "latitude,longitude\nnorth,1\n")
    assert make(text)[0].n_stations == 2


@pytest.mark.parametrize(
    "text",
    [
        *("-37.815", "37.815 S", "S37.815", "37.815° s", "37°48'54\"S", "S 37 48.9", "37-48-54.0 S", "-37:48:54"),
        *("-37 48 54", "37º 48′ 54″ S", "-37d48m54s", "-37° 48.9'", "37 deg 48 min 54 sec S", "−37.815", "-37,815"),
    ],
)
def test_ways_to_write_an_angle(text: str) -> None:
    assert parse_angle(text, "latitude") == -37.815


@pytest.mark.parametrize(
    "text", ["37°60'S", "37.5°30'S", "37°48'54\"E", "-37 N", "S 37 S", "37 48 54 12", "N", "", "nan", "37;48", "a37"]
)
def test_no_angles(text: str) -> None:
    with pytest.raises(InputError):
        parse_angle(text, "latitude")


@given(st.integers(0, 89), st.integers(0, 59), st.integers(0, 599), st.sampled_from("NS"))
@example(0, 30, 0, "S")
def test_angles_are_what_they_say(degrees: int, minutes: int, tenths: int, side: str) -> None:
    value = (degrees + minutes / 60 + tenths / 36000) * (-1 if side == "S" else 1)
    assert parse_angle(f"{degrees}°{minutes}'{tenths / 10}\"{side}", "latitude") == pytest.approx(value, abs=1e-12)
    sign = "-" if side == "S" else ""
    assert parse_angle(f"{sign}{degrees}:{minutes}:{tenths / 10}", "latitude") == pytest.approx(value, abs=1e-12)


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=5),
    st.lists(st.text("0123456789.", max_size=8), max_size=5),
)
def test_values_beyond_degrees_are_metres(places: list[tuple[float, float]], cells: list[str]) -> None:
    x, y = np.array(places).T
    system, swapped = guess_system(x, y, cells)
    if system == "degrees":
        assert (np.abs(x) <= 180).all()
        assert (np.abs(y) <= 90).all()
    if max(np.abs(x).max(), np.abs(y).max()) > 180:
        assert (system, swapped) == ("metres", False)


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "# sites\n\n" + SITES,
        "sep=,\n" + SITES,
        "#" + SITES,
        SITES + "# the end\n",
        SITES.replace(",", "|"),
        SITES.replace(",", ";").replace(".", ","),
        SITES.replace("\n", ",,\n", 3).replace(",,\n", "\n", 1),
        SITES.replace("\n", "\r\n"),
        SITES.replace("-37", "\u221237"),
    ],
)
def test_what_other_programs_write(make: Any, text: str) -> None:
    assert make(text)[0].content_hash == make()[0].content_hash
