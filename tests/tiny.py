"""Moved to `dtopt.testing.tiny`; kept for tests that still look here."""

from dtopt.testing.tiny import OBJECTIVES, SHARINGS, tiny_problem

__all__ = ["OBJECTIVES", "SHARINGS", "tiny_problem"]
