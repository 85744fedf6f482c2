"""`generate_scenario`: any preset set in motion, by a mobility model or a trace."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from dtopt.arrays import choice, float_array, int_array, number
from dtopt.channel import ModelledChannel
from dtopt.elementary import expm1, log1p, total
from dtopt.errors import InputError, InputWarning
from dtopt.generators import generate
from dtopt.geography import Projection
from dtopt.problem import Migration, Placement
from dtopt.propagation import Propagation
from dtopt.scenario import MarkovChain, ModelledRadio, Scenario, Walk
from instances import constants as scene_constants
from instances.assembly import Scene, assemble, count, flag
from instances.draws import uniform
from instances.melbourne import STATIONS_FILE, data_directory
from instances.mobility import constants
from instances.mobility.area import Area
from instances.mobility.fcd import read_fcd
from instances.mobility.models import draw_speeds, gauss_markov, random_waypoint
from instances.mobility.streets import manhattan
from instances.mobility.traces import SAME_TIME_S, Trace, read_csv
from instances.tables import read_points

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dtopt.arrays import BoolArray, FloatArray
    from dtopt.problem import DeadlineMode, Interaction

__all__ = ["Mobility", "generate_scenario", "read_trace"]

Mobility = Literal["random-waypoint", "gauss-markov", "manhattan", "trace"]
_MODELS: dict[str, Callable[..., FloatArray]] = {
    "random-waypoint": random_waypoint,
    "gauss-markov": gauss_markov,
    "manhattan": manhattan,
}


def generate_scenario(
    preset: str = "paper",
    *,
    seed: int = 0,
    slots: int = 100,
    slot_s: float = constants.SLOT_S,
    mobility: Mobility = "random-waypoint",
    trace: str | Path | Trace | None = None,
    origin: str | tuple[float, float] | None = None,
    degrees: bool | None = None,
    max_gap_s: float | None = None,
    vehicles: float = constants.VEHICLE_SHARE,
    stay_s: float = constants.STAY_S,
    away_s: float = constants.AWAY_S,
    cpu_levels: Sequence[float] = constants.CPU_LEVELS,
    band_levels: Sequence[float] = constants.BAND_LEVELS,
    shadowing: bool = False,
    fading_coherence_s: float = constants.FADING_COHERENCE_S,
    deadline: DeadlineMode = "soft",
    interaction: Interaction = "update",
    migration_weight: float = constants.MIGRATION_WEIGHT,
    **options: Any,
) -> Scenario:
    """Return a scenario; the same preset, seed and options give the same one.

    Users, stations, twins, deadlines, servers and the association before the first slot are those of the preset's P2;
    its positions are where users start. Under a mobility model, users stay in the box that holds the preset's stations
    and users. With a trace they are where it says, and absent outside of that box. Enough free CPU is always left for
    the association before the first slot to be kept; deadlines are soft by default, since whether one can be met
    depends on where a method has left the twins.

    Parameters
    ----------
    preset : str
        ``paper``, ``city``, ``melbourne`` or any other whose channel is modelled.
    seed : int
    slots : int
        T.
    slot_s : float
        Length of a slot, s.
    mobility : Mobility
        ``random-waypoint``, ``gauss-markov``, ``manhattan`` (streets), or ``trace``.
    trace : path or Trace, optional
        With ``trace``: a CSV file or a SUMO FCD export; the one that comes with the package where not given. Users are
        drawn at random among those who are there for half of the time, then from those there longest.
    origin : str or tuple, optional
        How the trace lies on the stations. ``keep``: its metres are those of the stations. A latitude and longitude:
        the point of the stations' (0, 0), for a trace in degrees. Where not given, ``melbourne`` knows its own, and
        for other presets the trace's middle is put on the middle of the box.
    degrees : bool, optional
        Whether x and y of the trace's file are longitude and latitude in degrees, and not metres. Where not given, they
        are where users would otherwise not move (`instances.mobility.degrees.are_degrees`).
    max_gap_s : float, optional
        The longest time between two records of a user who is still there, s; a user without a record for longer has
        left and come back. Infinity where all gaps are filled in, three usual intervals where not given
        (`instances.mobility.traces.Trace.usual_gap_s`).
    vehicles : float
        Part of the users at the speed of vehicles, the others walk; not for traces.
    stay_s, away_s : float
        Mean time that a user stays, and stays away, s (both geometrically distributed in slots); `away_s` 0 for users
        who never leave. Not for traces, in which users come and go by themselves.
    cpu_levels, band_levels : sequence of float
        Parts of the CPUs, and of the band, that are free, > 0 and <= 1: the levels of Markov chains.
    shadowing : bool
        Whether there is log-normal shadowing.
    fading_coherence_s : float
        Time in which fading decorrelates to 1/e, s.
    deadline, migration_weight
        See `dtopt.problem.Migration`.
    interaction : Interaction
        What T_i(t) is: the ``update`` latency (11), or the ``construction`` latency (10), as Section V of the paper has
        it; deadlines are then drawn from the range of P1, for a twin to be ready (``csv`` keeps its own).
    **options
        The preset's own, for example ``users``, ``stations`` and ``sharing``.

    Raises
    ------
    InputError
        On an unknown preset or option, a value out of range, or a trace that is too short or holds too few users.
    """
    choice(mobility, "mobility", Mobility)
    for name, given in (("trace", trace), ("origin", origin), ("degrees", degrees), ("max_gap_s", max_gap_s)):
        if given is not None and mobility != "trace":
            raise InputError(f"goes only with a trace, this is {mobility}", where=name, mend="mobility trace")
    if "kind" in options:
        raise InputError("a scenario is always about migration", where="kind", mend="leave it out")
    seed, slots = int(int_array(seed, "seed", shape=(), minimum=0)), count(slots, "slots")
    slot_s = number(slot_s, "slot_s", minimum=0.0, exclusive=True)
    base = generate(preset, seed=seed, kind="migration", **options)
    assert isinstance(base, Migration)  # noqa: S101 - what the kind says
    start, station = base.network.users.position_m, base.network.stations.position_m
    assert start is not None  # noqa: S101 - presets place users and stations
    assert station is not None  # noqa: S101
    area = Area.around(start, station)
    radio = _radio(base, preset, seed, options, shadowing=flag(shadowing, "shadowing"), coherence_s=fading_coherence_s)
    move, come, work, band = (np.random.default_rng(s) for s in np.random.SeedSequence([seed, 1]).spawn(4))
    if mobility == "trace":
        found = _placed(_read(trace, degrees), origin, preset, area, options)
        base, position, present = _traced(base, preset, found, max_gap_s, area, radio, move, slots, slot_s, options)
    else:
        vehicles = number(vehicles, "vehicles", minimum=0.0, maximum=1.0)
        speed = draw_speeds(move, base.n_users, vehicles)
        position = _MODELS[mobility](move, start, area, speed, slots=slots, slot_s=slot_s)
        present = _coming_and_going(come, base.n_users, slots, slot_s, stay_s, away_s)
    cpu_part = _levels(work, cpu_levels, "cpu_levels", constants.CPU_CHANGE, slots, slot_s, base.n_stations)
    band_part = _levels(band, band_levels, "band_levels", constants.BAND_CHANGE, slots, slot_s, 1)[:, 0]
    network = base.network
    users = network.users
    if interaction == "construction" and preset != "csv":
        users = replace(users, deadline_s=_construction_deadlines(base.n_users, seed))
    # Whoever is not there at first has no twin yet. Fixed demands must fit even when least CPU is free.
    base = replace(
        base,
        network=replace(
            network,
            users=replace(users, position_m=position[0]),
            channel=ModelledChannel(radio.models[0]),
        ),
        previous=np.where(present[0], base.previous, -1),
        demand_hz=None if base.demand_hz is None else base.demand_hz * float(np.min(cpu_levels)),
        deadline=deadline,
        interaction=interaction,
        migration_weight=migration_weight,
    )
    return Scenario(
        base,
        position,
        slot_s,
        present,
        cpu_part * network.stations.cpu_hz,
        band_part * network.bandwidth_hz,
        radio,
        f"{preset}-{mobility}-{base.n_users}x{base.n_stations}x{slots}-s{seed}",
    )


def _construction_deadlines(users: int, seed: int) -> FloatArray:
    """Return τ_i of (15) from the range of P1, s.

    None is raised to what some association reaches, as the static presets do: where users start says nothing of later
    slots, and a user with a deadline of ten seconds would outweigh all others, since (20) takes e to its power.
    """
    return uniform(np.random.default_rng([seed, 2]), *scene_constants.DEADLINE_RANGE_S, users)


def read_trace(path: str | Path, *, degrees: bool | None = None) -> Trace:
    """Read a trace, a SUMO FCD export (``.xml``, ``.xml.gz``) or a CSV file (any other name).

    Parameters
    ----------
    path : str or Path
    degrees : bool, optional
        Whether x and y are longitude and latitude; `instances.mobility.degrees.are_degrees` decides where not given.

    Raises
    ------
    InputError
        See `instances.mobility.fcd.read_fcd` and `instances.mobility.traces.read_csv`.
    """
    name = str(path).lower()
    read = read_fcd if name.endswith((".xml", ".xml.gz")) else read_csv
    return read(path, degrees=degrees)


@cache
def _shipped_trace() -> Trace:
    return read_csv(Path(__file__).parent / "data" / constants.SHIPPED_TRACE)


def _radio(
    base: Migration, preset: str, seed: int, options: dict[str, Any], *, shadowing: bool, coherence_s: float
) -> ModelledRadio:
    """Return the models behind a preset's channel, with fading in time."""
    channel, names = base.network.channel, base.network.stations.names
    kind = None
    if isinstance(channel, ModelledChannel):
        models = [channel.model]
    elif preset in ("city", "large"):
        models = [Propagation("uma", scene_constants.CARRIER_GHZ, options.get("fading", "rician"), seed=seed)]
        if preset == "city":
            assert names is not None  # noqa: S101 - the city names its cells
            models.append(replace(models[0], path_loss="umi"))
            kind = np.array([0 if name.startswith("macro") else 1 for name in names])
    else:
        raise InputError("has a channel without a model, which cannot change in time", where=f"preset {preset!r}")
    many = base.n_users * base.n_stations > scene_constants.MATRIX_PAIRS
    return ModelledRadio(
        tuple(replace(model, shadowing=shadowing) for model in models),
        kind,
        candidates=scene_constants.RADIO_CANDIDATES if many else None,
        fading_coherence_s=coherence_s,
    )


