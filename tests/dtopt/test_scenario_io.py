"""Scenario files: replay is exact slot by slot, and every fault is one clear line."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.io.scenarios import read_scenario, write_scenario
from dtopt.propagation import Propagation
from dtopt.scenario import ModelledRadio, RecordedGains, Scenario
from tests.dtopt.test_scenario import SLOTS, STATIONS, USERS, small_base, small_scenario

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def radios() -> dict[str, Any]:
    """Return radios of all kinds."""
    gain = np.random.default_rng(0).uniform(1e-12, 1e-9, (SLOTS, USERS, STATIONS))
    models = (Propagation("uma", fading="rician", seed=3), Propagation("umi", 0.1 + 0.2, shadowing=True, seed=4))
    return {
        "one": ModelledRadio(),
        "two": ModelledRadio(models, np.array([0, 1, 1]), 2, 3.7, 41.0, 12.0),
        # A whole number where a fraction is meant is the same scenario after a round trip.
        "whole": ModelledRadio((Propagation(carrier_ghz=2, seed=np.int64(5)),), fading_coherence_s=0),  # type: ignore[arg-type]
        "recorded": RecordedGains(gain),
    }


@pytest.mark.parametrize("radio", ["one", "two", "whole", "recorded"])
@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
def test_replay_is_exact_slot_by_slot(tmp_path: Path, radio: str, sharing: str) -> None:
    scenario = small_scenario(5, sharing, radio=radios()[radio])
    write_scenario(scenario, tmp_path / "a.npz")
    again = read_scenario(tmp_path / "a.npz")
    assert again.content_hash == scenario.content_hash
    assert again.name == scenario.name
    previous = scenario.base.previous
    for slot in range(SLOTS):
        ours, theirs = scenario.problem(slot, previous), again.problem(slot, previous)
        assert ours.content_hash == theirs.content_hash
        assert ours.name == theirs.name
        rate = ours.network.access_rate_bps
        assert np.array_equal(rate, theirs.network.access_rate_bps)
        previous = scenario.spread(slot, np.full(ours.n_users, slot % STATIONS))
    write_scenario(again, tmp_path / "b.npz")
    third = read_scenario(tmp_path / "b.npz")
    assert third.content_hash == scenario.content_hash


def test_names_come_back(tmp_path: Path) -> None:
    base = small_base()
    network = base.network
    users = replace(network.users, names=tuple(f"ü{i}" for i in range(USERS)))
    scenario = small_scenario()
    named = Scenario(
        replace(base, network=replace(network, users=users)), scenario.position_m, 2.0, scenario.present, name="Straße"
    )
    write_scenario(named, tmp_path / "a.npz")
    again = read_scenario(tmp_path / "a.npz")
    assert again.name == "Straße"
    assert again.problem(1, np.full(USERS, -1)).network.users.names == tuple(
        f"ü{i}" for i in again.present_users(1).tolist()
    )


def edited(tmp_path: Path, edit: Callable[[dict[str, Any], dict[str, Any]], None], radio: str = "two") -> Path:
    """Return a file with a change in its header or arrays."""
    path = tmp_path / "edited.npz"
    write_scenario(small_scenario(radio=radios()[radio]), path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    header = json.loads(str(arrays.pop("header")))
    edit(header, arrays)
    np.savez(path, header=np.array(json.dumps(header)), **arrays)
    return path


def put(where: str, field: str, value: Any) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Return a change of one field of the header (at a path) or one array; None takes it away."""

    def edit(header: dict[str, Any], arrays: dict[str, Any]) -> None:
        target: Any = arrays
        if where.startswith("header"):
            target = header
            for part in where.split(".")[1:]:
                target = target[int(part) if part.isdigit() else part]
        if value is None:
            del target[field]
        else:
            target[field] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (
            put("header", "format", "dtopt-instance"),
            "format: is 'dtopt-instance' (this is an instance, a scenario is needed)",
        ),
        (put("header", "version", 2), "version: is 2"),
        (put("header", "slot_s", None), "slot_s: is missing"),
        (put("header", "slot_s", "1"), "slot_s: should be"),
        (put("header", "slot_s", -1.0), "slot_s: must be > 0"),
        (put("header", "speed", 3), "speed: is not a known field"),
        (put("header.radio", "kind", "wire"), "radio.kind: should be"),
        (put("header.radio", "kind", "recorded"), 'does not belong to a radio of kind "recorded"'),
        (put("header.radio", "models", None), "radio.models: is missing"),
        (put("header.radio", "candidates", 0), "radio.candidates: must be >= 1"),
        (put("header.radio.models.1", "path_loss", "hata"), "radio.models[1].path_loss: unknown value 'hata'"),
        (put("header.radio.models.0", "seed", None), "radio.models[0].seed: is missing"),
        (
            put("header.base", "kind", "placement"),
            "base.utility: belongs to migration instances, this is a placement instance",
        ),
        (put("header.base", "sharing", "half"), "base.sharing: unknown value 'half'"),
        (put("header.base", "format", None), "base.format: is missing"),
        (put("arrays", "position_m", None), "position_m: is missing"),
        (put("arrays", "position_m", np.zeros((SLOTS, USERS))), "position_m: has shape 9 x 5"),
        (put("arrays", "present", np.ones((SLOTS, USERS))), "present: has type float64, expected true and false"),
        (put("arrays", "present", np.zeros((SLOTS, USERS), dtype=bool)), "present[0]: nobody is there"),
        (put("arrays", "cpu_hz", np.full((SLOTS, STATIONS), -1.0)), "cpu_hz[0][0]: must be > 0, got -1.0"),
        (put("arrays", "bandwidth_hz", np.ones(2)), "bandwidth_hz: has shape 2, expected 9"),
        (put("arrays", "radio.kind", np.array([0, 1, 2])), "radio.kind[2]: must be <= 1"),
        (put("arrays", "radio.gain", np.ones(3)), 'radio.gain: does not belong to a radio of kind "model"'),
        (put("arrays", "speed", np.ones(3)), "speed: is not a known array"),
        (put("arrays", "base.previous", None), "base.previous: is missing"),
        (put("arrays", "base.previous", np.full(USERS, 9)), "base.previous[0]: must be <= 2, got 9"),
        (put("arrays", "base.users.data_bits", None), "base.users.data_bits: is missing"),
        (put("arrays", "base.users.speed", np.ones(3)), "base.users.speed: is not a known array"),
        (put("arrays", "base.users.tx_power_w", np.array(["a"] * USERS)), "base.users.tx_power_w: has type"),
    ],
)
def test_each_fault_is_one_line_with_file_and_field(
    tmp_path: Path, edit: Callable[[dict[str, Any], dict[str, Any]], None], words: str
) -> None:
    path = edited(tmp_path, edit)
    with pytest.raises(InputError) as caught:
        read_scenario(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert words in line
    assert "\n" not in line


def test_recorded_gains_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"radio\.gain: is missing"):
        read_scenario(edited(tmp_path, put("arrays", "radio.gain", None), "recorded"))


def test_damaged_files(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_scenario(small_scenario(), path)
    whole = path.read_bytes()
    # Nothing, the first half, a damaged head, and a pickle.
    for content in (b"", whole[: len(whole) // 2], b"PK" + whole[10:], b"\x80\x04]q\x00."):
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            read_scenario(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    np.savez(path, header=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="header"):
        read_scenario(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_scenario(tmp_path / "absent.npz")
    with pytest.raises(InputError, match=r"unknown kind of scenario file '\.json' \(name it \.npz\)"):
        read_scenario(tmp_path / "a.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_scenario(small_scenario(), tmp_path / "no" / "a.npz")
