"""Online migration: policies that decide slot by slot, the simulator that runs them, and what came of it."""

from dtopt.simulation.forecast import FORECASTS, Forecast
from dtopt.simulation.observation import Observation, Past
from dtopt.simulation.policy import Decision, Policy, make_policy, policy_info, policy_names
from dtopt.simulation.simulate import simulate
from dtopt.simulation.trajectory import SlotOutcome, Trajectory, evaluate_trajectory

__all__ = [
    "FORECASTS",
    "Decision",
    "Forecast",
    "Observation",
    "Past",
    "Policy",
    "SlotOutcome",
    "Trajectory",
    "evaluate_trajectory",
    "make_policy",
    "policy_info",
    "policy_names",
    "simulate",
]
