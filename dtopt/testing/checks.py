"""How checks are run: each is a named function that ends quietly or says what is wrong."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Check", "CheckFailed", "ensure", "run_checks"]


class CheckFailed(AssertionError):  # noqa: N818 - read as a sentence in test reports
    """A solver or policy does not keep the contract; the message says which check failed, how, and the mend."""


def ensure(condition: object, message: str) -> None:
    """Raise CheckFailed with the message unless the condition holds."""
    if not condition:
        raise CheckFailed(message)


@dataclass(frozen=True)
class Check:
    """One named check, ready to run.

    Parameters
    ----------
    name : str
        Such as ``check_time_limit``.
    run : callable
        Takes nothing; raises `CheckFailed`.
    """

    name: str
    run: Callable[[], None]

    def __call__(self) -> None:
        """Run it; whatever the solver raises is told as a failure of this check."""
        try:
            self.run()
        except CheckFailed as failure:
            raise CheckFailed(f"{self.name}: {failure}") from None
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{frame.filename}:{frame.lineno}"
            raise CheckFailed(f"{self.name}: raised {type(error).__name__}: {error} ({place})") from error


def run_checks(checks: Iterable[Check], what: str) -> None:
    """Run all checks and raise one CheckFailed that lists those that failed."""
    failures, count = [], 0
    for check in checks:
        count += 1
        try:
            check()
        except CheckFailed as failure:
            failures.append(str(failure))
    if failures:
        lines = "\n".join(f"  {line}" for line in failures)
        raise CheckFailed(f"{what}: {len(failures)} of {count} checks failed\n{lines}")
