"""Suites: named sets of instances with their best-known values and proven bounds.

``paper``, ``city``, ``melbourne`` (a recipe over data that the user has), ``hard``, ``large`` and ``mobility`` come
with the package; others plug in by the entry-point group ``dtopt.suites`` or are files of the same form. No instance
is stored: each is made again by its recipe, and its content hash says whether it is the same.
"""

from instances.suites.recipes import problem_of
from instances.suites.suite import Entry, Known, Suite, load_suite, read_suite, select, suite_names, write_suite

__all__ = ["Entry", "Known", "Suite", "load_suite", "problem_of", "read_suite", "select", "suite_names", "write_suite"]
