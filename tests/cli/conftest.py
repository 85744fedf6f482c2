"""What the tests of the command line share."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from dtopt.cli import main
from dtopt.io import write
from tests.mutations import good_problem


@pytest.fixture
def dtopt(monkeypatch, capsys):
    """Return a function that runs the command line and gives exit code, stdout and stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dtopt", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return run


@pytest.fixture
def instance(tmp_path):
    path = tmp_path / "tiny.json"
    write(replace(good_problem(), name="tiny"), path)
    return path
