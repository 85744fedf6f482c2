"""The command line as its users meet it, in separate processes where start-up matters, else in this one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from dtopt.evaluation import evaluate
from dtopt.io import read, read_solution, write, write_solution
from dtopt.registry import solve
from dtopt.result import Status
from dtopt.solution import Solution
from dtopt.testing.oracle import brute_force
from dtopt.testing.tiny import tiny_problem
from tests.mutations import good_problem, mutations


def assert_one_line(code, err, *parts):
    assert code == 2
    assert err.count("\n") == 1, err
    assert err.startswith("dtopt: error: ")
    for part in parts:
        assert part in err


def test_help_loads_nothing_heavy():
    heavy = {"numpy", "torch", "pandas", "pydantic", "plotly", "scipy", "pulp", "ortools"}
    code = (
        "import sys\nfrom dtopt.cli import main\nsys.argv = ['dtopt', '--help']\n"
        f"try: main()\nexcept SystemExit: print(sorted({heavy!r} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "compare" in run.stdout
    assert run.stdout.strip().endswith("[]")


def test_version(dtopt):
    assert dtopt("--version")[:2] == (0, "dtopt 0.1.0\n")


def test_solve_prints_cost_gap_and_servers(dtopt, instance):
    code, out, _ = dtopt("solve", instance, "-s", "greedy", "-s", "nearest")
    assert code == 0
    assert "tiny: " in out
    assert "by greedy" in out
    assert "by nearest" in out
    assert "proven >=" in out
    assert "gap" in out


def test_solve_as_json(dtopt, instance):
    code, out, _ = dtopt("solve", instance, "-s", "greedy", "--json", "--seed", 4)
    document = json.loads(out)
    assert code == 0
    assert document[0]["solver"] == "greedy"
    assert document[0]["seed"] == 4
    best, _ = brute_force(read(instance))
    assert document[0]["proven_bound"] <= best <= document[0]["objective"] + 1e-12


def test_solve_writes_solutions_that_evaluate_accepts(dtopt, instance, tmp_path):
    one = tmp_path / "one.json"
    assert dtopt("solve", instance, "-s", "greedy", "-o", one)[0] == 0
    code, out, _ = dtopt("evaluate", instance, one)
    assert code == 0
    assert out.startswith("feasible: objective")
    document = json.loads(dtopt("evaluate", instance, one, "--json")[1])
    assert document["feasible"]
    assert document["objective"] == solve(read(instance), "greedy").objective
    several = tmp_path / "several"
    dtopt("solve", instance, "-s", "greedy", "-s", "nearest", "-o", several)
    assert sorted(p.name for p in several.iterdir()) == ["tiny.greedy.json", "tiny.nearest.json"]


def test_a_solution_that_names_no_instance_is_judged_with_a_warning(dtopt, instance, tmp_path):
    association = solve(read(instance), "greedy").solution.association.tolist()
    path = tmp_path / "from elsewhere.json"
    path.write_text(json.dumps({"association": association}))
    code, out, err = dtopt("evaluate", instance, path)
    assert (code, out.startswith("feasible")) == (0, True)
    assert err.count("\n") == 1
    assert err.startswith(f"dtopt: warning: {path}: does not say which instance it solves")
    code, out, err = dtopt("evaluate", instance, path, "--json")
    assert json.loads(out)["feasible"]
    assert "warning" in err
    # An infeasible one is judged too.
    path.write_text(json.dumps({"association": [None] * len(association)}))
    code, _, err = dtopt("evaluate", instance, path)
    assert (code, err.count("\n")) == (3, 1)
    # A solver that begins from it says the same.
    path.write_text(json.dumps({"association": association}))
    code, _, err = dtopt("solve", instance, "-s", "nearest", "--start", path)
    assert code == 2
    assert "does not say which instance it solves" in err
    # A wrong hash is an error.
    path.write_text(json.dumps({"association": association, "instance": {"hash": "0" * 64}}))
    code, out, err = dtopt("evaluate", instance, path)
    assert out == ""
    assert_one_line(code, err, str(path), "instance.hash: is 000000000000...", "another instance")


def test_shares_of_a_file_that_are_not_the_policys_are_reported(dtopt, instance, tmp_path):
    problem, path = read(instance), tmp_path / "shares.json"
    association = np.zeros(problem.n_users, dtype=np.int64)
    document = {"association": association.tolist(), "cpu_share_hz": [1e6] * problem.n_users}
    path.write_text(json.dumps(document))
    _, out, err = dtopt("evaluate", instance, path, "--json")
    assert "the CPU shares differ from those of the sharing policy" in err
    judged = evaluate(problem, Solution(association))
    assert json.loads(out)["objective"] == judged.objective
    largest = np.abs(1e6 - judged.cpu_share_hz) / judged.cpu_share_hz
    assert json.loads(out)["share_difference"] == pytest.approx(largest.max())
    document["cpu_share_hz"] = judged.cpu_share_hz.tolist()
    path.write_text(json.dumps(document))
    assert "CPU shares" not in dtopt("evaluate", instance, path)[2]


def test_evaluate_names_every_violation(dtopt, instance, tmp_path):
    problem = read(instance)
    bad = replace(
        solve(problem, "greedy").solution,
        association=np.zeros(4, dtype=int),
        open_servers=np.array([0]),
        cpu_share_hz=None,
    )
    path = tmp_path / "bad.json"
    write_solution(bad, path, problem)
    code, out, _ = dtopt("evaluate", instance, path)
    assert code == 3
    assert out.startswith("INFEASIBLE")
    assert "violated (18" in out
    document = json.loads(dtopt("evaluate", instance, path, "--json")[1])
    assert {"constraint", "name", "amount", "user", "server", "message"} <= set(document["violations"][0])


def test_an_infeasible_instance_is_said_to_be_infeasible_and_why(dtopt, tmp_path):
    problem = good_problem()
    stations = replace(problem.network.stations, capacity=np.array([1, 1, 1]))
    path = tmp_path / "full.json"
    write(replace(problem, network=replace(problem.network, stations=stations)), path)
    code, out, _ = dtopt("solve", path, "-s", "greedy")
    assert code == 3
    assert "infeasible by greedy" in out
    assert "room for only 3 twins" in out


def test_interruption_keeps_the_incumbent(dtopt, instance, tmp_path, monkeypatch):
    from dtopt.run import Run

    answer = solve(read(instance), "greedy").solution

    def interrupted(problem, *, time_limit=None, seed=0, stop=None, on_incumbent=None):
        """Stop after the first incumbent."""
        with Run(problem, "interrupted") as run:
            run.offer(answer)
            raise KeyboardInterrupt
        return run.result()

    monkeypatch.setattr("dtopt.registry.load_solver", lambda name: interrupted)
    target = tmp_path / "kept.json"
    code, out, _ = dtopt("solve", instance, "-s", "interrupted", "-o", target)
    assert code == 130
    assert str(Status.INTERRUPTED) in out
    assert read_solution(target, read(instance)).association.size == 4


def test_info(dtopt, instance):
    code, out, _ = dtopt("info", instance)
    assert code == 0
    facts = json.loads(dtopt("info", instance, "--json")[1])[0]
    assert facts["users"] == 4
    assert facts["hash"] == read(instance).content_hash
    assert facts["hash"] in out


def test_solvers(dtopt):
    code, out, _ = dtopt("solvers")
    assert code == 0
    assert "greedy" in out
    names = {row["name"] for row in json.loads(dtopt("solvers", "--json")[1])}
    assert {"random", "nearest", "greedy", "milp"} <= names


def test_generate(dtopt, tmp_path):
    path = tmp_path / "x.json"
    code, out, _ = dtopt("generate", "paper", "--users", 12, "--stations", 3, "--seed", 5, "-o", path)
    assert code == 0
    assert "12 users, 3 stations" in out
    again = tmp_path / "y.npz"
    dtopt("generate", "paper", "--users", 12, "--stations", 3, "--seed", 5, "-o", again)
    assert read(path).content_hash == read(again).content_hash
    dtopt("generate", "paper", "--users", 8, "--stations", 2, "--count", 3, "-o", tmp_path / "many")
    assert len(list((tmp_path / "many").iterdir())) == 3
    assert "tight-capacity" in dtopt("generate", "--list")[1]


def test_a_preset_can_stand_for_a_file(dtopt):
    code, out, _ = dtopt("solve", "paper:users=12,stations=3", "-s", "nearest")
    assert code == 0
    assert "paper-12x3-s0" in out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--wrong"], ["--wrong"]),
        (["solv"], ["solv"]),
        (["solve"], ["Missing argument"]),
        (["solve", "{instance}", "--time-limit", "soon"], ["--time-limit", "number"]),
        (["solve", "{instance}", "--time-limit", "-1"], ["time limit", "-1"]),
        (["solve", "{instance}", "--seed", "-3"], ["seed"]),
        (["solve", "{instance}", "--gap", "-0.1"], ["gap"]),
        (["solve", "{instance}", "-s", "magic"], ["magic", "greedy"]),
        (["solve", "{instance}", "-s", "greedy", "--set", "depth=3"], ["--set", "depth"]),
        (["solve", "{instance}", "-s", "greedy", "--set", "depth"], ["--set", "key=value"]),
        (["solve", "none.json"], ["none.json", "No such file"]),
        (["solve", "none"], ["no file and no preset", "paper"]),
        (["solve", "paper:colour=3"], ["colour"]),
        (["solve", "{instance}", "--format", "xml"], ["--format", "xml"]),
        (["solve", "{instance}", "-s", "greedy", "-o", "/nowhere/x.json"], ["/nowhere/x.json"]),
        (["evaluate", "{instance}", "none.json"], ["none.json"]),
        (["generate"], ["--list"]),
        (["generate", "peper"], ["peper", "paper"]),
        (["generate", "paper", "--users", "-4"], ["users"]),
        (["generate", "paper", "--sharing", "fair", "-o", "x.json"], ["fair"]),
        (["generate", "paper", "--set", "colour=red"], ["colour"]),
        (["generate", "paper", "--count", "0"], ["--count"]),
        (["generate", "paper", "-o", "x.xml"], ["x.xml"]),
        (["compare", "{instance}", "--runs", "0"], ["--runs"]),
        (["compare", "{instance}", "--html", "/nowhere/x.html"], ["/nowhere/x.html"]),
        (["info", "none.npz"], ["none.npz"]),
    ],
)
def test_wrong_use_gives_one_line(dtopt, instance, tmp_path, monkeypatch, arguments, parts):
    monkeypatch.chdir(tmp_path)
    code, _, err = dtopt(*[str(a).format(instance=instance) for a in arguments])
    assert_one_line(code, err, *parts)


MUTATIONS = list(mutations())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[m.name for m in MUTATIONS])
def test_malformed_files_give_one_line(dtopt, instance, tmp_path, mutation):
    path = tmp_path / f"bad{mutation.suffix}"
    path.write_bytes(mutation.content)
    code, _, err = dtopt(*(["evaluate", instance, path] if mutation.solution else ["solve", path, "-s", "nearest"]))
    assert_one_line(code, err, str(path), mutation.field)


def test_no_traceback_from_a_fresh_process(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("{")
    run = subprocess.run(
        [sys.executable, "-m", "dtopt", "info", str(path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert "Traceback" not in run.stderr


def test_migration_is_solved_and_told_by_utility(dtopt, tmp_path):
    path = tmp_path / "move.json"
    write(tiny_problem(3, kind="migration", users=4, stations=3), path)
    code, out, _ = dtopt("solve", path, "-s", "greedy")
    assert code == 0
    assert "utility" in out
    assert "twins moved" in out
