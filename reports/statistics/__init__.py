"""Statistics of a benchmark: gaps, primal integrals, times to a gap, performance profiles, tests and intervals.

>>> from reports.statistics import score, rank
>>> scores = score(results)  # one row a run, with gap, primal_integral, time_to_1e-3 and so on
>>> for ranking in rank(scores):
...     print(ranking.group, ranking.table[["solver", "primal_gap"]])
"""

from __future__ import annotations

from reports.statistics.means import bootstrap_interval, shifted_geometric_mean
from reports.statistics.primal import incumbents, primal_gap, primal_integral, time_to_gap
from reports.statistics.profiles import Profile, performance_profile
from reports.statistics.ranking import Group, Ranking, rank
from reports.statistics.scores import TARGETS, Scores, score
from reports.statistics.significance import Paired, holm, paired_wilcoxon

__all__ = [
    "TARGETS",
    "Group",
    "Paired",
    "Profile",
    "Ranking",
    "Scores",
    "bootstrap_interval",
    "holm",
    "incumbents",
    "paired_wilcoxon",
    "performance_profile",
    "primal_gap",
    "primal_integral",
    "rank",
    "score",
    "shifted_geometric_mean",
    "time_to_gap",
]
