"""Instance and solution files: exact round trips, one clear line for each fault, atomic writing."""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtopt.arrays import UNLIMITED
from dtopt.channel import CandidateGains, ModelledChannel
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.io import read, read_solution, read_solution_info, write, write_solution
from dtopt.io.schema import instance_schema
from dtopt.propagation import Propagation
from dtopt.registry import solve
from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem
from tests.mutations import good_files, good_problem, mutations

MUTATIONS = list(mutations())


def with_channel(problem, kind):
    net = problem.network
    if kind == "model":
        channel = ModelledChannel(Propagation("umi", fading="rician", shadowing=True, seed=9, carrier_ghz=0.1 + 0.2))
    elif kind == "candidates":
        m = problem.n_stations
        station = np.argsort(-net.channel.gain, axis=1)[:, : max(1, m - 1)]
        channel = CandidateGains(station, np.take_along_axis(net.channel.gain, station, axis=1))
    else:
        return problem
    return replace(problem, network=replace(net, channel=channel))


def with_extras(problem, seed):
    rng = np.random.default_rng(seed)
    net = problem.network
    m = problem.n_stations
    distance = rng.uniform(1, 2000, (m, m)) * (1 - np.eye(m))
    users = replace(net.users, names=[f"ü{i} \"'\\" for i in range(problem.n_users)])
    stations = replace(net.stations, names=[f"BS {k}" for k in range(m)], distance_m=distance)
    return replace(problem, name="Straße 1", network=replace(net, users=users, stations=stations))


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["placement", "migration"]),
    sharing=st.sampled_from(SHARINGS),
    objective=st.sampled_from(OBJECTIVES),
    flags=st.tuples(*[st.booleans()] * 4),
    channel=st.sampled_from(["gain", "candidates", "model"]),
)
def test_round_trips_are_exact(tmp_path_factory, seed, kind, sharing, objective, flags, channel):
    deadlines, capacities, limited, extras = flags
    problem = tiny_problem(
        seed,
        kind=kind,
        sharing=sharing,
        objective=objective,
        deadlines=deadlines,
        capacities=capacities,
        limited_servers=limited,
        mode="soft" if seed % 2 else "hard",
    )
    problem = with_channel(problem, channel)
    if extras:
        problem = with_extras(problem, seed)
    folder = tmp_path_factory.mktemp("files")
    again = problem
    for name in ("a.json", "b.npz", "c.json"):
        write(again, folder / name)
        again = read(folder / name)
        assert again.content_hash == problem.content_hash
        assert again.name == problem.name
        assert again.network.users.names == problem.network.users.names
        assert again.network.stations.names == problem.network.stations.names
    assert (folder / "a.json").read_bytes() == (folder / "c.json").read_bytes()


def test_pair_latencies_with_forbidden_pairs_round_trip(tmp_path):
    base = tiny_problem(1, sharing="fixed", users=3, stations=2)
    latency = np.array([[1.0, np.inf], [0.1, 0.3], [np.inf, 2.0]])
    network = replace(base.network, channel=None)
    problem = replace(base, network=network, pair_latency_s=latency)
    for suffix in (".json", ".npz"):
        write(problem, tmp_path / f"p{suffix}")
        assert read(tmp_path / f"p{suffix}").content_hash == problem.content_hash


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_solutions_round_trip_and_keep_the_run(tmp_path, suffix):
    problem = good_problem()
    result = solve(problem, "greedy", seed=3)
    path = tmp_path / f"s{suffix}"
    write_solution(result, path, problem)
    info = read_solution_info(path, problem)
    assert (info.solution.association == result.solution.association).all()
    assert (info.solution.cpu_share_hz == result.solution.cpu_share_hz).all()
    assert info.result["solver"] == "greedy"
    assert info.result["seed"] == 3
    assert evaluate(problem, read_solution(path)).objective == result.objective
    write_solution(result.solution, path, problem)
    assert read_solution_info(path).result == {}


