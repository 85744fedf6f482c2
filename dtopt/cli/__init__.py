"""The command line: `main` runs it; each sub-command is a module that loads what it needs when it is called."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__all__ = ["main"]

#: Exit codes beside 0: wrong input or use, no feasible solution, interrupted.
BAD_INPUT, NO_SOLUTION, INTERRUPTED = 2, 3, 130


def main() -> NoReturn:
    """Run the command line; whatever a user can cause ends in one line on stderr, never in a traceback.

    ``DTOPT_DEBUG=1`` shows tracebacks for those who look for a bug.
    """
    import typer

    from dtopt.cli.app import app
    from dtopt.errors import DtoptError

    # Typer may carry its own copy of Click, so the base of its errors is found through its own.
    usage_error: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")
    try:
        code = typer.main.get_command(app).main(standalone_mode=False, prog_name="dtopt")
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except usage_error as error:
        text = " ".join(str(getattr(error, "format_message", error.__str__)()).split())
        _fail(text, hint="see dtopt --help" if "--help" not in text else "")
    except typer.Abort:
        _fail("interrupted", code=INTERRUPTED)
    except KeyboardInterrupt:
        _fail("interrupted", code=INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone; nothing is wrong, but Python must not try to flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except (DtoptError, OSError, MemoryError) as error:
        if os.environ.get("DTOPT_DEBUG"):
            raise
        _fail(" ".join(str(error).split()) or type(error).__name__)


def _fail(text: str, *, hint: str = "", code: int = BAD_INPUT) -> NoReturn:
    print(f"dtopt: error: {text}" + (f" ({hint})" if hint else ""), file=sys.stderr)  # noqa: T201
    sys.exit(code)
