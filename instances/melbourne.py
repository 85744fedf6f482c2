"""The `melbourne` preset: the Optus sites of Melbourne's business district, from the EUA data set.

The project carries none of the data. Cite: P. Lai et al., "Optimal Edge User Allocation in Edge Computing with Variable
Sized Vector Bin Packing", ICSOC 2018, pp. 230-245.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dtopt.errors import InputError
from dtopt.propagation import Propagation
from instances import constants
from instances.assembly import assemble, count
from instances.lists import from_points
from instances.tables import parse_rectangle, read_points

if TYPE_CHECKING:
    from dtopt.problem import Objective, Problem, Sharing
    from dtopt.propagation import Fading, PathLoss
    from instances.assembly import Kind
    from instances.tables import Rectangle

__all__ = ["data_directory", "melbourne"]

STATIONS_FILE, USERS_FILE = "site-optus-melbCBD.csv", "users-melbcbd-generated.csv"
#: Where the data set is published.
SOURCE = "the EUA Datasets, on GitHub: swinedge/eua-dataset"
#: Names the folder with the data.
VARIABLE = "DTOPT_DATA"


def melbourne(
    *,
    seed: int = 0,
    data: str | Path | None = None,
    users: int | None = None,
    stations: int | None = None,
    rectangle: str | Rectangle | None = None,
    sharing: Sharing = "optimal",
    objective: Objective = "system-cost",
    kind: Kind = "placement",
    path_loss: PathLoss = "umi",
    fading: Fading = "rician",
) -> Problem:
    """Return an instance on the 125 Optus sites and 816 users of Melbourne's business district.

    Parameters
    ----------
    data : str or Path, optional
        The folder of the two files (or the one above); else that of the environment variable ``DTOPT_DATA``, else
        ``../shared/data`` beside a checkout.
    users : int, optional
        So many users: a random subset; more than 816 are made up around random ones, see `instances.lists.from_points`.
    stations : int, optional
        So many sites, a random subset; all where not given.
    rectangle : str or tuple, optional
        West, south, east, north, m from the south-west corner of all sites, which span 2000 m x 1320 m.
    path_loss : PathLoss
        ``umi`` by default: the sites are about 150 m apart.

    Twins, CPUs and capacities are drawn as for ``paper``; see `instances.presets` for the other options.

    Raises
    ------
    InputError
        If the data is not there, with where it was looked for and where it is published.
    """
    folder = data_directory(data)
    scene = from_points(
        "melbourne",
        seed,
        read_points(folder / STATIONS_FILE),
        read_points(folder / USERS_FILE),
        channel=Propagation(path_loss, constants.CARRIER_GHZ, fading, seed=seed),
        rectangle=parse_rectangle(rectangle),
        n_stations=None if stations is None else count(stations, "stations"),
        n_users=None if users is None else count(users, "users"),
    )
    return assemble(scene, kind=kind, sharing=sharing, objective=objective)


def data_directory(data: str | Path | None = None) -> Path:
    """Return the folder with the two files; see `melbourne`."""
    if data is not None:
        base, origin = Path(data), "data"
    elif os.environ.get(VARIABLE):
        base, origin = Path(os.environ[VARIABLE]), VARIABLE
    else:
        base, origin = Path(__file__).resolve().parents[2] / "shared" / "data", "the default"
    missing = STATIONS_FILE
    for folder in (base, base / "melbourne"):
        absent = [name for name in (STATIONS_FILE, USERS_FILE) if not (folder / name).is_file()]
        if not absent:
            return folder
        if len(absent) == 1:
            missing = absent[0]
    raise InputError(
        f"{missing} is neither in {base} ({origin}) nor in its folder melbourne",
        where="melbourne",
        mend=f"get it from {SOURCE}, and give its folder as data or in {VARIABLE}",
    )
