"""The benchmark runner behind `dtopt bench`.

>>> from reports.bench import BenchConfig, make_plan, run_plan
>>> from reports.store import Store, load
>>> plan = make_plan(BenchConfig(suites=["paper"], solvers=["exact", "greedy"], time_limits=[10.0]))
>>> with Store("paper.sqlite") as store:
...     run_plan(plan, store)
>>> results = load(["paper.sqlite"])
"""

from reports.bench.config import BenchConfig, read_config
from reports.bench.plan import make_plan
from reports.bench.runner import run_plan

__all__ = ["BenchConfig", "make_plan", "read_config", "run_plan"]