def _coming_and_going(
    rng: np.random.Generator, users: int, slots: int, slot_s: float, stay_s: float, away_s: float
) -> BoolArray:
    """Return who is there, shape (T, N): each user comes and goes by itself, but the last one waits for another."""
    stay_s = number(stay_s, "stay_s", minimum=0.0, exclusive=True)
    away_s = number(away_s, "away_s", minimum=0.0)
    if away_s == 0.0:
        return np.ones((slots, users), dtype=bool)
    leave, come = -expm1(-slot_s / np.array([stay_s, away_s]))
    chain = MarkovChain(np.array([0.0, 1.0]), np.array([[1.0 - come, come], [leave, 1.0 - leave]]))
    present = chain.sample(rng, slots, users) > 0.5
    for slot in np.flatnonzero(~present.any(axis=1)).tolist():
        if slot:
            present[slot] = present[slot - 1]
        else:
            present[slot, 0] = True
    return present


def _levels(
    rng: np.random.Generator,
    levels: Sequence[float],
    name: str,
    change: float,
    slots: int,
    slot_s: float,
    copies: int,
) -> FloatArray:
    """Return free parts by a chain over neighbouring levels, shape (T, copies)."""
    checked = np.atleast_1d(float_array(levels, name, minimum=0.0, exclusive=True))
    if checked.ndim != 1 or checked.size == 0:
        raise InputError("must be a list of at least one number", where=name)
    if checked.max() > 1.0:
        raise InputError(f"must be <= 1, got {checked.max():g}", where=name)
    # 1 - (1 - change)^slots.
    in_slot = -float(expm1(slot_s / constants.LEVEL_SLOT_S * log1p(-change)))
    return MarkovChain.neighbours(np.sort(checked), in_slot).sample(rng, slots, copies)


