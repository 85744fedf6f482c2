"""`dtopt scenario`, and reading scenarios for `dtopt simulate`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtopt.scenario import Scenario

__all__ = ["load_scenarios", "scenario", "scenario_options"]


def scenario(
    preset: Annotated[str, typer.Argument(help="A preset of `dtopt generate --list`.")] = "paper",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File (.npz), or folder with --count.")] = None,
    seed: Annotated[int, typer.Option(help="The first seed.")] = 0,
    count: Annotated[int | None, typer.Option(help="Write so many, one for each seed, into a folder.")] = None,
    slots: Annotated[int, typer.Option(help="Time slots.")] = 100,
    users: Annotated[int | None, typer.Option(help="Number of users N.")] = None,
    stations: Annotated[int | None, typer.Option(help="Number of base stations M.")] = None,
    mobility: Annotated[
        str | None, typer.Option(help="random-waypoint, gauss-markov, manhattan, or trace (one is shipped).")
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Trace of positions: CSV, or SUMO FCD (.xml, .xml.gz). --set degrees=true for x and y in degrees,"
            " --set max_gap_s=SECONDS for how long a user may be without a record."
        ),
    ] = None,
    migration_weight: Annotated[float | None, typer.Option(help="Weight of the time to move a twin.")] = None,
    interaction: Annotated[str | None, typer.Option(help="update (11) or construction (10).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with real data, for presets that read some.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", help="Any other option of the scenario or its preset, as key=value.")
    ] = None,
) -> None:
    """Set a preset in motion and write the scenario to a file: a P2 for each time slot."""
    from dtopt.cli.common import writable
    from dtopt.errors import InputError
    from dtopt.generators import generate_scenario
    from dtopt.io.names import file_stem
    from dtopt.io.scenarios import SUFFIX, write_scenario

    named = {
        "users": users,
        "stations": stations,
        "mobility": mobility,
        "trace": trace,
        "migration_weight": migration_weight,
        "interaction": interaction,
        "data": data,
    }
    options = scenario_options(preset, named, option or ())
    if count is not None and count < 1:
        raise InputError(f"must be >= 1, got {count}", where="--count")
    folder = Path() if count is None else output or Path()
    if count is not None:
        writable(folder, folder=True)
        folder.mkdir(parents=True, exist_ok=True)
    for s in range(seed, seed + (count or 1)):
        made = generate_scenario(preset, seed=s, slots=slots, **options)
        path = output if output is not None and count is None else folder / f"{file_stem(made.name)}{SUFFIX}"
        writable(path)
        write_scenario(made, path)
        typer.echo(f"{path}: {made.n_users} users, {made.n_stations} stations, {made.n_slots} slots")


def scenario_options(preset: str, named: dict[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Return the options of a scenario, typed as the scenario's maker and the preset have them.

    Parameters
    ----------
    preset : str
    named : dict
        Options of the command line; None for those not given. A trace stands for its mobility too.
    pairs : sequence of str
        The others, as key=value.
    """
    from dtopt.cli.common import settings
    from dtopt.errors import InputError, meant
    from dtopt.generators import load_preset, load_scenario_maker

    maker, function = load_scenario_maker(), load_preset(preset)
    given = [*pairs, *(f"{key}={value}" for key, value in named.items() if value is not None)]
    own = inspect.signature(maker).parameters
    preset_own = [key for key in inspect.signature(function).parameters if key not in {"seed", "kind"}]
    mine, others = [], []
    for pair in given:
        key = pair.partition("=")[0].strip().replace("-", "_")
        if key in own and key not in {"preset", "options"}:
            mine.append(pair)
        elif key in preset_own:
            others.append(pair)
        else:
            has = list(dict.fromkeys([*(k for k in own if k not in {"preset", "options"}), *preset_own]))
            mend = f"{meant(key, has)}it has {', '.join(has)}"
            raise InputError(f"a scenario of {preset!r} has no option {key!r}", mend=mend)
    found = settings(mine, "--set", maker) | settings(others, "--set", function)
    if "trace" in found:
        found.setdefault("mobility", "trace")
    return found


def load_scenarios(name: str, named: dict[str, Any], seeds: Sequence[int]) -> list[Scenario]:
    """Return the scenarios behind an argument: a file, or a preset such as ``paper:users=80`` with each of the seeds.

    Raises
    ------
    InputError
        If it is neither, or the file or an option is wrong.
    """
    from dtopt.errors import InputError, meant
    from dtopt.generators import generate_scenario, preset_names
    from dtopt.io.scenarios import SUFFIX, read_scenario

    path = Path(name)
    if path.suffix.lower() == SUFFIX or path.exists():
        return [read_scenario(path)]
    preset, _, text = name.partition(":")
    if preset not in preset_names():
        mend = f"{meant(preset, preset_names())}files end in {SUFFIX}; presets are {', '.join(preset_names())}"
        raise InputError(f"{name!r} is no scenario file and no preset", mend=mend)
    options = scenario_options(preset, named, text.split(",") if text else ())
    first = options.pop("seed", None)
    chosen = seeds if first is None else [first + s - seeds[0] for s in seeds]
    return [generate_scenario(preset, seed=s, **options) for s in chosen]
