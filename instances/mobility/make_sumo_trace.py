"""Make the trace that the package ships, with Eclipse SUMO: vehicles and pedestrians in a town centre.

Only who wants another trace needs SUMO (``pip install "dtopt[sumo]"``):

    python -m instances.mobility.make_sumo_trace instances/mobility/data/town_centre.csv.gz

The streets are a slightly crooked grid as large as Melbourne's centre, made by ``netgenerate``; trips between random
places come from ``randomTrips.py`` and ``duarouter``; ``sumo`` moves everyone. The same version of SUMO and the same
seed make the same file.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instances.mobility.fcd import read_fcd

if TYPE_CHECKING:
    from instances.mobility.traces import Trace

__all__ = ["main", "make_trace"]

#: Streets each way and the blocks between them, m: 2500 m x 1500 m, the blocks of Melbourne's centre (about 200 m x
#: 100 m between its main and its little streets), made square enough for one grid.
COLUMNS, ROWS, BLOCK_X_M, BLOCK_Y_M = 17, 13, 156.25, 125.0
#: How crooked the grid is, m.
CROOKED_M = 6.0
#: The speed limit of Melbourne's centre, 40 km/h, m/s.
SPEED_LIMIT_M_S = 11.11
#: The streets fill for so long before recording starts, and recording lasts so long, s.
WARM_UP_S, RECORDED_S = 600, 600
#: Time between two records of a user, s.
STEP_S = 2
#: One new trip of a vehicle, and of a pedestrian, in so many seconds.
VEHICLE_PERIOD_S, PEDESTRIAN_PERIOD_S = 1, 2
#: Least length of a vehicle's trip, and least and greatest of a walk, m: long enough to be recorded for `LEAST_S`.
VEHICLE_TRIP_M, PEDESTRIAN_TRIP_M = 1800, (700, 2000)
#: Users kept of each kind, at random among those recorded for `LEAST_S` or longer.
VEHICLES, PEDESTRIANS = 150, 250
LEAST_S = 300
SEED = 42


def main(arguments: list[str] | None = None) -> None:
    """Make a trace from the command line."""
    parser = argparse.ArgumentParser(description="Make a mobility trace with Eclipse SUMO.")
    parser.add_argument("output", type=Path, help="the trace to write, .csv.gz")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    make_trace(options.output, options.seed)


def make_trace(output: Path, seed: int = SEED) -> None:
    """Simulate and write the trace, with the commands that made it as comments in front."""
    home = Path(import_module("sumo").SUMO_HOME)  # the package that the extra installs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = _commands(seed)
        for command in commands:
            _run(command, home, folder)
        trace = _chosen(read_fcd(folder / "fcd.xml"), seed)
    version = subprocess.run(  # noqa: S603 - SUMO's own program
        [home / "bin" / "sumo", "--version"], capture_output=True, text=True, check=True
    ).stdout.partition("\n")[0]
    comments = [
        f"{trace.count} users, {VEHICLES} vehicles and {PEDESTRIANS} pedestrians in a town centre, every {STEP_S} s.",
        f"Made with {version.strip()} by: python -m instances.mobility.make_sumo_trace --seed {seed}, that is",
        *(" ".join(command) for command in commands),
    ]
    _write(trace, output, comments)


def _commands(seed: int) -> list[list[str]]:
    """Return the commands; the first word is the program."""
    end = WARM_UP_S + RECORDED_S
    crooked = f"norm(0,{CROOKED_M:g})"
    trips = f"python randomTrips.py -n net.xml -e {end} --seed {seed} --fringe-factor 2"
    commands = (
        f"netgenerate --grid --grid.x-number {COLUMNS} --grid.y-number {ROWS} --grid.x-length {BLOCK_X_M:g}"
        f" --grid.y-length {BLOCK_Y_M:g} --seed {seed} --perturb-x {crooked} --perturb-y {crooked}"
        f" --default.speed {SPEED_LIMIT_M_S:g} --default.lanenumber 1"
        " --sidewalks.guess --crossings.guess --tls.guess -o net.xml",
        f"{trips} -p {VEHICLE_PERIOD_S:g} --min-distance {VEHICLE_TRIP_M:g} --prefix v --validate"
        " -o v.trips.xml -r v.rou.xml",
        f"{trips} -p {PEDESTRIAN_PERIOD_S:g} --min-distance {PEDESTRIAN_TRIP_M[0]:g}"
        f" --max-distance {PEDESTRIAN_TRIP_M[1]:g} --pedestrians --prefix p -o p.trips.xml -r p.rou.xml",
        f"sumo -n net.xml -r v.rou.xml,p.rou.xml -e {end} --seed {seed} --fcd-output fcd.xml"
        f" --device.fcd.begin {WARM_UP_S} --device.fcd.period {STEP_S} --no-step-log"
        " --fcd-output.attributes x,y --precision 1 --time-to-teleport 120",
    )
    return [command.split() for command in commands]


def _run(command: list[str], home: Path, folder: Path) -> None:
    """Run one of SUMO's programs in a folder."""
    program = [str(home / "bin" / command[0])]
    rest = command[1:]
    if command[0] == "python":
        program, rest = [sys.executable, str(home / "tools" / command[1])], command[2:]
    environment = {**os.environ, "SUMO_HOME": str(home)}
    subprocess.run([*program, *rest], cwd=folder, env=environment, check=True)  # noqa: S603 - SUMO's own programs


def _chosen(trace: Trace, seed: int) -> Trace:
    """Return some vehicles and pedestrians that stay long, in the order they were met, from time 0 on."""
    rng = np.random.default_rng(seed)
    start, stop = trace.span_s()
    kept: list[int] = []
    for letter, wanted in (("v", VEHICLES), ("p", PEDESTRIANS)):
        long = [i for i, name in enumerate(trace.names) if name.startswith(letter) and stop[i] - start[i] >= LEAST_S]
        if len(long) < wanted:
            raise SystemExit(f"only {len(long)} users {letter} stay for {LEAST_S} s, {wanted} are wanted")
        kept += rng.permutation(long)[:wanted].tolist()
    return trace.take(np.sort(np.array(kept))).shifted(-float(WARM_UP_S))


def _write(trace: Trace, output: Path, comments: list[str]) -> None:
    text = io.StringIO()
    text.writelines(f"# {line}\n" for line in comments)
    text.write("id,time_s,x_m,y_m\n")
    for user, time, (x, y) in zip(trace.user.tolist(), trace.time_s.tolist(), trace.position.tolist(), strict=True):
        text.write(f"{trace.names[user]},{time:g},{x:.1f},{y:.1f}\n")
    # No time and no name in the archive, so that the same trace is the same file.
    output.write_bytes(gzip.compress(text.getvalue().encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
