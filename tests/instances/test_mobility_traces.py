"""Mobility traces: every format says the same, and every fault is one clear line."""

from __future__ import annotations

import gzip
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dtopt.errors import InputError, InputWarning
from dtopt.geography import Projection
from instances.mobility import constants, generate
from instances.mobility.fcd import read_fcd
from instances.mobility.generate import read_trace
from instances.mobility.traces import Trace, read_csv, trace_from_records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SHIPPED = Path(generate.__file__).parent / "data" / constants.SHIPPED_TRACE

CSV = "id,time_s,x_m,y_m\na,0,0,0\na,10,100,50\nb,2,5,5\nb,4,5,9\n"
FCD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<fcd-export xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
    <timestep time="0.00"><vehicle id="a" x="0" y="0" angle="3" type="car" speed="1"/></timestep>
    <timestep time="2.00"><person id="b" x="5" y="5"/></timestep>
    <timestep time="4.00"><person id="b" x="5" y="9"/></timestep>
    <timestep time="10.00"><vehicle id="a" x="100" y="50"/></timestep>
</fcd-export>
"""


def written(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def assert_same(first: Trace, second: Trace) -> None:
    assert first.names == second.names
    assert first.degrees == second.degrees
    for name in ("user", "time_s", "position"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_fcd_and_csv_agree(tmp_path: Path) -> None:
    csv = read_trace(written(tmp_path, "a.csv", CSV))
    for name, text in (
        ("a.xml", FCD),
        ("b.xml.gz", FCD),
        ("b.csv.gz", "# a comment\n" + CSV + "\n"),
        ("c.csv", CSV.replace("id,time_s,x_m,y_m", "vehicle_id,TIME, X ,Y")),
        ("d.txt", CSV.replace("id,time_s,x_m,y_m", "timestep_time,vehicle_id,vehicle_x,vehicle_y")),
        ("e.csv", CSV.replace(",", ";")),
        ("f.csv", CSV.replace(",", "\t")),
    ):
        if name == "d.txt":  # the order of xml2csv.py
            text = re.sub(r"^([ab]),(\d+)", r"\2,\1", text, flags=re.MULTILINE)
        assert_same(read_trace(written(tmp_path, name, text)), csv)
    # In any order of records; units are told by the heading, and headings by a mapping.
    rows = CSV.splitlines()
    assert_same(read_csv(written(tmp_path, "g.csv", "\n".join([rows[0], rows[2], rows[1], *rows[3:]]))), csv)
    other = "who,when,time_ms,x_km,y_m\na,0,0,0,0\na,0,10000,0.1,50\nb,0,2000,0.005,5\nb,0,4000,0.005,9\n"
    assert_same(read_csv(written(tmp_path, "h.csv", other), columns={"id": "who"}), csv)


def test_positions_between_records_and_before_and_after(tmp_path: Path) -> None:
    trace = read_csv(written(tmp_path, "a.csv", CSV))
    position, present = trace.at(np.array([0.0, 2.5, 4.0, 5.0, 10.0, 11.0]))
    assert present.tolist() == [[1, 0], [1, 1], [1, 1], [1, 0], [1, 0], [0, 0]]
    assert position[1].tolist() == [[25.0, 12.5], [5.0, 6.0]]
    assert position[0, 1].tolist() == [5.0, 5.0]
    assert position[5].tolist() == [[100.0, 50.0], [5.0, 9.0]]
    assert [ends.tolist() for ends in trace.span_s()] == [[0.0, 2.0], [10.0, 4.0]]
    swapped = trace.take(np.array([1, 0]))
    assert swapped.names == ("b", "a")
    assert np.array_equal(swapped.at(np.array([3.0]))[0], trace.at(np.array([3.0]))[0][:, ::-1])


def test_degrees_are_projected(tmp_path: Path) -> None:
    text = "id,t,lat,lon\na,0,-37.81,144.96\na,1,-37.80,144.97\n"
    trace = read_csv(written(tmp_path, "a.csv", text))
    assert trace.degrees
    metres = trace.projected(Projection(-37.81, 144.96))
    assert not metres.degrees
    np.testing.assert_allclose(metres.position, [[0, 0], [880.4, 1109.9]], atol=0.5)
    geo = '<fcd-export><timestep time="0"><vehicle id="a" x="144.96" y="-37.81"/></timestep></fcd-export>'
    read = read_fcd(written(tmp_path, "a.xml", geo), degrees=True)
    assert read.position.tolist() == [[-37.81, 144.96]]


def test_a_vehicle_and_a_person_of_one_name(tmp_path: Path) -> None:
    trace = read_fcd(written(tmp_path, "a.xml", FCD.replace('"b"', '"a"')))
    assert trace.names == ("vehicle a", "person a")


def moving(x0: float, y0: float, step: float, *, interval: float = 5.0, heading: str = "id,time,x,y") -> str:
    """Return a CSV trace of two users who go east and north from a place."""
    rows = [heading]
    for k in range(12):
        rows.append(f"e,{k * interval:g},{x0 + k * step:.9g},{y0:.9g}")
        rows.append(f"n,{k * interval:g},{x0:.9g},{y0 + k * step:.9g}")
    return "\n".join(rows) + "\n"


def fcd_of(csv: str) -> str:
    """Return the same trace as SUMO writes it."""
    steps = (line.split(",") for line in csv.splitlines()[1:])
    body = "".join(f'<timestep time="{t}"><vehicle id="{i}" x="{x}" y="{y}"/></timestep>\n' for i, t, x, y in steps)
    return f"<fcd-export>\n{body}</fcd-export>"


@pytest.mark.parametrize(
    "text",
    [
        moving(13.33, 52.5, 0.0015),
        moving(116.51, 39.92, 0.0002, interval=1.0),
        moving(-71.0637, -33.4489, 0.00001, interval=1.0),  # walkers, south and west
        moving(10.0, 50.0, 0.2501, interval=3600.0),  # far beyond a metre, but slow
        moving(4.8951, 52.3702, 0.001, heading="vehicle_id,timestep_time,vehicle_x,vehicle_y"),
        "id,time,x,y\na,0,13.3301,52.5\nb,0,13.3402,52.51\na,9,13.3301,52.5\n",  # parked, a kilometre apart
    ],
)
def test_degrees_in_x_and_y_are_recognised(tmp_path: Path, text: str) -> None:
    rows = np.array([line.split(",")[2:] for line in text.splitlines()[1:]], dtype=float)
    for name, content in (("a.csv", text), ("a.xml", fcd_of(text))):
        path = written(tmp_path, name, content)
        with pytest.warns(InputWarning, match="are read as longitude and latitude in degrees") as caught:
            trace = read_trace(path)
        assert str(caught[0].message).startswith(str(path))
        assert trace.degrees
        # Longitude is x.
        assert trace.position.min(axis=0).tolist() == rows.min(axis=0).tolist()[::-1]
        assert not read_trace(path, degrees=False).degrees


@pytest.mark.parametrize(
    "text",
    [
        moving(100.0, 50.0, 1.5),  # cars within the range of degrees
        moving(5.0, 5.0, 0.123, interval=1.0),  # a room
        moving(3.25, 4.125, 0.05, interval=0.1),  # within a metre, but quick
        moving(500.0, 80.0, 0.0001),  # out of range, whatever moves
        "id,time,x,y\na,0,5,5\na,9,5,5\n",
        "id,time,x,y\na,0,5.25,5.5\nb,0,5.5,5.5\na,9,5.25,5.5\n",
        "id,time,x_m,y_m\na,0,13.337,52.511\na,9,13.337,52.511\n",
    ],
)
def test_metres_in_the_range_of_degrees_stay_metres(tmp_path: Path, text: str) -> None:
    for name, content in (("a.csv", text), ("a.xml", fcd_of(text))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trace = read_trace(written(tmp_path, name, content))
        assert not trace.degrees


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (moving(13.3, 52.5, 0.01), "x and y may be metres or degrees: x 13.3 to 13.41, y 52.5 to 52.61"),
        (moving(5.0, 5.0, 0.1, interval=10.0), "x and y may be metres or degrees"),  # a metre and more, 1 cm/s
        (moving(13.33, 52.5, 0.0015, heading="id,t,x_m,y_m"), "may be metres by their headings and degrees by their"),
        (moving(39.92, 116.51, 0.0015), "x and y are degrees by their size, but y is no latitude"),
    ],
)
def test_what_may_be_metres_or_degrees_is_asked(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, "a.csv", text)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    assert words in str(caught.value)
    assert "degrees=false" in str(caught.value)
    assert not read_trace(path, degrees=False).degrees
    if "latitude" not in words:
        assert read_trace(path, degrees=True).degrees


def test_latitude_and_longitude_beside_x_and_y(tmp_path: Path) -> None:
    def of(x: str, y: str) -> Path:
        return written(tmp_path, "a.csv", f"id,t,x,y,lat,lon\na,0,{x},{y},-37.8,144.96\na,5,{x}1,{y}1,-37.8,144.97\n")

    assert not read_csv(of("300.", "400.")).degrees
    assert read_csv(of("300.", "400."), degrees=True).position[0].tolist() == [-37.8, 144.96]
    # Both in degrees: the columns that say so.
    assert read_csv(of("144.963", "-37.813")).position[0].tolist() == [-37.8, 144.96]
    path = written(tmp_path, "b.csv", "id,t,lat,lon\na,0,1,2\n")
    with pytest.raises(InputError, match="has latitude and longitude, which are degrees"):
        read_csv(path, degrees=False)
    explicit = written(tmp_path, "c.csv", "id,t,x_deg,y_deg\na,0,144.9,-37.8\n")
    assert read_csv(explicit).position.tolist() == [[-37.8, 144.9]]


def test_units_in_headings(tmp_path: Path) -> None:
    expected = read_csv(written(tmp_path, "a.csv", CSV))
    rows = [line.split(",") for line in CSV.splitlines()[1:]]
    for heading, second, length in (
        ("id,time_ms,x_km,y_km", 1e3, 1e-3),
        ("id,Time [us],X (m),Y (m)", 1e6, 1.0),
        ("vehicleId,timestamp_ns,x_cm,y_cm", 1e9, 100.0),
        ("node,t_min,x,y", 1 / 60, 1.0),
    ):
        lines = (f"{i},{float(t) * second!r},{float(x) * length!r},{float(y) * length!r}" for i, t, x, y in rows)
        trace = read_csv(written(tmp_path, "b.csv", "\n".join([heading, *lines])))
        assert trace.names == expected.names
        np.testing.assert_allclose(trace.time_s, expected.time_s)
        np.testing.assert_allclose(trace.position, expected.position)
    # A mapping says which column, its heading says the unit.
    mapped = "who,STAMP_MS,x,y\na,0,0,0\na,10000,100,50\nb,2000,5,5\nb,4000,5,9\n"
    columns = {"id": "who", "time_s": "STAMP_MS"}
    assert_same(read_csv(written(tmp_path, "c.csv", mapped), columns=columns), expected)


def test_repeated_records_are_kept_once(tmp_path: Path) -> None:
    rows = CSV.splitlines()
    repeated = "\n".join([*rows, rows[1], rows[2], rows[2]]) + "\n"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_same(read_csv(written(tmp_path, "a.csv", repeated)), read_csv(written(tmp_path, "b.csv", CSV)))
        line = '    <timestep time="4.00"><person id="b" x="5" y="9"/></timestep>\n'
        assert_same(
            read_fcd(written(tmp_path, "a.xml", FCD.replace(line, 2 * line))), read_fcd(written(tmp_path, "b.xml", FCD))
        )


MIXED = """timestep_time;vehicle_id;vehicle_x;vehicle_y;person_id;person_x;person_y;container_id;container_x
0.00;;;;;;;;
0.00;car;0.0;5.0;;;;;
0.00;;;;ped;0.5;9.0;;
5.00;car;50.0;5.0;ped;5.5;9.0;;
5.00;;;;;;;box;3
10.00;;;;;;;;
10.00;car;99,5;5.0;;;;;
"""


def test_vehicles_and_persons_in_one_csv(tmp_path: Path) -> None:
    with pytest.warns(InputWarning, match="1 container is left out"):
        trace = read_csv(written(tmp_path, "a.csv", MIXED))
    assert trace.names == ("car", "ped")
    assert trace.user.tolist() == [0, 0, 0, 1, 1]
    assert trace.time_s.tolist() == [0, 5, 10, 0, 5]
    assert trace.position.tolist() == [[0, 5], [50, 5], [99.5, 5], [0.5, 9], [5.5, 9]]
    # One column of places for all, one kind in a row.
    shared = "timestep_time,vehicle_id,person_id,x,y\n0,7,,0,1\n0,,7,2,3\n"
    assert read_csv(written(tmp_path, "b.csv", shared)).names == ("vehicle 7", "person 7")
    # A column of persons without any is nobody's.
    none = "timestep_time,vehicle_id,person_id,vehicle_x,vehicle_y\n0,7,,0,1\n1,7,,2,3\n"
    assert read_csv(written(tmp_path, "c.csv", none)).names == ("7",)
    # The row's own number is not the user.
    numbered = "id,user_id,t,x,y\n1,ann,0,0,1\n2,ann,5,2,3\n"
    assert read_csv(written(tmp_path, "d.csv", numbered)).names == ("ann",)


def test_containers_of_an_fcd_export_are_left_out_with_a_note(tmp_path: Path) -> None:
    text = FCD.replace("<person", '<container id="c" x="0" y="0"/><person')
    with pytest.warns(InputWarning, match="1 container is left out"):
        assert_same(read_fcd(written(tmp_path, "a.xml", text)), read_fcd(written(tmp_path, "b.xml", FCD)))


def records(times: Mapping[str, Sequence[float]]) -> Trace:
    """Return users who go east at 1 m/s and have records at these times."""
    user = [name for name, own in times.items() for _ in own]
    time = np.array([t for own in times.values() for t in own], dtype=float)
    return trace_from_records("t", user, time, np.column_stack([time, np.zeros(time.size)]))


def test_a_user_without_records_for_long_has_left() -> None:
    steady = np.arange(0.0, 301.0, 5.0)
    back = np.concatenate([np.arange(0.0, 21.0, 5.0), np.arange(200.0, 301.0, 5.0)])
    trace = records({"stay": steady, "back": back.tolist(), "short": [0.0, 200.0]})
    time = np.array([20.0, 21.0, 110.0, 199.0, 200.0, 202.5])
    position, present = trace.at(time)
    assert present[:, 0].all()
    assert present[:, 1].tolist() == [True, False, False, False, True, True]
    assert position[:, 1, 0].tolist() == [20.0, 20.0, 20.0, 20.0, 200.0, 202.5]
    # Two records say nothing of how often a user is recorded: the others do.
    assert present[:, 2].tolist() == [False, False, False, False, True, False]
    assert trace.usual_gap_s().tolist() == [15.0, 15.0, 15.0]
    # The longest gap can be given; infinity fills all.
    assert trace.at(time, max_gap_s=180.0)[1][:, 1].all()
    assert not trace.at(time, max_gap_s=179.0)[1][1, 1]
    position, present = trace.at(time, max_gap_s=np.inf)
    assert present[:5].all()
    assert position[2, 1].tolist() == [110.0, 0.0]
    assert trace.at(time, max_gap_s=1.0)[1][:, 0].tolist() == [True, False, True, False, True, False]


@pytest.mark.parametrize("interval", [0.1, 1.0, 5.0, 60.0])
def test_two_lost_records_are_filled_in(interval: float) -> None:
    times = [k * interval for k in range(30) if k not in {5, 6, 15, 16, 17}]
    present = records({"a": times}).at(interval * np.arange(29.5, step=0.5))[1][:, 0]
    away = np.flatnonzero(~present) / 2
    assert away.tolist() == [14.5, 15.0, 15.5, 16.0, 16.5, 17.0, 17.5]


def test_users_have_intervals_of_their_own() -> None:
    rng = np.random.default_rng(0)
    taxi = (300.0 * np.arange(20)).tolist()
    jitter = np.cumsum(rng.uniform(4.0, 6.0, 40))
    jitter[20:] += 180.0
    turns = np.cumsum(rng.exponential(30.0, 40)).tolist()
    trace = records(
        {"car": np.arange(0.0, 5701.0, 10.0).tolist(), "taxi": taxi, "jitter": jitter.tolist(), "turns": turns}
    )
    gap = trace.usual_gap_s()
    assert gap[:2].tolist() == [30.0, 900.0]
    assert 12.0 < gap[2] < 20.0
    assert trace.at(np.linspace(0.0, 5700.0, 300))[1][:, 1].all()
    # Records at every turn come at any time: they are not taken to have gaps.
    assert trace.at(np.linspace(turns[0], turns[-1], 300))[1][:, 3].all()


def test_slots_meet_unix_times_but_for_rounding() -> None:
    begin = 1201966600.1
    trace = records({"a": [begin + 0.1 * k for k in range(50)], "b": [begin + 0.1 * k for k in range(10, 20)]})
    present = trace.at(begin + 0.1 * np.arange(50))[1]
    assert present[:, 0].all()
    assert np.flatnonzero(present[:, 1]).tolist() == list(range(10, 20))


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + ']><fcd-export><timestep time="0"><vehicle id="&j;" x="0" y="0"/></timestep></fcd-export>'
)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "# only this\n", "is empty"),
        ("a.csv", "id,t,x,y\n", "has no rows below its heading"),
        (
            "a.csv",
            "id,t,x\na,0,1\n",
            "has neither x and y nor latitude and longitude (name the columns; it has id, t, x)",
        ),
        ("a.csv", "t,x,y\n0,1,2\n", "has no column for id"),
        ("a.csv", "id,x,y\na,1,2\n", "has no column for time_s"),
        ("a.csv", "id,t,x,y\na,0,1\n", "line 2: has 3 cells, the heading has 4"),
        ("a.csv", "# c\nid,t,x,y\n\na,0,1,2\na,1,east,2\n", "line 5, column x: is not a number: 'east'"),
        ("a.csv", "id,t,x,y\na,12:30,1,2\n", "line 2, column t: is not a number or a time: '12:30'"),
        ("a.csv", "id,t,x,y\na,0,nan,2\n", "line 2: holds a number that is not finite"),
        ("a.csv", "id,t,x,y\na,0,1,2\nb,0,1,2\na,0,1,3\n", "line 4: has 'a' a second time at 0 s, at another place"),
        ("a.csv", "id,t,x,y\na,0,1,2\na,1,,2\n", "line 3, column x: is empty"),
        ("a.csv", "id,t,x,y\na,0,1,2\n,1,1,2\n", "line 3, column id: has a place but nobody's"),
        ("a.csv", "id,t,x,y\n,0,,\n,1,,\n", "has no records"),
        ("a.csv", "1,0,5,5\n1,1,6,6\n", "the first line must be a heading such as id,time_s,x_m,y_m; it is 1, 0, 5, 5"),
        ("a.csv", "vehicle_id,person_id,t,x,y\na,,0,1,2\nb,p,1,1,2\n", "line 3: has one place for a vehicle and a"),
        ("a.csv", "t,vehicle_id,vehicle_x,vehicle_y,person_id\n0,a,1,2,p\n", "has no places for each person"),
        ("a.csv", "id,t,x_ft,y_m\na,0,1,2\na,9,x,2\n", "line 3, column x_ft: is not a number"),
        ("a.csv", "id,t,lat,lon\na,0,144.9,-37.8\n", "line 2: latitude must be between -90 and 90, got 144.9"),
        ("a.csv", 'id,t,x,y\na,0,1,"2\n', "is not CSV"),
        ("a.xml", "", "line 1: is not XML: no element found"),
        ("a.xml", FCD[:300], "is not XML"),
        ("a.xml", BOMB, "line 1: has a DOCTYPE"),
        ("a.xml", "<!DOCTYPE fcd-export SYSTEM 'file:///etc/passwd'><fcd-export/>", "has a DOCTYPE"),
        ("a.xml", "<routes/>", "is no FCD export, its root is <routes>"),
        ("a.xml", "<fcd-export/>", "has no records"),
        ("a.xml", FCD.replace('id="b" x="5" y="9"', 'id="b" x="5"'), "line 6: has a <person> without y"),
        (
            "a.xml",
            FCD.replace('time="2.00"', 'time="00:00:02"'),
            "line 5, time of <timestep>: has h:m:s, '00:00:02', where '0.00' before it is a number",
        ),
        ("a.xml", FCD.replace(' time="2.00"', ""), "line 5: has a <timestep> without time"),
        ("a.xml", FCD.replace('person id="b"', "person"), "line 5: has a <person> without id"),
        ("a.xml", '<fcd-export><vehicle id="a" x="1" y="1"/></fcd-export>', "outside of a <timestep>"),
        ("a.xml", FCD.replace('time="4.00"', 'time="2.00"'), "line 6: has 'b' a second time at 2 s"),
        ("a.xml", FCD.replace('x="100"', 'x="inf"'), "line 7: holds a number that is not finite"),
    ],
)
def test_malformed_traces_are_one_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    line = str(caught.value)
    assert line.startswith(str(path))
    assert words in line
    assert "\n" not in line


def test_damaged_and_missing_traces(tmp_path: Path) -> None:
    for name, text in (("a.csv.gz", CSV), ("a.xml.gz", FCD)):
        whole = gzip.compress(text.encode())
        for content in (whole[: len(whole) // 2], b"no gzip"):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(InputError, match="is not a whole gzip file"):
                read_trace(tmp_path / name)
    (tmp_path / "b.csv").write_bytes(b"id,t,x,y\n\xff,0,1,2\n")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_trace(tmp_path / "b.csv")
    for name in ("no.csv", "no.xml"):
        with pytest.raises(InputError, match="cannot be read"):
            read_trace(tmp_path / name)
    with pytest.raises(InputError, match="has no column 'who'"):
        read_csv(written(tmp_path, "c.csv", CSV), columns={"id": "who"})
    with pytest.raises(InputError, match="unknown column 'speed'"):
        read_csv(tmp_path / "c.csv", columns={"speed": "v"})


def test_the_shipped_trace() -> None:
    assert SHIPPED.stat().st_size <= 1_000_000
    head = gzip.decompress(SHIPPED.read_bytes())[:2000].decode()
    for command in ("make_sumo_trace", "netgenerate", "randomTrips.py", "sumo -n"):
        assert command in head
    trace = read_csv(SHIPPED)
    first, last = trace.span_s()
    assert ((last - first) >= 300).sum() >= 300
    assert trace.time_s.min() == 0
    size = np.ptp(trace.position, axis=0)
    assert 2400 < size[0] < 2600
    assert 1400 < size[1] < 1600
    same = np.diff(trace.user) == 0
    speed = np.hypot(*np.diff(trace.position, axis=0).T)[same] / np.diff(trace.time_s)[same]
    walking = np.array([name.startswith("p") for name in trace.names])[trace.user[1:]][same]
    assert walking.mean() > 0.4
    assert speed[walking].max() < 3.0
    assert speed.max() < 16.0
