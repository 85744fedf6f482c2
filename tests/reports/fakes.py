"""Throw-away solvers, put into the registry by the tests that need one to behave in a certain way."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dtopt import registry


def register(monkeypatch: pytest.MonkeyPatch, **functions: object) -> None:
    """Make `functions` the only registered solvers."""
    entries = {
        name: SimpleNamespace(name=name, load=lambda f=function: f, dist=None) for name, function in functions.items()
    }
    monkeypatch.setattr(registry, "_entries", lambda: entries)
