"""Valid files of every kind that is read, mutated at random: whatever a reader says of them, it is one `DtoptError`.

`benchmarks/fuzz.py` runs it for minutes or hours, `tests/test_fuzz.py` for seconds.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import traceback
import warnings
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import dtopt
from dtopt.errors import DtoptError
from dtopt.evaluation import evaluate
from dtopt.solution import Solution
from dtopt.testing.moving import moving
from dtopt.testing.tiny import tiny_problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What a number or text in a file is replaced by.
WORDS = (
    *("0", "-1", "1", "2", "0.5", "1e308", "-1e308", "1e999", "-0.0", "1e-320", "NaN", "Infinity", "nan", "inf"),
    *("null", "true", "[]", "{}", '""', '"x"', "9" * 30, "9" * 5000, "18446744073709551616", "4294967296", "1e18"),
    *("é", "\x00", "\ud7ff", '"', "'", ",", ";", "\n", "<", "&", "--", "=", "1,2", "0x10", "1_000", "٣", "[[1]]"),
)
#: Values that an element of an array, or of a JSON document, is replaced by.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 10**6, 2**31, 2**63, -(2**63), 10**40, 0.0, -0.5, 1e308, -1e308, 1e-320),
    *("", "x", "1", [], {}, [[]], [0], [[1.0, 2.0]], {"a": 1}, "placement", "é\u2028"),
)


@dataclass(frozen=True)
class Target:
    """A kind of file.

    Parameters
    ----------
    name : str
        Of the file, with its suffix.
    content : bytes
        A valid one.
    read : callable
        Reads a path and uses what was read a little.
    """

    name: str
    content: bytes
    read: Callable[[Path], object]


def targets(folder: Path) -> list[Target]:
    """Return one valid file of every kind; `folder` is used to make them."""
    from instances.gap import read_gaps
    from instances.mobility.fcd import read_fcd
    from instances.mobility.traces import read_csv
    from solvers.policy.weights import SHIPPED

    found: list[Target] = []

    def add(name: str, write: Callable[[Path], object], read: Callable[[Path], object]) -> None:
        path = folder / name
        write(path)
        found.append(Target(name, path.read_bytes(), read))

    problems = {
        "placement": tiny_problem(2, users=4, stations=3, deadlines=True, capacities=True),
        "migration": tiny_problem(3, kind="migration", users=4, stations=3, limited_servers=True),
        "fixed": tiny_problem(4, sharing="fixed", users=4, stations=3),
        "modelled": dtopt.generate("paper", users=4, stations=3, seed=1),
    }
    for suffix in (".json", ".npz"):
        for name, problem in problems.items():
            add(f"{name}{suffix}", lambda path, p=problem: dtopt.write(p, path), _use_instance)
        solved = dtopt.solve(problems["placement"], "greedy")
        add(
            f"solution{suffix}",
            lambda path, s=solved: dtopt.write_solution(s, path, problems["placement"]),
            lambda path: _use_solution(path, problems["placement"]),
        )
    recorded = moving(1, slots=3)
    modelled = dtopt.generate_scenario("paper", users=3, stations=2, slots=3, seed=1)
    for name, scenario in (("recorded", recorded), ("drawn", modelled)):
        add(f"{name}.npz", lambda path, s=scenario: dtopt.write_scenario(s, path), _use_scenario)
    stations, users = folder / "good-stations.csv", folder / "good-users.csv"
    stations.write_text("name,latitude,longitude,cpu_hz,capacity\na,-37.8,144.9,1e10,5\nb,-37.81,144.95,2e10,5\n")
    users.write_text("name,x,latitude,longitude,data_bits\nu,1,-37.8,144.91,1e6\nv,2,-37.805,144.93,2e6\n")
    add(
        "stations.csv",
        lambda path: path.write_bytes(stations.read_bytes()),
        lambda path: dtopt.generate("csv", stations=str(path), users=str(users)),
    )
    add(
        "users.csv",
        lambda path: path.write_bytes(users.read_bytes()),
        lambda path: dtopt.generate("csv", stations=str(stations), users=str(path)),
    )
    trace = b"id,time,x,y\nann,0,100,100\nann,10,150,100\nbob,0,800,700\nbob,20,760,600\n"
    add("trace.csv", lambda path: path.write_bytes(trace), lambda path: read_csv(path).at(np.arange(3.0)))
    add("trace.csv.gz", lambda path: path.write_bytes(gzip.compress(trace)), read_csv)
    fcd = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<fcd-export>\n<timestep time="0.00">\n'
        b'<vehicle id="a" x="1.0" y="2.0" speed="3"/>\n<person id="b" x="4" y="5"/>\n</timestep>\n'
        b'<timestep time="1.00">\n<vehicle id="a" x="1.5" y="2.5"/>\n</timestep>\n</fcd-export>\n'
    )
    add("fcd.xml", lambda path: path.write_bytes(fcd), lambda path: read_fcd(path).at(np.arange(3.0)))
    gap = b"2\n2 3\n1 2 3\n4 5 6\n1 1 1\n2 2 2\n3 4\n2 2\n1 2\n3 4\n1 1\n1 1\n2 2\n"
    add("gap.txt", lambda path: path.write_bytes(gap), read_gaps)
    add("weights.npz", lambda path: path.write_bytes(SHIPPED.read_bytes()), _use_weights)
    add(
        "config.toml",
        lambda path: path.write_text("seed = 3\nusers = 5\n[options]\nobjective = 'latency'\n"),
        _use_toml,
    )
    add("checkpoint.pt", _write_checkpoint, _use_checkpoint)
    add(
        "journal",
        lambda path: dtopt.simulate(recorded, "re-placement", journal=path, slots=2),
        lambda path: dtopt.simulate(recorded, "re-placement", journal=path, resume=True, slots=2),
    )
    return found


def attack(target: Target, seed: int, folder: Path) -> str | None:
    """Read a mutated file; return the traceback where anything but a `DtoptError` came out.

    Parameters
    ----------
    target : Target
    seed : int
        Says which mutation.
    folder : Path
    """
    path = folder / target.name
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        path.write_bytes(mutated(target, seed))
        try:
            target.read(path)
        except DtoptError as error:
            text = str(error)
            return f"an error without a text: {error!r}" if not text.strip() else None
        except Exception:
            return traceback.format_exc()
    return None


def mutated(target: Target, seed: int) -> bytes:
    """Return the file with a few random changes."""
    rng = random.Random(seed)
    content = target.content
    packed = target.name.endswith(".npz")
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        kind = rng.random()
        if packed and kind < 0.75:
            content = _other_member(content, rng)
        elif target.name.endswith((".json", "journal")) and kind < 0.6:
            content = _other_document(content, rng)
        elif not packed and kind < 0.85:
            content = _other_words(content, rng)
        else:
            content = _other_bytes(content, rng)
    return content


def _other_bytes(content: bytes, rng: random.Random) -> bytes:
    if not content:
        return rng.randbytes(4)
    at, length = rng.randrange(len(content)), rng.choice((1, 2, 4, 16, 200))
    piece = content[at : at + length]
    return rng.choice(
        (
            content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :],
            content[:at] + content[at + length :],
            content[:at],
            content[:at] + piece + content[at:],
            content[:at] + rng.randbytes(length) + content[at + length :],
            rng.randbytes(length) + content,
        )
    )


def _other_words(content: bytes, rng: random.Random) -> bytes:
    import re

    text = content.decode("utf-8", errors="surrogateescape")
    words = list(re.finditer(r"[-+.\w]+", text))
    if not words:
        return _other_bytes(content, rng)
    word = rng.choice(words)
    if rng.random() < 0.2:
        lines = text.split("\n")
        rng.shuffle(lines)
        text = "\n".join(lines)
    else:
        text = text[: word.start()] + rng.choice(WORDS) + text[word.end() :]
    return text.encode("utf-8", errors="surrogateescape")


def _other_document(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines()
    if len(lines) > 1 and all(line.startswith(b"{") for line in lines):
        at = rng.randrange(len(lines))  # a journal has a document a line
        lines[at] = _other_document(lines[at], rng)
        return b"\n".join(lines) + b"\n"
    try:
        document = json.loads(content)
    except ValueError:
        return _other_words(content, rng)
    return json.dumps(_changed(document, rng)).encode()


def _changed(document: Any, rng: random.Random) -> Any:
    """Return a JSON document with one value, key or length changed somewhere."""
    if isinstance(document, dict) and document and rng.random() < 0.93:
        key = rng.choice(list(document))
        found = dict(document)
        choice = rng.random()
        if choice < 0.1:
            del found[key]
        elif choice < 0.15:
            found["another"] = found[key]
        else:
            found[key] = _changed(found[key], rng)
        return found
    if isinstance(document, list) and document and rng.random() < 0.9:
        at = rng.randrange(len(document))
        found = list(document)
        choice = rng.random()
        if choice < 0.1:
            del found[at]
        elif choice < 0.2:
            found.insert(at, found[at])
        else:
            found[at] = _changed(found[at], rng)
        return found
    return rng.choice(VALUES)


def _other_member(content: bytes, rng: random.Random) -> bytes:
    """Return an npz archive with one member changed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = rng.choice(list(members))
        array = np.load(io.BytesIO(members[name]), allow_pickle=False)
    except Exception:
        return _other_bytes(content, rng)
    if array.dtype.kind == "U" and array.ndim == 0 and rng.random() < 0.8:
        with suppress(ValueError):
            array = np.array(json.dumps(_changed(json.loads(str(array)), rng)))
    else:
        array = _other_array(array, rng)
    if isinstance(array, bytes):
        members[name] = array
    else:
        stream = io.BytesIO()
        np.lib.format.write_array(stream, np.asarray(array), allow_pickle=True)
        members[name] = stream.getvalue()
    choice = rng.random()
    if choice < 0.05:
        del members[name]
    elif choice < 0.1:
        members["another.npy"] = members[name]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return stream.getvalue()