# --- traces -----------------------------------------------------------------------------------------------------------


def _read(source: str | Path | Trace | None, degrees: bool | None) -> Trace:
    """Return the trace; `degrees` goes only with a file."""
    if source is not None and not isinstance(source, Trace):
        return read_trace(source, degrees=None if degrees is None else flag(degrees, "degrees"))
    trace = _shipped_trace() if source is None else source
    if degrees is not None and flag(degrees, "degrees") != trace.degrees:
        unit = "degrees" if trace.degrees else "metres"
        raise InputError(f"the trace is in {unit} already", where="degrees", mend="it goes with a trace's file")
    return trace


def _traced(
    base: Migration,
    preset: str,
    trace: Trace,
    max_gap_s: float | None,
    area: Area,
    radio: ModelledRadio,
    rng: np.random.Generator,
    slots: int,
    slot_s: float,
    options: dict[str, Any],
) -> tuple[Migration, FloatArray, BoolArray]:
    """Return the base instance with the trace's users, their positions, and who is there."""
    if max_gap_s is not None:
        max_gap_s = number(max_gap_s, "max_gap_s", minimum=0.0, exclusive=True, infinite=True)
    begin, end = float(trace.time_s.min()), float(trace.time_s.max())
    needed = (slots - 1) * slot_s
    # Times are sums of decimal fractions.
    if end - begin < needed * (1.0 - 1e-9) - SAME_TIME_S:
        raise InputError(
            f"lasts {end - begin:g} s, {slots} slots of {slot_s:g} s need {needed:g} s",
            where=trace.path,
            mend=f"at most {int((end - begin + SAME_TIME_S) / slot_s) + 1} slots",
        )
    time_s = np.minimum(begin + slot_s * np.arange(slots), end)
    position, recorded = trace.at(time_s, max_gap_s=max_gap_s)
    present = recorded & area.holds(position)
    stays = np.count_nonzero(present, axis=0)
    n = base.n_users
    if np.count_nonzero(stays) < n:
        what = f"has {np.count_nonzero(stays)} users in the area within {slots} slots, {n} wanted"
        spans = " x ".join(f"{side:.0f}" for side in np.ptp(trace.position, axis=0))
        mend = f"fewer users, or another origin of the trace, which spans {spans} m; the area is {area}"
        raise InputError(what, where=trace.path, mend=mend)
    # At random among those there for half of the time, then those there longest.
    rank = np.where(2 * stays >= slots, slots, stays)
    chosen = np.sort(np.lexsort((rng.permutation(stays.size), -rank))[:n])
    position, present = np.ascontiguousarray(position[:, chosen]), present[:, chosen]
    if max_gap_s is None:
        _note_gaps(trace.take(chosen), time_s, recorded[:, chosen])
    _keep_someone(trace, time_s - begin, position, present, recorded[:, chosen], area)
    names = tuple(trace.names[i] for i in chosen.tolist())
    return _settled(base, position[0], names, preset, radio, options), position, present


