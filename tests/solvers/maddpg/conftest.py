"""PyTorch in one thread: the networks are small, and threads that wait for each other make tests take minutes."""

from __future__ import annotations

import pytest

from solvers import learning


@pytest.fixture(autouse=True)
def one_thread():
    with learning.one_thread():
        yield
