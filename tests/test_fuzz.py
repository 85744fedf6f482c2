"""Every reader, on valid files mutated at random: one `DtoptError`, or a file that can be used, and nothing else."""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dtopt
from dtopt.errors import InputError
from solvers.learning import load_checkpoint
from solvers.policy.weights import SHIPPED, load_weights
from tests.fuzzing import attack, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fuzzing import Target

NAMES = (
    *(f"{name}{suffix}" for suffix in (".json", ".npz") for name in ("placement", "migration", "fixed", "modelled")),
    *("solution.json", "solution.npz", "recorded.npz", "drawn.npz", "stations.csv", "users.csv", "trace.csv"),
    *("trace.csv.gz", "fcd.xml", "gap.txt", "weights.npz", "config.toml", "checkpoint.pt", "journal"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return {target.name: target for target in targets(tmp_path_factory.mktemp("good"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutated")


def test_every_kind_of_file_is_here_and_the_good_ones_are_read(files: dict[str, Target], folder: Path) -> None:
    assert sorted(files) == sorted(NAMES)
    for target in files.values():
        (folder / target.name).write_bytes(target.content)
        target.read(folder / target.name)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mutated_file_is_one_line_or_can_be_used(
    name: str, seed: int, files: dict[str, Target], folder: Path
) -> None:
    assert attack(files[name], seed, folder) is None


RAN: list[bool] = []


def _runs() -> None:
    RAN.append(True)


class Danger:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _runs, ()


@pytest.mark.parametrize("read", [dtopt.read, dtopt.read_scenario, dtopt.read_solution, load_weights, load_checkpoint])
def test_no_file_can_run_code(read: Callable[[Path], object], tmp_path: Path) -> None:
    RAN.clear()
    pickle.loads(pickle.dumps(Danger()))
    assert RAN, "the file would be harmless"
    RAN.clear()
    packed = tmp_path / "danger.npz"
    arrays = dict(np.load(SHIPPED).items()) if read is load_weights else {}
    np.savez(packed, allow_pickle=True, **arrays | {"header": np.array([Danger()], dtype=object)})
    if read is load_weights:
        np.savez(packed, allow_pickle=True, **arrays | {"begin_bias": np.array([Danger()], dtype=object)})
    bare = tmp_path / "bare.npz"
    bare.write_bytes(pickle.dumps(Danger()))
    nested = tmp_path / "nested.npz"
    with zipfile.ZipFile(nested, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Danger()))
        archive.writestr("archive/version", "3")
    for path in (packed, bare, nested):
        with pytest.raises(InputError):
            read(path)
    assert not RAN
