"""Mobile scenarios: mobility models, traces (CSV, Eclipse SUMO), and `generate.generate_scenario` over any preset."""
