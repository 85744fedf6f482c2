"""The methods: solvers of P1 and P2, online policies for P2 in time, and the clairvoyant that both are held against.

Solvers are one module or sub-package a method, all with the same ``solve(problem, *, time_limit, seed, ...)``, found by
the entry-point group ``dtopt.solvers``; use them through `dtopt.solve`. Policies (`solvers.policies`,
`solvers.policy_online`, `solvers.transfer`) are found by ``dtopt.policies``; use them through `dtopt.simulate`.
docs/architecture.md says what the other modules hold.
"""
