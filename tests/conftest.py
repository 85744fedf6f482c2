"""What every test starts from."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _interruptible():
    """Take Ctrl-C as a program at a terminal does: a shell starts background jobs deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