def _other_array(array: Any, rng: random.Random) -> Any:
    array = np.array(array)
    choice = rng.randrange(9)
    if choice == 0:
        with suppress(ValueError, TypeError, UnicodeError):
            return array.astype(rng.choice(("f4", "f8", "i4", "i8", "u1", "U", "c16", "bool", "S")), copy=True)
    if choice == 1:
        return array.reshape(-1)
    if choice == 2:
        return array[..., None]
    if choice == 3:
        return array[:-1] if array.ndim else array
    if choice == 4:
        return np.concatenate([array, array]) if array.ndim else array
    if choice == 5:
        return np.array([{"code": "none"}], dtype=object)
    if choice == 6:
        header = np.lib.format.magic(1, 0)
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10 ** rng.choice((3, 9, 15))},), }}"
        padded = text.ljust(117) + "\n"
        return header + len(padded).to_bytes(2, "little") + padded.encode()
    if array.size and array.dtype.kind in "fiub":
        flat = array.reshape(-1).copy()
        value = rng.choice((0, -1, 1, 2, 10**6, 2**40, -(2**40), np.nan, np.inf, -np.inf, 1e308, 1e-320))
        with suppress(ValueError, OverflowError):
            flat[rng.randrange(flat.size)] = value
        return flat.reshape(array.shape)
    return np.zeros((0,), dtype=array.dtype)


