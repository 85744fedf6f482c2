"""Full disks, read-only folders and names that are no text: one line, and nothing that was finished is lost."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

RUN = (sys.executable, "-m", "dtopt")


def small_files(limit):
    """Return what makes a process unable to write files of more bytes, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def test_a_disk_that_fills_up_stops_a_simulation_that_then_goes_on(tmp_path):
    scenario = tmp_path / "s.npz"
    subprocess.run(
        [*RUN, *["scenario", "paper", "--users", "5", "--stations", "2", "--slots", "12", "-o"], scenario], check=True
    )
    whole = [*RUN, "simulate", scenario, "-p", "stay", "--no-bound", "--out"]
    subprocess.run([*whole, tmp_path / "whole"], check=True, capture_output=True)
    journal = next((tmp_path / "whole").glob("*.jsonl"))
    limit = journal.stat().st_size // 2
    broken = subprocess.run(
        [*whole, tmp_path / "broken"], capture_output=True, text=True, check=False, preexec_fn=small_files(limit)
    )
    assert broken.returncode == 2
    assert broken.stderr.count("dtopt: error") == 1
    assert f"{journal.name}: cannot be written" in broken.stderr
    assert "Traceback" not in broken.stderr
    kept = (tmp_path / "broken" / journal.name).read_text().count("\n")
    assert 2 < kept < journal.read_text().count("\n")
    subprocess.run([*whole, tmp_path / "broken", "--resume"], check=True, capture_output=True)
    decided = [
        [line.partition('"decision_s"')[0] for line in (tmp_path / run / journal.name).read_text().splitlines()[1:]]
        for run in ("whole", "broken")
    ]
    assert decided[0] == decided[1]


def test_a_disk_that_is_full_leaves_no_half_file(tmp_path, instance):
    page = tmp_path / "report.html"
    page.write_text("the report before")
    run = subprocess.run(
        [*RUN, "compare", instance, "-s", "greedy", "--html", page],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=small_files(1000),
    )
    assert run.returncode == 2
    assert run.stderr.startswith(f"dtopt: error: {page}: cannot be written: ")
    assert "greedy" in run.stdout
    assert page.read_text() == "the report before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "tiny.json"]


def test_a_reader_who_leaves_early_loses_no_file(tmp_path, instance):
    page, table = tmp_path / "report.html", tmp_path / "report.csv"
    arguments = [*RUN, "compare", instance, "-s", "greedy", "--html", page, "--csv", table]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.close()  # as `| head -0` does
        assert b"Traceback" not in run.stderr.read()
        assert run.wait() == 0
    assert page.exists()
    assert table.exists()


def test_a_read_only_folder_is_told_before_the_work(dtopt, instance, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for arguments in (
        ("solve", instance, "-o", tmp_path / "x.json"),
        ("solve", instance, "--geojson", tmp_path / "x.geojson"),
        ("compare", instance, "--html", tmp_path / "x.html"),
        ("generate", "paper", "-o", tmp_path / "x.json"),
        ("simulate", "paper", "--out", tmp_path / "deep" / "run"),
        ("train", "maddpg", "-o", tmp_path / "run"),
    ):
        code, out, err = dtopt(*arguments)
        assert code == 2
        assert not out
        assert "read-only" in err
        assert err.count("\n") == 1


def test_names_that_are_no_text_are_names(dtopt, instance):
    strange = instance.with_name(os.fsdecode(b"p\xff.json"))
    strange.write_bytes(instance.read_bytes())
    solution = strange.with_name(os.fsdecode(b"s\xfe.json"))
    table = strange.with_name(os.fsdecode(b"t\xfe.csv"))
    assert dtopt("solve", strange, "-s", "greedy", "-o", solution)[0] == 0
    assert dtopt("evaluate", strange, solution)[0] == 0
    assert dtopt("compare", strange, "-s", "greedy", "--csv", table)[0] == 0
    assert table.exists()
    code, _, err = dtopt("solve", strange.with_name(os.fsdecode(b"no\xff.json")))
    assert code == 2
    assert err.count("\n") == 1


def test_solutions_for_maps(dtopt, instance, tmp_path):
    one, folder = tmp_path / "one.geojson", tmp_path / "maps"
    assert dtopt("solve", instance, "-s", "greedy", "--geojson", one)[0] == 0
    assert '"FeatureCollection"' in one.read_text()
    assert dtopt("solve", instance, "-s", "greedy", "-s", "nearest", "--geojson", folder)[0] == 0
    assert sorted(p.name for p in folder.iterdir()) == ["tiny.greedy.geojson", "tiny.nearest.geojson"]


def test_the_shell_completes_commands_and_solvers():
    def complete(words):
        environment = {**os.environ, "_DTOPT_COMPLETE": "complete_bash", "COMP_WORDS": words}
        environment["COMP_CWORD"] = str(len(words.split()) - 1)
        code = "import sys; sys.argv = ['dtopt']; from dtopt.cli import main; main()"
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
        return run.stdout.split()

    assert complete("dtopt sol") == ["solve", "solvers"]
    assert complete("dtopt solve p.json -s ortools-f") == ["ortools-flow"]
