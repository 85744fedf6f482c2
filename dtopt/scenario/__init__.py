"""P2 in time: a mobile network in slots, each a `Migration` problem once the association before it is known."""

from dtopt.scenario.processes import MarkovChain
from dtopt.scenario.radio import ModelledRadio, Radio, RecordedGains, Walk
from dtopt.scenario.scenario import Scenario

__all__ = ["MarkovChain", "ModelledRadio", "Radio", "RecordedGains", "Scenario", "Walk"]
