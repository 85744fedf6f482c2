"""The constants of generated scenarios, each with its source or reason; those of the scene: `instances.constants`."""

from __future__ import annotations

# --- Slots ------------------------------------------------------------------------------------------------------------

#: Length of a slot, s: long enough for a move of a twin (under a second), short enough that a car (70 m a slot) does
#: not skip a cell.
SLOT_S = 5.0
#: Weight of the time to move a twin: in full, in the slot it is moved in. In one P2 alone it is spread over the slots
#: to come (`instances.constants.MIGRATION_WEIGHT`); here those slots are there.
MIGRATION_WEIGHT = 1.0

# --- Speeds -----------------------------------------------------------------------------------------------------------

#: Speed of walkers, m/s: mean 1.34, standard deviation 0.26 (Weidmann 1993, Transporttechnik der Fussgänger), cut at
#: two deviations.
WALKING_M_S = (0.82, 1.86)
#: Speed of vehicles in town, m/s: 20 km/h in traffic to the limit of 50 km/h.
DRIVING_M_S = (5.6, 13.9)
#: Part of the users in vehicles.
VEHICLE_SHARE = 0.5

# --- Random waypoint (Johnson and Maltz 1996; Camp, Boleng and Davies 2002) -------------------------------------------

#: Longest stay at a waypoint, drawn uniformly, s: a red light, a shop window.
LONGEST_PAUSE_S = 60.0

# --- Gauss-Markov (Liang and Haas 1999) -------------------------------------------------------------------------------

#: Time in which a user's velocity decorrelates to 1/e, s: about one block in a car.
VELOCITY_MEMORY_S = 20.0
#: Standard deviation of each component of the velocity around its mean, as a part of the user's mean speed.
VELOCITY_SPREAD = 0.35

# --- Street grid (the Manhattan model of ETSI TR 101 112 / UMTS 30.03, annex B) ---------------------------------------

#: Probability of turning, left or right alike, at a corner; the rest goes straight on.
TURN_PROBABILITY = 0.5

# --- Coming and going -------------------------------------------------------------------------------------------------

#: Mean time that a user stays, and stays away, s: a session of five minutes; one user in six is absent.
STAY_S, AWAY_S = 300.0, 60.0

# --- What is free for twins -------------------------------------------------------------------------------------------

#: Free part of a server's CPU: the rest serves others. Neighbouring levels, so that the load goes up and down in steps.
CPU_LEVELS = (0.5, 0.625, 0.75, 0.875, 1.0)
#: Probability that a server's level changes within `LEVEL_SLOT_S`.
CPU_CHANGE = 0.2
#: Free part of the band, and the probability that it changes: other traffic comes and goes in the whole town at once.
BAND_LEVELS = (0.6, 0.8, 1.0)
BAND_CHANGE = 0.1
#: The time that the probabilities are for, s; longer slots change more.
LEVEL_SLOT_S = 5.0

# --- Radio ------------------------------------------------------------------------------------------------------------

#: Time in which fading decorrelates to 1/e, s. Ripples of a wavelength pass in milliseconds and average out within a
#: slot; what a slot's one value stands for is the scattering of the place around, which changes with the traffic there:
#: a few slots, so that a method may gain by waiting.
FADING_COHERENCE_S = 10.0

# --- Traces -----------------------------------------------------------------------------------------------------------

#: The trace that comes with the package, made by `instances.mobility.make_sumo_trace`.
SHIPPED_TRACE = "town_centre.csv.gz"
