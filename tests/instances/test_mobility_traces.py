"""Mobility traces: every format says the same, and every fault is one clear line."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.geography import Projection
from instances.mobility import constants, generate
from instances.mobility.fcd import read_fcd
from instances.mobility.generate import read_trace
from instances.mobility.traces import Trace, read_csv

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
        ("a.csv", "id,t,x,y\na,12:30,1,2\n", "line 2, column t: is not a number: '12:30'"),
        ("a.csv", "id,t,x,y\na,0,nan,2\n", "line 2: holds a number that is not finite"),
        ("a.csv", "id,t,x,y\na,0,1,2\nb,0,1,2\na,0,1,3\n", "line 4: has 'a' a second time at 0 s"),
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
            "line 5: <timestep> has time='00:00:02', which is not",
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
