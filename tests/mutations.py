"""Malformed files: good instance and solution files with one fault each, and the field that the error must name."""

from __future__ import annotations

import copy
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtopt.io import write, write_solution
from dtopt.registry import solve
from dtopt.testing.tiny import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dtopt.problem import Problem


@dataclass(frozen=True)
class Mutation:
    """A malformed file; `field` is what its error line must hold, `solution` says what kind of file it is."""

    name: str
    suffix: str
    content: bytes
    field: str
    solution: bool = False


def good_problem() -> Problem:
    """Return the instance that the mutated solutions belong to."""
    return tiny_problem(2, users=4, stations=3, deadlines=True, capacities=True)


def _bytes(save: Callable[[Path], None], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        save(path)
        return path.read_bytes()


def good_files() -> dict[str, tuple[bytes, bool]]:
    """Return good files by name, with whether each is a solution."""
    placement = good_problem()
    migration = tiny_problem(3, kind="migration", users=4, stations=3, limited_servers=True)
    fixed = tiny_problem(4, sharing="fixed", users=4, stations=3)
    result = solve(placement, "greedy")
    files: dict[str, tuple[bytes, bool]] = {}
    for suffix in (".json", ".npz"):
        for name, problem in (("placement", placement), ("migration", migration), ("fixed", fixed)):
            files[name + suffix] = (_bytes(lambda path, p=problem: write(p, path), suffix), False)
        saved = _bytes(lambda path: write_solution(result, path, placement), suffix)
        files["solution" + suffix] = (saved, True)
    return files


def _set(*path: Any) -> Callable[[Any], None]:
    """Return a change that sets the value at a path; the last argument is the value."""
    *keys, last, value = path

    def change(document: Any) -> None:
        for key in keys:
            document = document[key]
        document[last] = value

    return change


def _drop(*path: Any) -> Callable[[Any], None]:
    *keys, last = path

    def change(document: Any) -> None:
        for key in keys:
            document = document[key]
        del document[last]

    return change


#: name, good file, change of the document, what the error must name.
_JSON: list[tuple[str, str, Callable[[Any], None], str]] = [
    ("no format", "placement", _drop("format"), "format"),
    ("other format", "placement", _set("format", "geojson"), "format"),
    ("no version", "placement", _drop("version"), "version"),
    ("later version", "placement", _set("version", 2), "version"),
    ("version as text", "placement", _set("version", "1"), "version"),
    ("no kind", "placement", _drop("kind"), "kind"),
    ("other kind", "placement", _set("kind", "routing"), "kind"),
    ("kind as list", "placement", _set("kind", ["placement"]), "kind"),
    ("unknown field", "placement", _set("colour", "blue"), "colour"),
    ("unknown user field", "placement", _set("users", 1, "age", 3), "users[1].age"),
    ("unknown radio field", "placement", _set("radio", "band", 3), "radio.band"),
    ("no users", "placement", _drop("users"), "users"),
    ("users empty", "placement", _set("users", []), "users"),
    ("users null", "placement", _set("users", None), "users"),
    ("users an object", "placement", _set("users", {}), "users"),
    ("user a number", "placement", _set("users", 2, 7), "users[2]"),
    ("stations empty", "placement", _set("stations", []), "stations"),
    ("no data_bits", "placement", _drop("users", 2, "data_bits"), "users[2].data_bits"),
    ("data_bits as text", "placement", _set("users", 2, "data_bits", "1e6"), "users[2].data_bits"),
    ("data_bits a boolean", "placement", _set("users", 2, "data_bits", True), "users[2].data_bits"),
    ("data_bits negative", "placement", _set("users", 2, "data_bits", -1.0), "users[2].data_bits"),
    ("data_bits zero", "placement", _set("users", 0, "data_bits", 0), "users[0].data_bits"),
    ("data_bits null", "placement", _set("users", 0, "data_bits", None), "users[0].data_bits"),
    ("update_bits negative", "placement", _set("users", 0, "update_bits", -3), "users[0].update_bits"),
    ("power negative", "placement", _set("users", 3, "tx_power_w", -0.2), "users[3].tx_power_w"),
    ("deadline zero", "placement", _set("users", 3, "deadline_s", 0.0), "users[3].deadline_s"),
    ("x without y", "placement", _drop("users", 3, "y_m"), "users[3].y_m"),
    ("no station x", "placement", _drop("stations", 1, "x_m"), "stations[1].x_m"),
    ("cpu zero", "placement", _set("stations", 1, "cpu_hz", 0), "stations[1].cpu_hz"),
    ("capacity a fraction", "placement", _set("stations", 1, "capacity", 2.5), "stations[1].capacity"),
    ("capacity as text", "placement", _set("stations", 1, "capacity", "2"), "stations[1].capacity"),
    ("capacity a boolean", "placement", _set("stations", 1, "capacity", True), "stations[1].capacity"),
    ("max_servers a fraction", "placement", _set("max_servers", 1.5), "max_servers"),
    ("servers a fraction", "migration", _set("servers", [0.5]), "servers[0]"),
    ("capacity negative", "placement", _set("stations", 1, "capacity", -2), "stations[1].capacity"),
    ("capacity huge", "placement", _set("stations", 1, "capacity", 10**30), "capacity"),
    ("no channel", "placement", _drop("channel"), "channel"),
    ("channel unknown kind", "placement", _set("channel", "kind", "laser"), "channel.kind"),
    ("channel no gain", "placement", _drop("channel", "gain"), "channel.gain"),
    ("gain ragged", "placement", _drop("channel", "gain", 1, 0), "channel.gain[1]"),
    ("gain too short", "placement", _drop("channel", "gain", 1), "channel.gain"),
    ("gain negative", "placement", _set("channel", "gain", 1, 2, -1e-9), "channel.gain[1][2]"),
    ("gain as text", "placement", _set("channel", "gain", 1, 2, "x"), "channel.gain[1][2]"),
    ("gain a vector", "placement", _set("channel", "gain", [1e-9] * 4), "channel.gain"),
    ("gain and model", "placement", _set("channel", "path_loss", "uma"), "channel.path_loss"),
    ("bandwidth zero", "placement", _set("radio", "bandwidth_hz", 0), "radio.bandwidth_hz"),
    ("noise null", "placement", _set("radio", "noise_dbm_per_hz", None), "radio.noise_dbm_per_hz"),
    ("three passes", "placement", _set("backhaul", "wired_passes", 3), "backhaul.wired_passes"),
    ("negative backhaul", "placement", _set("backhaul", "s_per_bit_m", -1), "backhaul.s_per_bit_m"),
    ("unknown sharing", "placement", _set("sharing", "fair"), "sharing"),
    ("fixed without demand", "placement", _set("sharing", "fixed"), "demand_hz"),
    ("unknown objective", "placement", _set("objective", "profit"), "objective"),
    ("unknown deadline", "placement", _set("deadline", "firm"), "deadline"),
    ("no server at all", "placement", _set("max_servers", 0), "max_servers"),
    ("alpha negative", "placement", _set("weights", "latency", -1), "weights.latency"),
    ("period zero", "placement", _set("sync", "update_period_s", 0), "sync.update_period_s"),
    (
        "distance ragged",
        "placement",
        _set("station_distance_m", [[0, 1, 2], [1, 0], [2, 1, 0]]),
        "station_distance_m[1]",
    ),
    (
        "distance to itself",
        "placement",
        _set("station_distance_m", [[0, 1, 2], [1, 5, 1], [2, 1, 0]]),
        "station_distance_m",
    ),
    ("utility in placement", "placement", _set("utility", {"beta": 0.5}), "utility"),
    ("previous in placement", "placement", _set("previous", [0, 0, 0, 0]), "previous"),
    ("demand negative", "fixed", _set("demand_hz", 1, 1, -1.0), "demand_hz[1][1]"),
    ("demand too short", "fixed", _drop("demand_hz", 1), "demand_hz"),
    ("no previous", "migration", _drop("previous"), "previous"),
    ("previous too long", "migration", _set("previous", [0] * 5), "previous"),
    ("previous no station", "migration", _set("previous", 2, 9), "previous[2]"),
    ("previous a fraction", "migration", _set("previous", 2, 0.5), "previous[2]"),
    ("servers twice", "migration", _set("servers", [1, 1]), "servers"),
    ("servers no station", "migration", _set("servers", [7]), "servers[0]"),
    ("beta above one", "migration", _set("utility", "beta", 1.5), "utility.beta"),
    ("unknown interaction", "migration", _set("utility", "interaction", "talk"), "utility.interaction"),
    ("no deadline", "migration", _set("users", 1, "deadline_s", None), "users[1].deadline_s"),
    ("weights in migration", "migration", _set("weights", {"latency": 1.0}), "weights"),
    ("solution of another", "solution", _set("instance", "hash", "0" * 64), "instance.hash"),
    ("solution with an empty hash", "solution", _set("instance", "hash", ""), "instance.hash"),
    ("hash a number", "solution", _set("instance", "hash", 7), "instance.hash"),
    ("solution of a later version", "solution", _set("version", 2), "version"),
    ("an instance for a solution", "solution", _set("format", "dtopt-instance"), "this is an instance"),
    ("association a fraction", "solution", _set("association", 1, 0.5), "association[1]"),
    ("association a boolean", "solution", _set("association", 1, True), "association[1]"),
    ("open server a fraction", "solution", _set("open_servers", [0.5]), "open_servers[0]"),
    ("association too short", "solution", _drop("association", 0), "association"),
    ("association no station", "solution", _set("association", 1, 3), "association[1]"),
    ("association negative", "solution", _set("association", 1, -1), "association[1]"),
    ("association huge", "solution", _set("association", 1, 10**40), "association"),
    ("association as text", "solution", _set("association", 1, "0"), "association[1]"),
    ("open server twice", "solution", _set("open_servers", [0, 0]), "open_servers"),
    ("open server no station", "solution", _set("open_servers", [9]), "open_servers[0]"),
    ("share negative", "solution", _set("cpu_share_hz", 2, -1.0), "cpu_share_hz[2]"),
    ("shares too short", "solution", _drop("cpu_share_hz", 2), "cpu_share_hz"),
    ("solution unknown field", "solution", _set("cost", 3), "cost"),
]


def _npz(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    with np.load(io.BytesIO(content)) as archive:
        arrays = dict(archive)
    change(arrays)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _header(change: Callable[[Any], None]) -> Callable[[dict[str, Any]], None]:
    def apply(arrays: dict[str, Any]) -> None:
        document = json.loads(str(arrays["header"]))
        change(document)
        arrays["header"] = np.array(json.dumps(document))

    return apply


_NPZ: list[tuple[str, str, Callable[[dict[str, Any]], None], str]] = [
    ("no header", "placement", _drop("header"), "header"),
    ("header a number", "placement", _set("header", np.array(3)), "header"),
    ("header unknown field", "placement", _header(_set("colour", "red")), "colour"),
    ("header later version", "placement", _header(_set("version", 2)), "version"),
    ("missing array", "placement", _drop("users.data_bits"), "users.data_bits"),
    ("unknown array", "placement", _set("users.age", np.ones(4)), "users.age"),
    ("whole numbers for bits", "placement", _set("users.data_bits", np.ones(4, dtype=int)), "users.data_bits"),
    ("texts for bits", "placement", _set("users.data_bits", np.array(["1"] * 4)), "users.data_bits"),
    ("objects", "placement", _set("users.data_bits", np.array([{}] * 4, dtype=object)), "users.data_bits"),
    ("wrong length", "placement", _set("users.deadline_s", np.ones(3)), "users.deadline_s"),
    ("NaN", "placement", _set("users.data_bits", np.array([1.0, np.nan, 1.0, 1.0])), "users[1].data_bits"),
    ("infinite power", "placement", _set("users.tx_power_w", np.full(4, np.inf)), "users[0].tx_power_w"),
    ("gain of other shape", "placement", _set("channel.gain", np.ones((3, 4))), "channel.gain"),
    ("candidates in gain", "placement", _set("channel.station", np.zeros((4, 1), dtype=int)), "channel.station"),
    ("previous in placement", "placement", _set("previous", np.zeros(4, dtype=int)), "previous"),
    ("migration without previous", "migration", _drop("previous"), "previous"),
    ("solution without association", "solution", _drop("association"), "association"),
    ("solution of another", "solution", _header(_set("instance", "hash", "f" * 64)), "instance.hash"),
    ("solution unknown array", "solution", _set("cost", np.ones(1)), "cost"),
]


def mutations() -> Iterator[Mutation]:
    """Yield more than 100 malformed files."""
    files = good_files()
    for name, base, change, field in _JSON:
        content, solution = files[base + ".json"]
        document = copy.deepcopy(json.loads(content))
        change(document)
        yield Mutation(f"json: {name}", ".json", json.dumps(document).encode(), field, solution)
    for name, base, apply, field in _NPZ:
        content, solution = files[base + ".npz"]
        yield Mutation(f"npz: {name}", ".npz", _npz(content, apply), field, solution)
    text = files["placement.json"][0]
    for name, content, field in (
        ("empty", b"", "empty"),
        ("blank", b" \n", "empty"),
        ("cut off early", text[:20], "JSON"),
        ("cut off half way", text[: len(text) // 2], "JSON"),
        ("cut off at the end", text[:-4], "JSON"),
        ("not UTF-8", text.replace(b'"name": ""', b'"name": "\xff\xfe"'), "UTF-8"),
        ("a list", b"[1, 2]", "object"),
        ("a number", b"17", "object"),
        ("no JSON", b"N = 10\nM = 3\n", "JSON"),
        ("NaN", text.replace(b'"cycles_per_bit": ', b'"cycles_per_bit": NaN, "x": '), "NaN"),
        ("Infinity", text.replace(b'"cycles_per_bit": ', b'"cycles_per_bit": Infinity, "x": '), "Infinity"),
        (
            "too large a number",
            text.replace(b'"cycles_per_bit": ', b'"cycles_per_bit": 1e400, "x": '),
            "compute.cycles_per_bit",
        ),
        (
            "a key twice",
            text.replace(b'"cycles_per_bit": ', b'"cycles_per_bit": 1.0, "cycles_per_bit": '),
            "cycles_per_bit",
        ),
        ("nested too deeply", b"[" * 100_000, "nested"),
        (
            "too many digits",
            text.replace(b'"cycles_per_bit": ', b'"cycles_per_bit": ' + b"9" * 5000 + b', "x": '),
            "digits",
        ),
    ):
        yield Mutation(f"text: {name}", ".json", content, field)
    archive = files["placement.npz"][0]
    for name, content, field in (
        ("empty", b"", "archive"),
        ("not an archive", b"hello", "archive"),
        ("cut off", archive[: len(archive) // 2], "archive"),
        ("cut off at the end", archive[:-10], "archive"),
        ("a single array", _single(), "archive"),
        ("a flipped byte", _flip(archive), "cannot be read"),
    ):
        yield Mutation(f"archive: {name}", ".npz", content, field)


def _single() -> bytes:
    out = io.BytesIO()
    np.save(out, np.ones(3))
    return out.getvalue()


def _flip(content: bytes) -> bytes:
    """Flip a byte inside the data of an array, so that its checksum is wrong."""
    with np.load(io.BytesIO(content)) as archive:
        raw = archive["users.data_bits"].tobytes()
    at = content.index(raw)
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
