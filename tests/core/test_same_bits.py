"""The same seed gives the same answers, bit by bit, with the baseline instruction set, with the best one, and again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Prints a line for each answer: associations and objectives as bits.
RUN = """
import hashlib
import dtopt
from dtopt.stop import MaxIterations
from dtopt.testing.tiny import tiny_problem
from instances.mobility.generate import generate_scenario

def show(what, result):
    bits = "none" if result.solution is None else hashlib.sha256(result.solution.association.tobytes()).hexdigest()[:16]
    values = ["none" if x is None else float(x).hex() for x in (result.objective, result.bound)]
    print(what, bits, *values)

for number, preset in enumerate(("paper", "tight-capacity", "tight-deadline", "costly-servers")):
    for sharing in ("optimal", "equal", "fixed"):
        problem = dtopt.generate(preset, users=40, stations=6, seed=number, sharing=sharing)
        for solver in ("local-search", "policy", "lns"):
            stop = MaxIterations(200 if solver == "local-search" else 3)
            show((preset, sharing, solver), dtopt.solve(problem, solver, seed=3, stop=stop))
        if sharing == "optimal":
            show((preset, sharing, "exact"), dtopt.solve(problem, "exact", seed=3))
for sharing in ("optimal", "equal", "fixed"):
    problem = tiny_problem(2, kind="migration", users=30, stations=4, sharing=sharing)
    show(("migration", sharing), dtopt.solve(problem, "local-search", seed=3, stop=MaxIterations(50)))
scenario = generate_scenario("paper", users=10, stations=4, slots=5, mobility="random-waypoint", seed=1)
for policy in ("local-search", "lookahead", "policy-online", "drl-transfer"):
    print(policy, float(dtopt.simulate(scenario, policy, seed=1).utility).hex())
"""


def answers(cpu: str) -> str:
    environment = {**os.environ, "DTOPT_CPU": cpu}
    command = [sys.executable, "-W", "ignore", "-c", RUN]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@pytest.mark.slow
def test_every_instruction_set_gives_the_same_answers():
    best = answers("best")
    assert best.count("\n") > 40
    assert answers("baseline") == best
    assert answers("best") == best
