"""Instances: generated presets, the Melbourne data set, any operator's CSV lists, and generalized-assignment files.

The presets are found by the entry-point group ``dtopt.presets``; use them through `dtopt.generate`.
`instances.mobility` sets them in motion, for `dtopt.generate_scenario`; `instances.suites` names sets of them, with
their best-known values.
"""
