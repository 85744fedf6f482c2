"""The shipped suites, one JSON file each; `benchmarks/suites.py` makes them."""
