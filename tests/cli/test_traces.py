"""`dtopt scenario --trace`: files as users have them, from the command line."""

from __future__ import annotations

import numpy as np
import pytest

from dtopt.io.scenarios import read_scenario


def steps(position, heading="id,time,x,y"):
    """Return a CSV trace of users a and b every 5 s; `position` gives x and y of a user at a step."""
    rows = [f"{name},{5 * k},{','.join(map(repr, position(i, k)))}" for k in range(12) for i, name in enumerate("ab")]
    return "\n".join([heading, *rows]) + "\n"


@pytest.fixture
def scenario(dtopt, tmp_path):
    """Return a function that makes a scenario from a trace and gives exit code, what was said, and the scenario."""

    def run(text, *options, users=2, slots=12, preset="paper", name="t.csv"):
        trace, out = tmp_path / name, tmp_path / "s.npz"
        trace.write_text(text)
        out.unlink(missing_ok=True)
        size = ("--users", users, "--stations", 12) if preset == "paper" else ()
        code, _, err = dtopt("scenario", preset, "--trace", trace, "--slots", slots, "-o", out, *size, *options)
        return code, err, read_scenario(out) if out.exists() else None

    return run


def speed(made):
    """Return the users' median speed, m/s."""
    return float(np.median(np.hypot(*np.diff(made.position_m, axis=0).T))) / made.slot_s


def test_degrees_are_recognised_and_can_be_forced(scenario):
    text = steps(lambda i, k: (round(13.33 + 0.0003 * k * (i + 1), 6), 52.5))
    code, err, made = scenario(text)
    assert code == 0
    assert err.count("\n") == 1
    assert "dtopt: note: " in err
    assert "t.csv: x and y are read as longitude and latitude in degrees, degrees=false reads metres" in err
    assert 4.0 < speed(made) < 8.2
    code, err, forced = scenario(text, "--set", "degrees=true")
    assert (code, err) == (0, "")
    assert forced.content_hash == made.content_hash
    code, err, metres = scenario(text, "--set", "degrees=false")
    assert (code, err) == (0, "")
    assert speed(metres) < 1e-3
    assert scenario(text, "--set", "degrees=maybe")[0] == 2


def test_what_may_be_either_is_asked(scenario):
    code, err, _ = scenario(steps(lambda i, k: (13.3 + 0.01 * k, 52.5)))
    assert code == 2
    assert err.count("\n") == 1
    assert "x and y may be metres or degrees: x 13.3 to 13.41, y 52.5 to 52.5 (degrees=true or degrees=false" in err


def test_a_user_who_comes_back(scenario):
    rows = ["id,time,x,y"]
    rows += [f"stay,{t},{100 + t},300" for t in range(0, 301, 5)]
    rows += [f"back,{t},{50 + t},400" for t in [*range(0, 21, 5), *range(200, 301, 5)]]
    text = "\n".join(rows)
    code, err, made = scenario(text, slots=61)
    assert code == 0
    assert err.count("\n") == 1
    assert "1 of 2 users have no record for a while and are absent then, 'back' where it is more than 15 s" in err
    names = made.base.network.users.names
    present = made.present[:, names.index("back")]
    assert np.flatnonzero(~present).tolist() == list(range(5, 40))
    assert made.present[:, names.index("stay")].all()
    assert scenario(text, "--set", "max_gap_s=180", slots=61)[2].present.all()
    code, err, filled = scenario(text, "--set", "max_gap_s=inf", slots=61)
    assert (code, err) == (0, "")
    assert filled.present.all()
    code, err, _ = scenario(text, "--set", "max_gap_s=0", slots=61)
    assert code == 2
    assert "max_gap_s: must be > 0" in err
    # No slot can be without anybody.
    alone = "\n".join([rows[0], *(row for row in rows if row.startswith("back"))])
    code, err, _ = scenario(alone, slots=61, users=1)
    assert code == 2
    assert (
        "has no record of the 1 users 25 s after its first one (more users, fewer slots, or a longer max_gap_s" in err
    )


@pytest.mark.parametrize(
    ("times", "note"),
    [
        (lambda t: f"{1201966600 + t}", False),
        (lambda t: f"{1000 * (1201966600 + t)}", True),
        (lambda t: f"{10**6 * (1201966600 + t)}", True),
        (lambda t: f"00:00:{t:02}", False),
        (lambda t: f"2008-02-02 15:36:{t:02}", False),
        (lambda t: f"2008-02-02T15:36:{t:02}.000+08:00", False),
    ],
)
def test_times_of_every_kind_give_the_same_scenario(scenario, times, note):
    plain = steps(lambda i, k: (10.0 * k * (i + 1), 300.0))
    expected = scenario(plain)[2]
    head, *rows = plain.splitlines()
    changed = [",".join([i, times(int(t)), *rest]) for i, t, *rest in (row.split(",") for row in rows)]
    code, err, made = scenario("\n".join([head, *changed]))
    assert code == 0
    assert ("since 1970" in err) == note
    assert made.content_hash == expected.content_hash


