"""The process that runs solvers: one JSON line in for each run, one out with what came of it.

Runs are in a process of their own since a solver may take all memory, crash, or not come back: then only this process
ends (see `reports.bench.keeper`). It lives on from run to run, so that what libraries load is there before a run is
timed.
"""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import gc
import json
import math
import os
import queue
import signal
import sys
import threading
import time
from base64 import b64decode, b64encode
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from dtopt.generators import generate
from dtopt.guard.processes import end_with_parent, limit_data
from dtopt.io.packed import pack, unpack
from dtopt.problem import Placement
from dtopt.registry import solve
from dtopt.result import Incumbent, Result, Status
from dtopt.run import out_of_memory
from dtopt.solution import Solution
from dtopt.stop import MaxIterations
from instances.suites.recipes import checked
from reports.bench.machine import machine
from reports.bench.plan import MAX_ITERATIONS, Task
from reports.judge import FAILED, INVALID, judge, refusal
from reports.records import Run, canonical

if TYPE_CHECKING:
    from typing import TextIO

    from dtopt.problem import Problem

__all__ = ["Runner", "main", "now"]

#: A tiny instance to warm up on, and how long a solver may take there, s.
WARM_USERS, WARM_STATIONS, WARM_SECONDS = 24, 4, 2.0
#: Above this many pairs of user and station solvers take other ways, so they warm up on the instance itself, for so
#: long, s.
LARGE_PAIRS, LARGE_SECONDS = 100_000, 5.0


