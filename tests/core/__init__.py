"""Tests of the compiled core as such; its searches and bounds are tested beside their solvers."""