def _note_gaps(trace: Trace, time_s: FloatArray, recorded: BoolArray) -> None:
    """Say which users have left and come back because they have no record for long."""
    gone = (trace.at(time_s, max_gap_s=np.inf)[1] & ~recorded).any(axis=0)
    if gone.any():
        first = int(gone.argmax())
        what = (
            f"{np.count_nonzero(gone)} of {gone.size} users have no record for a while and are absent then, "
            f"{trace.names[first]!r} where it is more than {trace.usual_gap_s()[first]:.4g} s; "
            "max_gap_s sets another limit"
        )
        warnings.warn(f"{trace.path}: {what}", InputWarning, stacklevel=2)


def _keep_someone(
    trace: Trace, time_s: FloatArray, position: FloatArray, present: BoolArray, recorded: BoolArray, area: Area
) -> None:
    """Let the user nearest to the area be present in slots in which nobody is in it, since no slot can be empty.

    Parameters
    ----------
    time_s : ndarray, shape (T,)
        Since the first record.
    present : ndarray of bool, shape (T, N)
        Changed in place.
    recorded : ndarray of bool, shape (T, N)
        Who is somewhere.
    """
    empty = np.flatnonzero(~present.any(axis=1))
    nobody = empty[~recorded[empty].any(axis=1)]
    if nobody.size:
        raise InputError(
            f"has no record of the {present.shape[1]} users {time_s[nobody[0]]:g} s after its first one",
            where=trace.path,
            mend="more users, fewer slots, or a longer max_gap_s, inf to go straight from record to record",
        )
    if empty.size:
        outside = np.maximum(area.low - position[empty], position[empty] - area.high).max(axis=-1)
        nearest = np.where(recorded[empty], outside, np.inf).argmin(axis=1)
        present[empty, nearest] = True
        what = f"in {empty.size} of {len(time_s)} slots nobody is in the area ({area}), the nearest user stays"
        warnings.warn(f"{trace.path}: {what}", InputWarning, stacklevel=2)