def now() -> str:
    """Return the time, UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class Runner:
    """Runs one task after another, and keeps what may serve the next."""

    def __init__(self) -> None:
        self._problem: tuple[str, Problem] | None = None
        self._warm: set[tuple[object, ...]] = set()

    def problem(self, task: Task) -> Problem:
        """Return the problem of a task; the last one is kept, since all solvers run on one in turn."""
        if self._problem is None or self._problem[0] != task.hash:
            self._problem = None
            self._problem = task.hash, checked(task.recipe, task.hash, data=task.data)
        return self._problem[1]

    def warm(self, task: Task, problem: Problem) -> None:
        """Let the solver compile and load what it needs, before the clock starts."""
        large = problem.n_users * problem.n_stations > LARGE_PAIRS
        objective = problem.objective if isinstance(problem, Placement) else ""
        way = (task.solver, canonical(task.options), problem.kind, problem.sharing, problem.deadline, objective)
        if (*way, large) in self._warm:
            return
        self._warm.add((*way, large))
        for tried, seconds in ((_like(problem), WARM_SECONDS), *([(problem, LARGE_SECONDS)] if large else [])):
            # What goes wrong here goes wrong in the run, and is told there.
            with contextlib.suppress(Exception):
                solve(tried, task.solver, time_limit=seconds, seed=0, stop=MaxIterations(50), **task.solver_options)

    def run(self, task: Task, watch: Watch) -> Run:
        """Do a task; whatever a solver does short of ending the process is a run that says so."""
        try:
            problem = self.problem(task)
        except Exception as error:
            # The fault is that of this machine or of its data, not of the solver.
            return failure(task, f"the instance cannot be made: {refusal(error)[1]}", "")
        self.warm(task, problem)
        iterations = task.options.get(MAX_ITERATIONS)
        stop = None if iterations is None else MaxIterations(iterations)
        if math.isfinite(task.memory_limit):
            give_back()
            limit_data(task.memory_limit)
        watch.start(task, problem)
        try:
            result = solve(
                problem,
                task.solver,
                time_limit=task.time_limit,
                seed=task.seed,
                stop=stop,
                on_incumbent=watch.keep,
                **task.solver_options,
            )
        except Exception as error:
            if out_of_memory(error):
                return watch.kept(task, problem, Status.MEMORY_LIMIT, "out of memory")
            status, message = refusal(error)
            return failure(task, message, "", status=status)
        finally:
            limit_data(math.inf)
        try:
            return judged(task, problem, result)
        except Exception as error:
            return failure(task, f"what it returned cannot be judged: {error}", "", status=INVALID)

    def judge(self, task: Task, found: dict[str, Any]) -> Run:
        """Return the run of a task that another process did until its memory was at its limit."""
        steps = tuple(Incumbent(*step["step"]) for step in found["incumbents"])
        last = None
        if steps:
            association, servers = (unpack(b64decode(part)) for part in found["incumbents"][-1]["solution"])
            last = Solution(association, servers)
        problem = self.problem(task)
        return stopped(
            task, problem, Status.MEMORY_LIMIT, found["message"], steps, last, found["wall_s"], found["cpu_s"]
        )


class Watch:
    """Stops a run that does not end: tells the incumbent that it had at its limit, and ends the process.

    A solver inside a library that holds the interpreter cannot be watched from here; the parent then ends the process
    a little later, and the incumbent is lost.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._timer: threading.Timer | None = None
        self._trace: list[Incumbent] = []
        self._last: Solution | None = None
        self._limit = float("inf")
        self._tells = False
        self._began = self._cpu = 0.0

    def start(self, task: Task, problem: Problem) -> None:
        """Begin; the parent's clock starts too."""
        self._trace, self._last = [], None
        # Where the parent may have to end this process it is to know what was found.
        self._tells = math.isfinite(task.memory_limit)
        self._began = time.perf_counter()
        self._limit = float("inf") if task.time_limit is None else task.time_limit
        self._answer.say({"phase": "run"})
        self._cpu = time.process_time()
        if task.hard_s is not None:
            self._timer = threading.Timer(task.hard_s, self._stop, (task, problem))
            self._timer.daemon = True
            self._timer.start()

    def keep(self, step: Incumbent, solution: Solution) -> None:
        """Note an incumbent; those after the limit do not count, should the run be stopped."""
        if step.time_s <= self._limit:
            self._trace.append(step)
            self._last = solution
            if self._tells:
                self._answer.say({"incumbent": told(step, solution)})

    def end(self) -> None:
        """Note that the run has ended by itself."""
        if self._timer is not None:
            self._timer.cancel()

    def kept(self, task: Task, problem: Problem, status: Status, message: str, *, wall_s: float | None = None) -> Run:
        """Return the run of a task that was ended, with what it had at its limit."""
        wall = time.perf_counter() - self._began if wall_s is None else wall_s
        steps = tuple(self._trace)
        return stopped(task, problem, status, message, steps, self._last, wall, time.process_time() - self._cpu)

    def _stop(self, task: Task, problem: Problem) -> None:
        message = f"did not end by itself: stopped after {task.hard_s:g} s (its limit is {task.time_limit:g} s)"
        run = self.kept(task, problem, Status.TIME_LIMIT, message, wall_s=task.hard_s or 0.0)
        if run.association is None:
            run = replace(run, status=FAILED)
        if self._answer.last({"run": run.to_json(), "stopped": True}):
            os._exit(0)


