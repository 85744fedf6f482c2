"""`dtopt train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["GROUP", "train", "validated"]

#: The entry-point group of trainers: modules with a pydantic model ``Config`` and a function ``train``.
GROUP = "dtopt.trainers"


def train(
    method: Annotated[str | None, typer.Argument(help="What to train; --list shows it.", show_default=False)] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for checkpoints and logs; runs/METHOD if not given.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="A setting as key=value, instead of the file's.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Short for --set seed=…")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Show what can be trained, and all settings.")] = False,
) -> None:
    """Train a learned solver, with logs (CSV, TensorBoard) and checkpoints that go on exactly after a kill.

    With --resume and without settings, those of the interrupted run are taken. Exit code 130: interrupted; go on with
    --resume.
    """
    from dtopt.cli.common import progress, writable
    from dtopt.cli.common import settings as settings_of
    from dtopt.errors import InputError, meant
    from dtopt.io.files import load_json
    from dtopt.io.locks import WriteLock

    trainers = _trainers()
    if show_list:
        _show(trainers)
        return
    names = f"one of {', '.join(sorted(trainers))}"
    if method is None:
        raise InputError("name what to train", mend=names)
    if method not in trainers:
        raise InputError(f"there is no trainer {method!r}", mend=f"{meant(method, trainers)}{names}")
    trainer = _loaded(trainers[method])
    folder = output or Path("runs") / method
    if output is not None:
        writable(output, folder=True)
    kept = folder / "config.json"
    settings: dict[str, Any] = {}
    if resume and kept.exists():
        settings = load_json(kept)
        try:
            validated(trainer.Config, settings)
        except InputError as error:
            mend = "was another method trained there?"
            raise InputError(f"does not fit {method}: {error}", where=str(kept), mend=mend) from None
    if config is not None:
        settings |= read_config(config)
    settings |= settings_of(option or [])
    if seed is not None:
        settings["seed"] = seed
    made = validated(trainer.Config, settings)
    folder.mkdir(parents=True, exist_ok=True)
    with WriteLock(folder), progress() as bar:
        task = bar.add_task(method, total=None)

        def on_step(step: int, steps: int, values: dict[str, Any]) -> None:
            shown = [f"{k} {v:.4g}" for k, v in values.items() if isinstance(v, float) and "seconds" not in k][:3]
            bar.update(task, completed=step, total=steps, description=f"{method} {step}/{steps} {' · '.join(shown)}")

        trainer.train(made, folder, resume=resume, on_step=on_step)
    typer.echo(f"{folder}: {method} is trained")


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file; what is wrong is an InputError."""
    import tomllib

    from dtopt.errors import InputError

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"is no TOML: {error}", where=str(path)) from None
    except RecursionError:
        raise InputError("is nested too deeply", where=str(path)) from None
    except OSError as error:
        raise InputError(error.strerror or str(error), where=str(path)) from None


def _trainers() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(entry: EntryPoint) -> Any:
    from dtopt.errors import InputError

    try:
        return entry.load()
    except ImportError as error:
        raise InputError(f"cannot be loaded: {error}", where=f"trainer {entry.name!r}") from error


def validated(model: Any, settings: dict[str, Any]) -> Any:
    """Return settings checked by a trainer's model; what is wrong first is an InputError."""
    from pydantic import ValidationError

    from dtopt.errors import InputError, meant

    try:
        return model.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            wrong = str(error.errors()[0]["loc"][-1])
            has = f"{meant(wrong, model.model_fields)}there are {', '.join(model.model_fields)}"
            raise InputError("is no setting", where=where, mend=has) from None
        raise InputError(f"{first['msg'].lower()}, got {first['input']!r}", where=where) from None


def _show(trainers: dict[str, EntryPoint]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from dtopt.cli.common import wide_console

    table = Table("method", "setting", "default", "what", box=None, pad_edge=False)
    for name in sorted(trainers):
        for key, field in _loaded(trainers[name]).Config.model_fields.items():
            default = field.get_default(call_default_factory=True)
            table.add_row(name, key, escape(str(default)), escape(field.description or ""))
    wide_console().print(table)
