"""Draws docs/figures/problem.svg: an instance and its proven optimum. `python docs/figures/problem.py`."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

import dtopt
from dtopt.drawing import draw

mpl.rcParams["svg.hashsalt"] = "dtopt"  # the same file each time
problem = dtopt.generate("paper", users=60, stations=10, seed=4)
result = dtopt.solve(problem, "exact", time_limit=60)
figure = Figure(figsize=(11, 5.4), layout="constrained")
left, right = figure.subplots(1, 2, sharex=True, sharey=True)
draw(problem, ax=left).set_title("60 users, 10 base stations")
open_servers = len(result.solution.open_servers)
title = f"proven optimum: {open_servers} servers, mean latency {1e3 * result.evaluation.terms.latency:.0f} ms"
draw(problem, result.solution, ax=right).set_title(title)
path = Path(__file__).with_suffix(".svg")
figure.savefig(path, metadata={"Date": None})
# Matplotlib leaves blanks at the ends of lines.
path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
print(f"{path}: {result.status}, gap {result.gap:.2g}, {open_servers} servers")
