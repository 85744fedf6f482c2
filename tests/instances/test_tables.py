"""CSV lists of stations and users, and instances out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.geography import Projection
from dtopt.problem import Migration
from dtopt.solution import Solution
from instances.lists import JITTER_M, STATION_COLUMNS, csv, from_points
from instances.lists import Propagation as Model
from instances.tables import parse_columns, parse_rectangle, read_points

if TYPE_CHECKING:
    from pathlib import Path

DEGREES = (
    "Site,LAT,LON,CPU\nTown Hall,-37.8150,144.9660,1.2e10\nStation,-37.8183,144.9671,9e9\nPark,-37.8120,144.9730,2e10\n"
)
METRES = "x_m,y_m,data_bits\n100,200,4e6\n900,50,5e6\n400,700,6e6\n120,640,7e6\n"


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def great_ellipse_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Distance on WGS 84 by Vincenty's inverse formula."""
    a, f = 6_378_137.0, 1 / 298.257223563
    b = (1 - f) * a
    u1, u2 = (np.arctan((1 - f) * np.tan(np.radians(phi))) for phi in (latitude, other_latitude))
    base = lam = np.radians(other_longitude - longitude)
    for _ in range(50):
        across = np.cos(u2) * np.sin(lam)
        along = np.cos(u1) * np.sin(u2) - np.sin(u1) * np.cos(u2) * np.cos(lam)
        sin_s = np.hypot(across, along)
        cos_s = np.sin(u1) * np.sin(u2) + np.cos(u1) * np.cos(u2) * np.cos(lam)
        sigma = np.arctan2(sin_s, cos_s)
        sin_alpha = np.cos(u1) * np.cos(u2) * np.sin(lam) / sin_s
        cos2 = 1 - sin_alpha**2
        mid = cos_s - 2 * np.sin(u1) * np.sin(u2) / cos2
        c = f / 16 * cos2 * (4 + f * (4 - 3 * cos2))
        lam = base + (1 - c) * f * sin_alpha * (sigma + c * sin_s * (mid + c * cos_s * (2 * mid**2 - 1)))
    u = cos2 * (a**2 - b**2) / b**2
    big_a = 1 + u / 16384 * (4096 + u * (-768 + u * (320 - 175 * u)))
    big_b = u / 1024 * (256 + u * (-128 + u * (74 - 47 * u)))
    inner = cos_s * (2 * mid**2 - 1) - big_b / 6 * mid * (4 * sin_s**2 - 3) * (4 * mid**2 - 3)
    return float(b * big_a * (sigma - big_b * sin_s * (mid + big_b / 4 * inner)))


def test_vincenty_itself() -> None:
    # Flinders Peak to Buninyong, the worked example of Geoscience Australia: 54 972.271 m.
    peak, buninyong = (-37.95103341666667, 144.42486788888889), (-37.65282113888889, 143.92649552777777)
    assert great_ellipse_m(*peak, *buninyong) == pytest.approx(54_972.271, abs=0.01)


@pytest.mark.parametrize("latitude", [-60.0, -37.8, 1.0, 51.5, 59.9])
def test_projection_is_as_accurate_as_it_says(latitude: float) -> None:
    projection = Projection(latitude, 144.95)
    rng = np.random.default_rng(0)
    for _ in range(50):
        # Two points within 10 km of the origin.
        angle, reach = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0, 10_000, 2)
        phi = latitude + np.degrees(reach * np.sin(angle) / 6.37e6)
        lam = 144.95 + np.degrees(reach * np.cos(angle) / (6.37e6 * np.cos(np.radians(latitude))))
        flat = projection.to_metres(phi, lam)
        true = great_ellipse_m(phi[0], lam[0], phi[1], lam[1])
        assert np.hypot(*(flat[0] - flat[1])) == pytest.approx(true, rel=3e-3)


def test_projection_crosses_the_date_line() -> None:
    x, y = Projection(0.0, 179.9).to_metres(np.array([0.0]), np.array([-179.9]))[0]
    assert x == pytest.approx(0.2 * np.pi / 180 * 6_378_137.0)
    assert y == 0.0


def test_columns_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, "sites.csv", DEGREES)
    points = read_points(path, columns={"cpu_hz": "CPU", "name": "Site"}, optional=STATION_COLUMNS)
    assert points.degrees
    assert points.names == ("Town Hall", "Station", "Park")
    assert points.values["cpu_hz"].tolist() == [1.2e10, 9e9, 2e10]
    assert "capacity" not in points.values
    flat = points.metres(points.south_west())
    assert flat.min(axis=0) == pytest.approx([0.0, 0.0])
    assert np.hypot(*(flat[0] - flat[1])) == pytest.approx(
        great_ellipse_m(-37.8150, 144.9660, -37.8183, 144.9671), rel=1e-4
    )