def _placed(
    trace: Trace, origin: str | tuple[float, float] | None, preset: str, area: Area, options: dict[str, Any]
) -> Trace:
    """Return the trace in the metres of the stations."""
    if origin == "keep":
        if trace.degrees:
            raise InputError("the trace is in degrees", where="origin", mend="give latitude,longitude of (0, 0)")
        return trace
    if origin is not None:
        if not trace.degrees:
            raise InputError(
                "the trace is in metres", where="origin", mend="keep, or nothing for its middle; or degrees=true"
            )
        return trace.projected(_projection(origin))
    if trace.degrees and preset == "melbourne":
        return trace.projected(read_points(data_directory(options.get("data")) / STATIONS_FILE).south_west())
    if trace.degrees:
        trace = trace.projected(_middle(trace.position))
    shift = area.centre - Area.around(trace.position).centre
    return trace.shifted(x_m=float(shift[0]), y_m=float(shift[1]))


def _middle(position: FloatArray) -> Projection:
    """Return a projection around the mean of some latitudes and longitudes, which may lie on both sides of 180°."""
    latitude, longitude = (total(position) / len(position)).tolist()
    if np.ptp(position[:, 1]) > 180.0:
        longitude = (float(total(position[:, 1] % 360.0)) / len(position) + 180.0) % 360.0 - 180.0
    return Projection(latitude, longitude)


def _projection(origin: str | tuple[float, float]) -> Projection:
    parts = origin.split(",") if isinstance(origin, str) else origin
    try:
        latitude, longitude = (float(part) for part in parts)
    except (TypeError, ValueError):
        raise InputError(f"is no place: {origin!r}", where="origin", mend="keep, or latitude,longitude") from None
    number(abs(latitude), "origin latitude", maximum=89.0)
    return Projection(latitude, number(longitude, "origin longitude", minimum=-180.0, maximum=180.0))


def _settled(
    base: Migration,
    start_m: FloatArray,
    names: tuple[str, ...],
    preset: str,
    radio: ModelledRadio,
    options: dict[str, Any],
) -> Migration:
    """Return the base instance with users at other places, and servers and previous association to match."""
    placement = generate(preset, seed=radio.models[0].seed, kind="placement", **options)
    assert isinstance(placement, Placement)  # noqa: S101 - what the kind says
    network = base.network
    users, stations = network.users, network.stations
    demand, station_m = base.demand_hz, stations.position_m
    assert station_m is not None  # noqa: S101 - presets place stations
    everyone, first_slot = np.arange(base.n_users), Walk(start_m[None], np.zeros((1, base.n_users)), 1.0)
    channel = radio.channel(0, everyone, first_slot, station_m)
    scene = Scene(
        label=preset,
        seed=radio.models[0].seed,
        user_m=start_m,
        earlier_m=start_m,
        station_m=station_m,
        data_bits=users.data_bits,
        update_bits=users.update_bits,
        cpu_hz=stations.cpu_hz,
        capacity=stations.capacity,
        channel=lambda _: channel,
        deadlines=None,
        server_cost=placement.server_cost,
        backhaul_s_per_bit_m=network.backhaul_s_per_bit_m,
        user_names=names,
        station_names=stations.names,
        given_deadline_s=users.deadline_s,
        tx_power_w=users.tx_power_w,
    )
    if demand is not None:
        scene = replace(scene, demand=lambda _: (demand, None))
    settled = assemble(scene, kind="migration", sharing=base.sharing, objective=placement.objective)
    assert isinstance(settled, Migration)  # noqa: S101 - what the kind says
    return settled
