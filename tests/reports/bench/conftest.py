"""Solvers that misbehave, for the runner."""

from __future__ import annotations

import pytest

from tests.misbehaving import installed


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the plug-in for this process and those that it starts."""
    with installed(tmp_path / "plugin", monkeypatch):
        yield tmp_path / "plugin"
