"""Throw-away solvers, put into the registry by the tests that need one to behave in a certain way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from dtopt import registry

if TYPE_CHECKING:
    import pytest


def register(monkeypatch: pytest.MonkeyPatch, **functions: object) -> None:
    """Make `functions` the only registered solvers."""
    entries = {
        name: SimpleNamespace(name=name, load=lambda f=function: f, dist=None) for name, function in functions.items()
    }
    monkeypatch.setattr(registry, "_entries", lambda: entries)
