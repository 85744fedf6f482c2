"""Moved to `dtopt.testing.moving`; kept for tests that still look here."""

from dtopt.testing.moving import best_of_all, moving, with_another_future

__all__ = ["best_of_all", "moving", "with_another_future"]