# --- what is done with what was read ----------------------------------------------------------------------------------


def _use_instance(path: Path) -> None:
    problem = dtopt.read(path)
    if problem.n_users * problem.n_stations > 10_000:
        return
    servers = np.flatnonzero(problem.server_allowed)
    evaluate(problem, Solution(np.full(problem.n_users, servers[0])))
    dtopt.solve(problem, "greedy", time_limit=2)
    dtopt.dual_bound(problem)
    problem._repr_html_()


def _use_solution(path: Path, problem: Any) -> None:
    evaluate(problem, dtopt.read_solution(path, problem))


def _use_scenario(path: Path) -> None:
    scenario = dtopt.read_scenario(path)
    if scenario.n_users * scenario.n_stations * scenario.n_slots < 10_000:
        dtopt.simulate(scenario, "stay", slots=1)


def _use_weights(path: Path) -> None:
    from solvers.policy.weights import load_weights

    load_weights.cache_clear()
    load_weights(path)


def _use_toml(path: Path) -> None:
    from dtopt.cli.train import read_config, validated
    from solvers.maddpg.training import Config

    validated(Config, read_config(path))


def _learner() -> Any:
    from solvers.maddpg.training import Config, learner_of

    return learner_of(Config(users=3, stations=2, states=2))


def _write_checkpoint(path: Path) -> None:
    from solvers.learning import save_checkpoint
    from solvers.maddpg.training import Config

    config = Config(users=3, stations=2, states=2)
    state = {"config": config.model_dump_json(), "learner": _learner().state_dict(), "totals": [0.0, 0.0, 0.0]}
    save_checkpoint(state, path)


def _use_checkpoint(path: Path) -> None:
    from solvers.maddpg.training import load

    load(path.parent)
