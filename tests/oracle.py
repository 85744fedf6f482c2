"""Moved to `dtopt.testing.oracle`; kept for tests that still look here."""

from dtopt.testing.oracle import brute_force

__all__ = ["brute_force"]