class Answer:
    """Where lines go to the parent; the last word on a run is said once."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._open = False

    def begin(self) -> None:
        """Note that a run begins, on which a last word is to be said."""
        with self._lock:
            self._open = True

    def say(self, document: dict[str, Any]) -> None:
        """Write a line."""
        with self._lock:
            self._write(document)

    def last(self, document: dict[str, Any]) -> bool:
        """Write the last line on the run, unless that was done."""
        with self._lock:
            if not self._open:
                return False
            self._open = False
            self._write(document)
            return True

    def _write(self, document: dict[str, Any]) -> None:
        self._stream.write(json.dumps(document) + "\n")
        self._stream.flush()


def _named(task: Task) -> dict[str, Any]:
    """Return what a run is known by."""
    return {
        "key": task.key,
        "instance": task.label,
        "hash": task.hash,
        "solver": task.solver,
        "options": canonical(task.options),
        "seed": task.seed,
        "time_limit": task.time_limit,
    }


def failure(task: Task, message: str, machine_id: str, *, status: str = FAILED, wall_s: float | None = None) -> Run:
    """Return the run of a task that came to nothing."""
    return Run(
        **_named(task),
        status=status,
        wall_s=wall_s,
        message=message,
        machine=machine_id,
        finished=now(),
    )


def judged(task: Task, problem: Problem, result: Result) -> Run:
    """Return what is kept of a result, after the evaluator's own look at its solution."""
    solution = result.solution
    if solution is not None:
        # In the form in which it is kept, so that whoever judges it again finds the same.
        solution = Solution(solution.association, solution.open_servers)
    status, evaluation, message = judge(problem, result, solution)
    kept = None if evaluation is None else solution
    spare = kept is not None and not np.array_equal(np.unique(kept.association), kept.open_servers)
    terms = None if evaluation is None else evaluation.terms
    return Run(
        **_named(task),
        status=status,
        objective=None if evaluation is None else float(evaluation.objective),
        bound=_finite(result.bound),
        latency_s=None if terms is None else float(terms.latency),
        n_open=None if terms is None else int(terms.n_open),
        terms="{}" if terms is None else canonical({k: float(v) for k, v in asdict(terms).items()}),
        wall_s=float(result.wall_s),
        cpu_s=float(result.cpu_s),
        iterations=int(result.iterations),
        message=message,
        finished=now(),
        trace=tuple((float(step.time_s), float(step.objective)) for step in result.trace),
        association=None if kept is None else kept.association,
        open_servers=kept.open_servers if spare and kept is not None else None,
    )


def stopped(
    task: Task,
    problem: Problem,
    status: Status,
    message: str,
    trace: tuple[Incumbent, ...],
    last: Solution | None,
    wall_s: float,
    cpu_s: float,
) -> Run:
    """Return the run of a task that did not end by itself."""
    result = Result(
        solver=task.solver,
        seed=task.seed,
        problem_kind=problem.kind,
        problem_name=problem.name,
        problem_hash=problem.content_hash,
        status=status,
        solution=last,
        evaluation=None,
        trace=trace,
        wall_s=wall_s,
        cpu_s=cpu_s,
    )
    run = judged(task, problem, result)
    return replace(run, message=message + (", with what it had at its limit" if run.association is not None else ""))


def told(step: Incumbent, solution: Solution) -> dict[str, Any]:
    """Return an incumbent as JSON types, for the parent to keep."""
    packed = [b64encode(pack(part)).decode() for part in (solution.association, solution.open_servers)]
    return {"step": [float(step.time_s), float(step.objective)], "solution": packed}


def give_back() -> None:
    """Give memory that earlier runs have left to the system, where there is a way."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _like(problem: Problem) -> Problem:
    """Return a tiny problem on which a solver takes the ways that it takes on this one."""
    options: dict[str, Any] = {"users": WARM_USERS, "stations": WARM_STATIONS, "sharing": problem.sharing}
    if isinstance(problem, Placement):
        return generate("paper", seed=7, objective=problem.objective, **options)
    return generate("paper", seed=7, kind="migration", **options)


def main() -> None:
    """Answer the parent until it closes its end; arguments: its process, and threads of a run."""
    parent, threads = int(sys.argv[1]), int(sys.argv[2])
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What libraries print must not get between the answers.
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer = Answer(stream)
    here = machine(threads)
    answer.say({"machine": here})
    runner, watch = Runner(), Watch(answer)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    with threadpool_limits(threads):
        while True:
            document = json.loads(lines.get())
            task = Task(**document["task"])
            answer.begin()
            if "stopped" in document:
                run = runner.judge(task, document["stopped"])
            else:
                run = runner.run(task, watch)
                watch.end()
            answer.last({"run": run.to_json()})


def _listen(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    # The parent has gone, or wants no more.
    os._exit(0)


if __name__ == "__main__":
    main()