def test_byte_order_mark_quotes_and_blank_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "u.csv", b'\xef\xbb\xbfname,X,Y\r\n"Rue, du Nord",1,2\r\n\r\n\xc3\x89toile,3,4\r\n')
    points = read_points(path)
    assert points.names == ("Rue, du Nord", "Étoile")
    assert points.position.tolist() == [[1, 2], [3, 4]]
    assert points.lines.tolist() == [2, 4]


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("", {}, "is empty"),
        ("x_m,y_m\n", {}, "has no rows below its heading"),
        ("a,b\n1,2\n", {}, "has neither latitude and longitude nor x_m and y_m (name the columns; it has a, b)"),
        ("x_m,y_m\n1,2\n3,four\n", {}, "line 3, column y_m: is not a number: 'four'"),
        ("x_m,y_m\n1,\n", {}, "line 2, column y_m: is empty (option missing=skip leaves such rows out, 1 of 1)"),
        ("x_m,y_m\n1,nan\n", {}, "line 2, column y_m: has no value: 'nan'"),
        ("x_m,y_m\n1,2 km\n", {}, "is not a number: '2 km' (a unit belongs in the heading"),
        ("x_m,y_m\ninf,2\n", {}, "line 2, column x_m: must be finite, got inf"),
        ("x_m,y_m\n1,2\n3\n", {}, "line 3: has 1 cells, the heading has 2"),
        ("lat,lon\n91,10\n", {}, "line 2, column lat: latitude must be between -90 and 90, got 91"),
        ("lat,lon\n1,10\n1,200\n", {}, "line 3, column lon: longitude must be between -180 and 180, got 200"),
        ("x_m,y_m,cpu_hz\n1,2,0\n", {}, "line 2, column cpu_hz: must be > 0, got 0"),
        ("x_m,y_m\n1,2\n", {"cpu_hz": "CPU"}, "has no column 'CPU' (it has x_m, y_m)"),
        ("x_m,y_m\n1,2\n", {"speed": "v"}, "unknown column 'speed'"),
        (b"x_m,y_m\n1,\xff\n", {}, "is not UTF-8 text (byte 10)"),
        ('x_m,y_m\n"1,2\n', {}, "is not CSV"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str | bytes, columns: dict[str, str], words: str) -> None:
    path = write(tmp_path, "bad.csv", text)
    with pytest.raises(InputError) as caught:
        read_points(path, columns=columns, optional=STATION_COLUMNS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    if "unknown column" not in words:
        assert str(path) in str(caught.value)


def test_spreadsheets_of_countries_with_decimal_commas(tmp_path: Path) -> None:
    text = (
        "\ufeffName;Latitude;Longitude;cpu_hz\r\nTor, Nord;52,5200;13,4050;1,6e10\r\n1,5;-52,53;13,41;16000000000\r\n"
    )
    for mark in ";\t":
        points = read_points(write(tmp_path, "s.csv", text.replace(";", mark)), optional=STATION_COLUMNS)
        assert points.position.tolist() == [[52.52, 13.405], [-52.53, 13.41]]
        assert points.values["cpu_hz"].tolist() == [1.6e10, 1.6e10]
        assert points.names is not None
        assert points.names[0] == "Tor, Nord"
    with pytest.raises(
        InputError, match=r"has 5 cells, the heading has 3 \(numbers with decimal commas need semicolons"
    ):
        read_points(write(tmp_path, "s.csv", "name,lat,lon\na,52,52,13,40\n"))


def test_swapped_and_far_away_and_twice(tmp_path: Path) -> None:
    swapped = write(tmp_path, "w.csv", "lat,lon\n144.96,-37.81\n144.97,-37.82\n")
    with pytest.raises(InputError, match=r"line 2, column lat: .* \(latitude and longitude seem to be swapped\)"):
        read_points(swapped)
    stations = write(tmp_path, "s.csv", "name,lat,lon\nA,52.52,13.40\nB,52.53,13.41\nA,52.54,13.41\nA (2),52.5,13.4\n")
    users = write(tmp_path, "u.csv", "lat,lon\n52.52,13.41\n13.41,52.53\n")
    with pytest.raises(InputError, match=r"u.csv: line 3: is 5,0\d\d km from the nearest station.*swapped in one of"):
        csv(stations=str(stations), users=str(users))
    near = write(tmp_path, "n.csv", "lat,lon\n52.52,13.41\n")
    # Each keeps a name of its own.
    problem = csv(stations=str(stations), users=str(near))
    assert problem.network.stations.names == ("A", "B", "A (3)", "A (2)")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_points(tmp_path / "none.csv")


def test_options_as_text() -> None:
    assert parse_columns("latitude=LAT, longitude = LON", "columns") == {"latitude": "LAT", "longitude": "LON"}
    assert parse_columns(None, "columns") == {}
    assert parse_rectangle("0, 0,10,20.5") == (0, 0, 10, 20.5)
    with pytest.raises(InputError, match="user_columns: cannot read 'LAT'"):
        parse_columns("LAT", "user_columns")
    for bad in ("1,2,3", "a,b,c,d", "5,0,1,9", "0,0,nan,1", 7):
        with pytest.raises(InputError, match="rectangle"):
            parse_rectangle(bad)  # type: ignore[arg-type]


def test_an_instance_from_two_files(tmp_path: Path) -> None:
    stations = write(tmp_path, "s.csv", "name,x_m,y_m,cpu_hz,capacity\nA,0,0,1e10,4\nB,800,600,2e10,3\n")
    users = write(tmp_path, "u.csv", METRES)
    options: dict[str, Any] = {"stations": str(stations), "users": str(users), "seed": 4}
    problem = csv(**options)
    network = problem.network
    assert problem.name == "csv-4x2-s4"
    assert network.stations.cpu_hz.tolist() == [1e10, 2e10]
    assert network.stations.capacity.tolist() == [4, 3]
    assert network.stations.names == ("A", "B")
    assert network.users.data_bits.tolist() == [4e6, 5e6, 6e6, 7e6]
    assert np.all(network.users.update_bits < 0.2 * network.users.data_bits)
    assert network.users.position_m is not None
    assert network.users.position_m.tolist() == [[100, 200], [900, 50], [400, 700], [120, 640]]
    assert problem.content_hash == csv(**options).content_hash
    assert problem.content_hash != csv(**{**options, "seed": 5}).content_hash
    assert evaluate(problem, Solution(network.access_station)).terms.latency > 0
    assert csv(**options, rectangle="0,0,500,800").n_users == 3
    assert csv(**options, max_users=2, max_stations=5).n_users == 2
    assert isinstance(csv(**options, kind="migration"), Migration)


def test_degrees_are_projected_together(tmp_path: Path) -> None:
    stations = write(tmp_path, "s.csv", DEGREES)
    users = write(tmp_path, "u.csv", "Latitude,Longitude\n-37.8150,144.9660\n-37.8130,144.9700\n")
    problem = csv(stations=str(stations), users=str(users), station_columns="cpu_hz=CPU,name=Site")
    users_m, stations_m = problem.network.users.position_m, problem.network.stations.position_m
    assert users_m is not None
    assert stations_m is not None
    # The first user stands where the first station does.
    assert users_m[0] == pytest.approx(stations_m[0])
    assert problem.network.stations.names == ("Town Hall", "Station", "Park")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"stations": ""}, "stations: is missing"),
        ({"users": ""}, "users: is missing"),
        ({"rectangle": "5000,5000,6000,6000"}, "no point lies in the rectangle (they span x"),
        ({"max_users": 0}, "max_users"),
        ({"station_columns": "cpu_hz=MHZ"}, "has no column 'MHZ'"),
        ({"kind": "x"}, "kind"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    stations = write(tmp_path, "s.csv", "x_m,y_m\n0,0\n800,600\n")
    users = write(tmp_path, "u.csv", METRES)
    with pytest.raises(InputError) as caught:
        csv(**{"stations": str(stations), "users": str(users), **options})
    assert words in str(caught.value)


def test_degrees_and_metres_do_not_mix(tmp_path: Path) -> None:
    stations, users = write(tmp_path, "s.csv", DEGREES.replace("CPU", "cpu_hz")), write(tmp_path, "u.csv", METRES)
    with pytest.raises(InputError, match="one list is in degrees, the other in metres"):
        csv(stations=str(stations), users=str(users))


def test_capacities_that_are_too_few_or_broken(tmp_path: Path) -> None:
    users = write(tmp_path, "u.csv", METRES)
    few = write(tmp_path, "s.csv", "x_m,y_m,capacity\n0,0,1\n800,600,2\n")
    with pytest.raises(InputError, match="4 users do not fit 2 servers with 3 places"):
        csv(stations=str(few), users=str(users))
    half = write(tmp_path, "h.csv", "x_m,y_m,capacity\n0,0,1\n800,600,2.5\n")
    with pytest.raises(InputError, match=r"line 3: capacity must be a whole number, got 2\.5"):
        csv(stations=str(half), users=str(users))


def test_more_users_than_the_list_has(tmp_path: Path) -> None:
    stations = read_points(write(tmp_path, "s.csv", "x_m,y_m\n0,0\n800,600\n"))
    users = read_points(write(tmp_path, "u.csv", METRES))
    scene = from_points("x", 1, stations, users, channel=Model(), n_users=40)
    assert scene.user_m.shape == (40, 2)
    assert np.array_equal(scene.user_m[:4], users.position)
    gap = np.hypot(*(scene.user_m[4:, None] - users.position[None]).transpose(2, 0, 1)).min(axis=1)
    assert 0 < gap.mean() < 3 * JITTER_M
    assert np.unique(scene.user_m, axis=0).shape[0] == 40
    with pytest.raises(InputError, match="2 stations to choose from, 3 wanted"):
        from_points("x", 1, stations, users, channel=Model(), n_stations=3)
