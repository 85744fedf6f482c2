"""The Melbourne preset: its data where it is, a clear line where it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dtopt.errors import InputError
from dtopt.feasibility import obvious_conflict
from dtopt.problem import Migration
from instances.melbourne import STATIONS_FILE, USERS_FILE, melbourne

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not (DATA / "melbourne").is_dir(), reason="the data is not beside this checkout")


def made_up(folder: Path) -> None:
    """Write files of the data set's form with other places."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    sites = [f"{i},{-37.82 + a:.6f},{144.95 + b:.6f},Site {i}" for i, (a, b) in enumerate(rng.uniform(0, 0.02, (9, 2)))]
    (folder / STATIONS_FILE).write_text("\n".join(["SITE_ID,LATITUDE,LONGITUDE,NAME", *sites]) + "\n")
    places = [f"{-37.82 + a:.6f},{144.95 + b:.6f}" for a, b in rng.uniform(0, 0.02, (30, 2))]
    (folder / USERS_FILE).write_text("\n".join(["Latitude,Longitude", *places]) + "\n")


def test_missing_data_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError) as caught:
        melbourne(data=tmp_path)
    message = str(caught.value)
    for part in (STATIONS_FILE, str(tmp_path), "(data)", "EUA Datasets", "swinedge/eua-dataset", "DTOPT_DATA"):
        assert part in message
    assert "\n" not in message
    monkeypatch.setenv("DTOPT_DATA", str(tmp_path / "gone"))
    with pytest.raises(InputError, match=r"gone \(DTOPT_DATA\)"):
        melbourne()
    made_up(tmp_path)
    (tmp_path / USERS_FILE).unlink()
    with pytest.raises(InputError, match=f"melbourne: {USERS_FILE} is neither"):
        melbourne(data=tmp_path)


def test_data_by_folder_parent_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up(tmp_path / "melbourne")
    inside, above = melbourne(data=tmp_path / "melbourne"), melbourne(data=str(tmp_path))
    monkeypatch.setenv("DTOPT_DATA", str(tmp_path))
    by_environment = melbourne()
    assert inside.content_hash == above.content_hash == by_environment.content_hash
    assert inside.name == "melbourne-30x9-s0"
    assert obvious_conflict(inside) is None


def test_subsets_and_more_users(tmp_path: Path) -> None:
    made_up(tmp_path)
    problem = melbourne(data=tmp_path, users=12, stations=4, seed=3)
    assert (problem.n_users, problem.n_stations) == (12, 4)
    assert problem.content_hash == melbourne(data=tmp_path, users=12, stations=4, seed=3).content_hash
    assert melbourne(data=tmp_path, users=70).n_users == 70
    west = melbourne(data=tmp_path, rectangle=(0, 0, 900, 3000))
    assert west.n_users < 30
    assert west.network.users.position_m is not None
    assert west.network.users.position_m[:, 0].max() <= 900
    assert isinstance(melbourne(data=tmp_path, kind="migration"), Migration)
    with pytest.raises(InputError, match="9 stations to choose from, 10 wanted"):
        melbourne(data=tmp_path, stations=10)


@needs_data
def test_the_real_one() -> None:
    problem = melbourne(data=DATA, seed=1)
    assert (problem.n_users, problem.n_stations, problem.name) == (816, 125, "melbourne-816x125-s1")
    stations = problem.network.stations
    assert stations.position_m is not None
    assert stations.names is not None
    assert len(set(stations.names)) == 125
    # The business district is about 2.0 km by 1.3 km.
    assert stations.position_m.max(axis=0) == pytest.approx([1997, 1317], abs=2)
    assert obvious_conflict(problem) is None
    assert melbourne(data=DATA, users=100, stations=20, sharing="fixed").n_users == 100
