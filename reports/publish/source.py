"""What every form of a report is made from: results, scores and rankings, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.statistics.ranking import rank
from reports.statistics.scores import score

if TYPE_CHECKING:
    from reports.results import Results
    from reports.statistics.ranking import Ranking
    from reports.statistics.scores import Scores

__all__ = ["Source", "source"]


@dataclass(frozen=True, eq=False)
class Source:
    """Results with all that is computed of them.

    Parameters
    ----------
    results : Results
    scores : Scores
    rankings : tuple of Ranking
    """

    results: Results
    scores: Scores
    rankings: tuple[Ranking, ...]

    @property
    def title(self) -> str:
        """The title of the report."""
        return self.results.title or "dtopt benchmark"

    @property
    def first_rankings(self) -> tuple[Ranking, ...]:
        """The ranking with the longest time limit of each kind of problem, of those with half of its instances."""
        found = []
        for kind in dict.fromkeys(ranking.group.kind for ranking in self.rankings):
            of_kind = [ranking for ranking in self.rankings if ranking.group.kind == kind]
            most = max(ranking.instances for ranking in of_kind)
            # The longest comes first; a benchmark that is not done yet may have little of it.
            found.append(next(ranking for ranking in of_kind if 2 * ranking.instances >= most))
        return tuple(found)


def source(results: Results) -> Source:
    """Return results with their scores and rankings."""
    scores = score(results)
    return Source(results, scores, rank(scores))
