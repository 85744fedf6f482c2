"""An oracle for dtopt that is written from the equations: ``python -m tests.oracle``.

It shares no code with dtopt's evaluator, sharing policies, bounds or testing helpers.
"""
