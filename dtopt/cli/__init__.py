"""The command line: `main` runs it; each sub-command is a module that loads what it needs when it is called."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from typing import NoReturn, TextIO

__all__ = ["main"]

#: What no pip brings when it is missing.
_OURS = frozenset({"dtopt", "solvers", "instances", "reports"})
#: Exit codes beside 0: a fault of dtopt itself, wrong input or use, no feasible solution, interrupted.
FAULT, BAD_INPUT, NO_SOLUTION, INTERRUPTED = 1, 2, 3, 130


def main() -> NoReturn:
    """Run the command line; whatever a user can cause ends in one line on stderr, never in a traceback.

    ``DTOPT_DEBUG=1`` shows tracebacks for those who look for a bug.
    """
    try:
        _run()
    except KeyboardInterrupt:
        _fail("interrupted", code=INTERRUPTED)


def _run() -> NoReturn:
    import typer

    from dtopt.cli.app import app
    from dtopt.errors import DtoptError, SolverDiedError

    _prepare_streams()
    # Typer may carry its own copy of Click, so the base of its errors is found through its own.
    usage_error: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        code = typer.main.get_command(app).main(standalone_mode=False, prog_name="dtopt")
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except usage_error as error:
        text = str(getattr(error, "format_message", error.__str__)())
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "dtopt"
        _fail(text, hint=f"see {command} --help" if "--help" not in text else "")
    except typer.Abort:
        _fail("interrupted", code=INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        # Click makes an exit of a broken pipe.
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # The reader of our output has gone; nothing is wrong, but Python must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("DTOPT_DEBUG"):
            raise
        if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] not in _OURS:
            _fail(f"the package {error.name.partition('.')[0]!r} is not installed", hint="install it with pip")
        if isinstance(error, OSError):
            _fail(f"{error.filename}: {error.strerror}" if error.filename else f"output: {error.strerror or error}")
        if isinstance(error, SolverDiedError):
            _fail(str(error), code=FAULT)
        if isinstance(error, (DtoptError, MemoryError)):
            _fail(str(error) or type(error).__name__)
        _fail(f"{type(error).__name__}: {error}", hint="a fault of dtopt; DTOPT_DEBUG=1 shows where", code=FAULT)


def _prepare_streams() -> None:
    """Make sure that printing never fails on a character, and that libraries' warnings stay out of the way.

    What dtopt itself has to say about the user's input is printed, whatever warnings the environment asks for.
    """
    from dtopt.errors import InputWarning

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not os.environ.get("DTOPT_DEBUG") and not sys.warnoptions:
        warnings.simplefilter("ignore")
    warnings.simplefilter("default", InputWarning)
    shown = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, InputWarning):
            print(f"dtopt: note: {_one_line(str(message))}", file=sys.stderr)  # noqa: T201
        else:
            shown(message, category, filename, lineno, file, line)

    warnings.showwarning = show


def _one_line(text: str) -> str:
    """Return text without the line ends and control characters that files and arguments may bring to a terminal."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def _fail(text: str, *, hint: str = "", code: int = BAD_INPUT) -> NoReturn:
    print(f"dtopt: error: {_one_line(text)}" + (f" ({hint})" if hint else ""), file=sys.stderr)  # noqa: T201
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.exit(code)
    # What is left in the buffer cannot be written; the interpreter must not try again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
