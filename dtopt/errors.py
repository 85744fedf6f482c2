"""The errors a user can meet; each prints as one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DtoptError",
    "InputError",
    "InputWarning",
    "SolverDiedError",
    "UnknownSolverError",
    "UnsupportedProblemError",
    "meant",
]


class DtoptError(Exception):
    """Base of all errors raised on purpose; the command line prints them on one line and exits with 2."""


class InputError(DtoptError, ValueError):
    """Something given by the user is wrong.

    Parameters
    ----------
    what : str
        What is wrong, with the value met.
    where : str, optional
        The field, as a path such as ``users[3].data_bits``.
    mend : str, optional
        What would make it right.
    """

    def __init__(self, what: str, *, where: str | None = None, mend: str | None = None) -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} ({self.mend})" if self.mend else text

    def within(self, place: str) -> InputError:
        """Return the same error told from one level further out, for example with the file's name."""
        where = f"{place}: {self.where}" if self.where else place
        return InputError(self.what, where=where, mend=self.mend)


class InputWarning(UserWarning):
    """Something about the user's input that is worth a line: what was assumed, left out or looks wrong.

    The command line prints it on stderr; in Python it is a warning, which `warnings.simplefilter` makes an error.
    """


class UnknownSolverError(DtoptError, LookupError):
    """No solver of that name is registered."""


class UnsupportedProblemError(DtoptError):
    """The solver cannot take this kind or size of problem; the message says which it takes."""


class SolverDiedError(DtoptError, RuntimeError):
    """The process of a guarded solver ended without a result and without an incumbent; the message says how."""


def meant(name: str, known: Iterable[str]) -> str:
    """Return how the mend of a wrong name begins, ``did you mean 'exact'? ``, or nothing where no known one is near."""
    import difflib

    names = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.65)
    return f"did you mean {names[found[0]]!r}? " if found else ""
