"""Makes instances of every kind and prints their hashes as JSON: ``python -m tests.instances.everything``.

`test_bits.py` runs it under several sets of CPU features.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from dtopt.errors import InputError
from dtopt.generators import generate, generate_scenario
from instances.suites import load_suite, problem_of

SUITES = ("paper", "city", "hard", "mobility", "melbourne", "large")
PRESETS = ("paper", "tight-capacity", "tight-deadline", "costly-servers", "correlated", "large", "city")
MOBILITY = ("random-waypoint", "gauss-markov", "manhattan", "trace")
#: Larger instances take too long; `large` below looks at a smaller one of the same kind.
MOST_USERS = 20_000
#: Pairs of user and station whose latencies are hashed.
MOST_ROWS = 300


def digest(problem):
    """Return a hash of a problem, of its rates and distances, and of what follows for pairs of user and server."""
    network = problem.network
    users, servers = np.arange(min(problem.n_users, MOST_ROWS))[:, None], np.arange(problem.n_stations)[None, :]
    arrays = [
        network.access_station,
        network.access_rate_bps,
        problem.root_load,
        np.asarray(problem.energy_j),
        problem.transfer_latency(users, servers),
        problem.deadline_transfer_latency(users, servers),
    ]
    whole = hashlib.sha256(problem.content_hash.encode())
    for array in arrays:
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def small(preset, seed, **options):
    """Return an instance of a preset that takes little time."""
    size = {"users": 300, "stations": 40} if preset in ("large", "city") else {"users": 40, "stations": 6}
    return generate(preset, seed=seed, **size, **options)


def of_presets():
    """Yield name and hash of five seeds of every preset, P1 and P2, and of all kinds of sharing and radio."""
    for preset in PRESETS:
        for seed in range(5):
            kind = "migration" if seed % 2 else "placement"
            sharing = ("optimal", "fixed", "equal", "optimal", "optimal")[seed]
            yield f"{preset} {seed}", digest(small(preset, seed, kind=kind, sharing=sharing))
    for loss in ("simple", "uma", "uma-los", "uma-nlos", "umi", "umi-los", "umi-nlos"):
        for fading in ("none", "rayleigh", "rician"):
            options = {"path_loss": loss, "fading": fading, "shadowing": True}
            yield f"paper {loss} {fading}", digest(small("paper", 7, **options))


def of_lists():
    """Yield name and hash of instances out of lists in degrees."""
    rng = np.random.default_rng(5)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, count in (("stations", 6), ("users", 30)):
            rows = [f"{-37.8 - 0.01 * a!r},{144.9 + 0.01 * b!r}" for a, b in rng.random((count, 2)).tolist()]
            paths.append(Path(folder) / f"{name}.csv")
            paths[-1].write_text("\n".join(["latitude,longitude", *rows]))
        for kind in ("placement", "migration"):
            options = {"stations": str(paths[0]), "users": str(paths[1]), "kind": kind}
            yield f"csv {kind}", digest(generate("csv", seed=1, **options))


def of_scenarios():
    """Yield name and hash of slots of scenarios of every kind."""
    for mobility in MOBILITY:
        for shadowing in (False, True):
            scenario = generate_scenario(
                "paper", seed=3, slots=12, users=30, stations=6, mobility=mobility, shadowing=shadowing
            )
            for slot in (0, 5, 11):
                previous = np.full(scenario.n_users, -1)
                yield f"{mobility} {shadowing} {slot}", digest(scenario.problem(slot, previous))
            yield f"{mobility} {shadowing}", scenario.content_hash
    scenario = generate_scenario(
        "city", seed=3, slots=4, users=450, stations=120, mobility="manhattan", fading_coherence_s=0.0
    )
    yield "city manhattan", digest(scenario.problem(3, np.full(scenario.n_users, -1)))


def of_suites():
    """Yield name and hash of the instances of the shipped suites; without the data, not those that need it."""
    for suite in SUITES:
        for entry in load_suite(suite).instances:
            if entry.users > MOST_USERS:
                continue
            try:
                yield f"{suite}/{entry.name}", digest(problem_of(entry.recipe))
            except InputError:
                if suite != "melbourne":
                    raise


def everything():
    """Return all of them."""
    return {name: found for part in (of_presets, of_lists, of_scenarios, of_suites) for name, found in part()}


if __name__ == "__main__":
    json.dump(everything(), sys.stdout)