def test_a_date_in_a_column_of_its_own(scenario):
    plain = steps(lambda i, k: (10.0 * k * (i + 1), 300.0))
    expected = scenario(plain)[2]
    rows = ["id,date,time,x,y"]
    for line in plain.splitlines()[1:]:
        i, t, x, y = line.split(",")
        after = int(t) - 30
        clock = f"2008-02-02,23:59:{60 + after:02}" if after < 0 else f"2008-02-03,00:00:{after:02}"
        rows.append(f"{i},{clock},{x},{y}")
    code, err, made = scenario("\n".join(rows))
    assert (code, err) == (0, "")
    assert made.content_hash == expected.content_hash
    code, err, _ = scenario("\n".join(rows).replace("2008-02-02,", ",").replace("2008-02-03,", ","))
    assert code == 2


@pytest.mark.parametrize(
    "position",
    [
        lambda i, k: (50.0 * k * (i + 1), 0.0),
        lambda i, k: (7.0, 20.0 * k * (i + 1)),
        lambda i, k: (5.0, 5.0),
        lambda i, k: (5.0 + 100.0 * i, 5.0),
    ],
)
def test_users_on_a_line_and_parked_ones(scenario, tmp_path, position):
    code, err, made = scenario(steps(position), slots=10)
    assert (code, err) == (0, "")
    expected = np.array([[position(i, k) for i in range(2)] for k in range(10)])
    np.testing.assert_allclose(np.diff(made.position_m, axis=0), np.diff(expected, axis=0), atol=1e-9)
    # Stations and users on a line too.
    (tmp_path / "stations.csv").write_text("name,x,y\nA,0,0\nB,1000,0\nC,2000,0\n")
    (tmp_path / "users.csv").write_text("name,x,y\nu,10,0\nv,900,0\n")
    lists = ("--set", f"stations={tmp_path / 'stations.csv'}", "--set", f"users={tmp_path / 'users.csv'}")
    assert scenario(steps(position), *lists, slots=10, preset="csv")[0] == 0


@pytest.mark.parametrize("mobility", ["random-waypoint", "gauss-markov", "manhattan"])
@pytest.mark.parametrize("places", ["A,5,5\n", "A,0,0\nB,0,1000\n"])
def test_stations_and_users_without_an_extent(dtopt, tmp_path, mobility, places):
    for name in ("stations", "users"):
        (tmp_path / f"{name}.csv").write_text(f"name,x,y\n{places}")
    lists = ("--set", f"stations={tmp_path / 'stations.csv'}", "--set", f"users={tmp_path / 'users.csv'}")
    out = tmp_path / "s.npz"
    code, _, _ = dtopt("scenario", "csv", *lists, "--mobility", mobility, "--slots", 20, "-o", out)
    assert code == 0
    assert 0 < np.ptp(read_scenario(out).position_m[..., 0]) <= 250.0


def test_users_who_all_leave_the_area(scenario):
    text = steps(lambda i, k: (200.0 * (k - 6) * (i + 1), 0.0))
    code, err, made = scenario(text)
    assert code == 0
    assert "slots nobody is in the area (" in err
    assert made.present.any(axis=1).all()
    middle = made.present[5:8]
    assert middle.all()
    # The slower one is nearer.
    names = made.base.network.users.names
    assert made.present[0].tolist() == [name == "a" for name in names]


def test_files_of_sumo(scenario):
    rows = ["timestep_time;vehicle_id;vehicle_x;vehicle_y;person_id;person_x;person_y", "0.00;;;;;;"]
    xml = ["<fcd-export>"]
    for t in range(5, 61, 5):
        rows += [f"{t}.00;car;{t}.5;5.0;;;", f"{t}.00;;;;ped;{t}.0;9.0"]
        places = f'<vehicle id="car" x="{t}.5" y="5"/><person id="ped" x="{t}" y="9"/>'
        xml.append(f'<timestep time="00:{t // 60:02}:{t % 60:02}.00">{places}</timestep>')
    code, err, made = scenario("\n".join(rows), slots=12)
    assert (code, err) == (0, "")
    assert made.base.network.users.names == ("car", "ped")
    code, err, same = scenario("\n".join([*xml, "</fcd-export>"]), slots=12, name="t.xml")
    assert (code, err) == (0, "")
    assert same.content_hash == made.content_hash
    code, err, _ = scenario("\n".join(xml), slots=12, name="t.xml")
    assert code == 2
    assert "it may be cut off" in err


def test_options_of_a_trace_need_one(dtopt, tmp_path):
    for option in ("degrees=true", "max_gap_s=5"):
        code, _, err = dtopt("scenario", "paper", "--set", option, "-o", tmp_path / "s.npz")
        assert code == 2
        assert "goes only with a trace" in err
    code, _, err = dtopt("scenario", "paper", "--mobility", "trace", "--set", "degrees=true", "-o", tmp_path / "s.npz")
    assert code == 2
    assert "degrees: the trace is in metres already" in err