def test_a_solution_from_another_program_needs_only_its_association(tmp_path):
    problem = good_problem()
    expected = solve(problem, "greedy").solution
    association = expected.association.tolist()
    whole = {"format": "dtopt-solution", "version": 1, "association": association, "open_servers": [0, 1, 2]}
    for document in (
        {"association": association},
        {"version": 1, "association": association, "open_servers": None},
        {**whole, "instance": None},
        {**whole, "instance": {}},
        {**whole, "instance": {"name": "mine", "hash": None}, "cpu_share_hz": None},
        {"association": [float(k) for k in association], "open_servers": [0.0, 1.0, 2.0]},
    ):
        path = tmp_path / "s.json"
        path.write_text(json.dumps(document))
        info = read_solution_info(path, problem)
        assert info.instance_hash is None
        with pytest.warns(UserWarning, match="does not say which instance it solves"):
            solution = read_solution(path, problem)
        assert solution.association.tolist() == association
        opened = document.get("open_servers")
        assert solution.open_servers.tolist() == (sorted(set(association)) if opened is None else [0, 1, 2])
        # Without an instance there is nothing to warn about.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_solution(path)
    for arrays in ({"association": expected.association}, {"association": expected.association.astype(float)}):
        np.savez(tmp_path / "s.npz", **arrays)
        with pytest.warns(UserWarning, match="does not say which instance"):
            assert read_solution(tmp_path / "s.npz", problem).association.tolist() == association


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "association: is missing"),
        ({"association": [0, 0, 0]}, "association: has shape 3, expected 4"),
        ({"association": [0, 0, 0, 3]}, r"association[3]: must be <= 2"),
        ({"association": [0, 0, 0, 0], "open_servers": [4]}, r"open_servers[0]: must be <= 2"),
        ({"association": [0, 0, 0, 0], "format": "mine"}, "format: is 'mine'"),
        ({"association": [0, 0, 0, 0], "version": 2}, "version: is 2"),
        ({"association": [0, 0, 0, 0], "cost": 3}, "cost: is not a known field"),
        ({"association": [0, 0, 0, 0], "instance": {"hash": "0" * 64}}, "instance.hash: is 000000000000..."),
    ],
)
def test_a_solution_without_a_hash_is_checked_all_the_same(tmp_path, document, words):
    path = tmp_path / "s.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        read_solution(path, good_problem())
    assert words in str(caught.value)


def with_whole_numbers_as_floats(value):
    if isinstance(value, dict):
        return {key: with_whole_numbers_as_floats(part) for key, part in value.items()}
    if isinstance(value, list):
        return [with_whole_numbers_as_floats(part) for part in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("name", ["placement", "migration", "fixed", "candidates", "model", "solution"])
def test_whole_numbers_may_be_written_as_floats(tmp_path, name):
    if name in ("candidates", "model"):
        problem = with_extras(with_channel(tiny_problem(6, users=4, stations=3, capacities=True), name), 1)
        write(problem, tmp_path / "p.json")
        content = (tmp_path / "p.json").read_bytes()
    else:
        content = good_files()[f"{name}.json"][0]
        problem = None
    path = tmp_path / "f.json"
    path.write_bytes(content)
    floats = tmp_path / "floats.json"
    document = json.loads(content)
    version = document["version"]
    floats.write_text(json.dumps(with_whole_numbers_as_floats(document) | {"version": version}))
    if name == "solution":
        assert (read_solution(floats).association == read_solution(path).association).all()
        return
    assert read(floats).content_hash == read(path).content_hash
    if name == "candidates":
        document["channel"]["station"][1][0] = 0.5
        floats.write_text(json.dumps(document))
        with pytest.raises(InputError, match=r"channel.station\[1\]\[0\]: should be a valid integer, got 0.5"):
            read(floats)


def test_no_limit_and_zero_are_told_apart(tmp_path):
    document = json.loads(good_files()["placement.json"][0])
    path = tmp_path / "p.json"

    def stations(*capacities):
        for station, capacity in zip(document["stations"], capacities, strict=True):
            station.pop("capacity", None)
            if capacity != "absent":
                station["capacity"] = capacity
        path.write_text(json.dumps(document))
        return read(path).network.stations.capacity.tolist()

    assert stations(None, "absent", 0) == [UNLIMITED, UNLIMITED, 0]
    assert stations(2.0, 0.0, 3) == [2, 0, 3]
    document["users"][0]["deadline_s"] = None
    document["users"][1].pop("deadline_s")
    document["users"][2].update(deadline_s=2, update_bits=0)
    path.write_text(json.dumps(document))
    users = read(path).network.users
    assert users.deadline_s[:3].tolist() == [np.inf, np.inf, 2.0]
    assert users.update_bits[2] == 0.0


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[m.name for m in MUTATIONS])
def test_malformed_files_give_one_line_that_names_the_field(tmp_path, mutation):
    path = tmp_path / f"file{mutation.suffix}"
    path.write_bytes(mutation.content)
    with pytest.raises(InputError) as caught:
        read_solution(path, good_problem()) if mutation.solution else read(path)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(str(path))
    assert mutation.field in line.removeprefix(str(path))


