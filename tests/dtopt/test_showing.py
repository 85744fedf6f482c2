"""`Result.to_frame`, `plot`, `to_geojson` and what notebooks show."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.errors import InputError
from dtopt.geography import Projection
from dtopt.testing import tiny_problem


@pytest.fixture
def solved():
    problem = tiny_problem(7, users=5, stations=3)
    return problem, dtopt.solve(problem, "greedy")


def test_the_table_has_a_row_for_each_user_and_agrees_with_the_evaluator(solved):
    problem, result = solved
    table = result.to_frame()
    assert table["server"].tolist() == result.solution.association.tolist()
    assert table["latency_s"].to_numpy() == pytest.approx(result.evaluation.latency_s)
    used = table.groupby("server")["cpu_share_hz"].sum()
    assert (used <= problem.network.stations.cpu_hz[used.index] * (1 + 1e-9)).all()


def test_a_pickled_result_needs_its_problem_again_and_takes_no_other(solved):
    problem, result = solved
    again = pickle.loads(pickle.dumps(result))
    assert again.objective == result.objective
    with pytest.raises(InputError, match="give the problem"):
        again.to_frame()
    with pytest.raises(InputError, match="another one"):
        again.to_frame(tiny_problem(8))
    assert again.to_frame(problem).equals(result.to_frame())


def test_geojson_in_degrees_is_where_the_origin_says(solved, tmp_path):
    problem, result = solved
    path = tmp_path / "out.geojson"
    collection = result.to_geojson(path, origin=(-37.81, 144.96))
    assert json.loads(path.read_text()) == collection
    assert "coordinate_unit" not in collection
    kinds = [f["properties"]["kind"] for f in collection["features"]]
    assert kinds.count("station") == 3
    assert kinds.count("user") == kinds.count("link") == 5
    users = np.array(
        [f["geometry"]["coordinates"] for f in collection["features"] if f["properties"]["kind"] == "user"]
    )
    back = Projection(-37.81, 144.96).to_metres(users[:, 1], users[:, 0])
    assert back == pytest.approx(problem.network.users.position_m, abs=0.02)
    links = [f for f in collection["features"] if f["properties"]["kind"] == "link"]
    assert [f["properties"]["server"] for f in links] == result.solution.association.tolist()


def test_geojson_without_a_place_on_earth_says_that_it_is_in_metres(solved):
    problem, result = solved
    collection = result.to_geojson()
    assert collection["coordinate_unit"] == "m"
    first = collection["features"][0]["geometry"]["coordinates"]
    assert first == pytest.approx(problem.network.stations.position_m[0], abs=0.001)


def test_an_origin_survives_files_and_changes_no_hash(tmp_path):
    problem = tiny_problem(7)
    placed = replace(problem, network=replace(problem.network, origin=Projection(51.5, -0.1)))
    assert placed.content_hash == problem.content_hash
    for name in ("p.json", "p.npz"):
        dtopt.write(placed, tmp_path / name)
        again = dtopt.read(tmp_path / name)
        assert again.network.origin == placed.network.origin
        assert again.content_hash == problem.content_hash
    with pytest.raises(InputError, match="latitude"):
        Projection(91.0, 0.0)


def test_lists_in_degrees_keep_their_place(tmp_path):
    stations, users = tmp_path / "s.csv", tmp_path / "u.csv"
    stations.write_text("latitude,longitude\n-37.82,144.95\n-37.81,144.97\n")
    users.write_text("latitude,longitude\n-37.815,144.96\n-37.812,144.965\n")
    problem = dtopt.generate("csv", stations=str(stations), users=str(users))
    features = dtopt.solve(problem, "greedy").to_geojson()["features"]
    assert features[0]["geometry"]["coordinates"] == pytest.approx([144.95, -37.82], abs=1e-6)
    assert features[2]["geometry"]["coordinates"] == pytest.approx([144.96, -37.815], abs=1e-6)


def test_the_map_shows_every_user_and_every_open_server(solved):
    problem, result = solved
    ax = result.plot()
    points = {c.get_label(): c.get_offsets() for c in ax.collections if hasattr(c, "get_offsets")}
    assert np.asarray(points["users"]) == pytest.approx(problem.network.users.position_m)
    open_m = problem.network.stations.position_m[result.solution.open_servers]
    assert np.asarray(points["twin servers"]) == pytest.approx(open_m)


def test_without_positions_it_says_so(solved):
    problem, _ = solved
    bare = replace(problem, network=replace(problem.network, users=replace(problem.network.users, position_m=None)))
    result = dtopt.solve(bare, "greedy")
    for show in (result.plot, result.to_geojson):
        with pytest.raises(InputError, match="positions"):
            show()
    assert result.to_frame()["x_m"].isna().all()


def test_notebooks_show_tables_in_which_names_are_escaped(solved):
    problem, result = solved
    named = replace(problem, name="<script>alert(1)</script>")
    for shown in (named._repr_html_(), dtopt.solve(named, "greedy")._repr_html_(), result._repr_html_()):
        assert shown.startswith("<table>")
        assert "<script" not in shown
    assert f"{result.objective:.6g}" in result._repr_html_()
    assert "P2" in tiny_problem(1, kind="migration")._repr_html_()
