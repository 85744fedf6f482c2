"""The solvers: one module or sub-package a method, all with the same ``solve(problem, *, time_limit, seed, ...)``.

They are found by the entry-point group ``dtopt.solvers``; use them through `dtopt.solve`.
"""