def test_there_are_enough_malformed_files():
    assert len(MUTATIONS) >= 60
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS)


def read_or_refuse(path, problem, solution):
    """Any outcome will do but an error other than `InputError`, or one of several lines."""
    line = ""
    try:
        read_solution(path, problem) if solution else read(path)
    except InputError as error:
        line = str(error)
    assert "\n" not in line


GOOD = sorted(good_files().items())


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_damaged_bytes_never_give_a_traceback(tmp_path_factory, data):
    name, (content, solution) = data.draw(st.sampled_from(GOOD))
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        change = data.draw(st.sampled_from(["set", "cut", "insert"]))
        if change == "set":
            damaged[at] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del damaged[at : at + data.draw(st.integers(1, 40))]
        else:
            damaged[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        if not damaged:
            break
    path = tmp_path_factory.getbasetemp() / f"damaged{name[name.rindex('.') :]}"
    path.write_bytes(bytes(damaged))
    read_or_refuse(path, None, solution)


def nodes(document, path=()):
    yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from nodes(value, (*path, key))
    elif isinstance(document, list):
        for i, value in enumerate(document):
            yield from nodes(value, (*path, i))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*does not say which instance")
@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_exchanged_values_never_give_a_traceback(tmp_path_factory, data):
    _, (content, solution) = data.draw(st.sampled_from([g for g in GOOD if g[0].endswith("json")]))
    document = json.loads(content)
    *keys, last = data.draw(st.sampled_from([p for p in nodes(document) if p]))
    owner = document
    for key in keys:
        owner = owner[key]
    strange = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5),
        st.just([]), st.just({}), st.lists(st.integers(-2, 3), max_size=4), st.just([[1.0], [2.0, 3.0]]),
    )  # fmt: skip
    if data.draw(st.booleans()):
        owner[last] = data.draw(strange)
    else:
        del owner[last]
    path = tmp_path_factory.getbasetemp() / "exchanged.json"
    path.write_text(json.dumps(document))
    read_or_refuse(path, good_problem(), solution)


def test_files_that_cannot_be_opened(tmp_path):
    for path, message in (
        (tmp_path / "missing.json", "cannot be read: No such file"),
        (tmp_path / "missing.npz", "cannot be read: No such file"),
        (tmp_path, "unknown kind of file ''"),
        (tmp_path / "x.csv", "unknown kind of file '.csv' .*one of .json, .npz"),
    ):
        with pytest.raises(InputError, match=message):
            read(path)
    folder = tmp_path / "folder.json"
    folder.mkdir()
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read(folder)


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    problem = good_problem()
    path = tmp_path / "p.json"
    write(problem, path)
    before = path.read_bytes()

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write(replace(problem, name="new"), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["p.json"]
    with pytest.raises(InputError, match="cannot be written: No such file"):
        write(problem, tmp_path / "none" / "p.json")


def test_a_result_without_solution_cannot_be_written(tmp_path):
    problem = tiny_problem(1, users=3, stations=1)
    stations = replace(problem.network.stations, capacity=np.array([1]))
    problem = replace(problem, network=replace(problem.network, stations=stations))
    with pytest.raises(InputError, match="greedy found no solution to write"):
        write_solution(solve(problem, "greedy"), tmp_path / "s.json", problem)


def test_the_schema_is_json_and_knows_both_kinds():
    schema = json.loads(json.dumps(instance_schema()))
    assert [part["properties"]["kind"]["const"] for part in schema["oneOf"]] == ["placement", "migration"]


def test_the_example_in_the_docs_is_an_instance(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "files.md").read_text()
    instance, solution = (block.partition("```")[0] for block in text.split("```json\n")[1:])
    path = tmp_path / "docs.json"
    path.write_text(instance)
    problem = read(path)
    assert (problem.n_users, problem.n_stations) == (2, 2)
    path.write_text(solution.replace("(64 hex digits)", problem.content_hash))
    assert evaluate(problem, read_solution(path, problem)).feasible
    for field in ("radio", "compute", "backhaul", "sync", "weights", "sharing", "objective", "max_servers", "deadline"):
        document = json.loads(instance)
        del document[field]
        path.write_text(json.dumps(document))
        read(path)
