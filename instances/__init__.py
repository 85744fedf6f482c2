"""Instances: generated presets, the Melbourne data set, any operator's CSV lists, and generalized-assignment files.

The presets are found by the entry-point group ``dtopt.presets``; use them through `dtopt.generate`.
"""
