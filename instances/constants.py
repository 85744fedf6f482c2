"""The constants of the generated instances, each with its source or its reason.

What Table II of the paper gives is taken from there. It gives no value for the others: those were chosen so that radio,
wires, CPUs and the opening of servers all matter, which `benchmarks/calibration.py` measures (table in
docs/instances.md). No solver had a part in it.
"""

from __future__ import annotations

# --- Table II and Section VI of the paper -----------------------------------------------------------------------------

#: Side of the square area, m.
AREA_M = 1500.0
#: W, Hz.
BANDWIDTH_HZ = 20e6
#: N0, dBm/Hz.
NOISE_DBM_PER_HZ = -174.0
#: p_i, W.
TX_POWER_W = 0.2
#: F_k, drawn uniformly, Hz.
CPU_RANGE_HZ = (8e9, 24e9)

# --- Radio and wires --------------------------------------------------------------------------------------------------

#: Carrier frequency, GHz: the 2 GHz that 3GPP evaluates urban macro cells at, and that the simple path loss is fitted
#: for. At 3.5 GHz users between five stations take so long that the radio drowns everything else.
CARRIER_GHZ = 2.0
#: A new station is the one farthest from the others among so many uniform draws: operators keep sites apart, and
#: purely uniform sites leave users with transfers of half a minute.
SITE_CANDIDATES = 10
#: φ, s/(bit·m): store and forward over a shared backhaul, in which a twin's slice carries 20 Mbit/s over 500 m. A few
#: hundred metres of wire then weigh as much as the radio.
BACKHAUL_S_PER_BIT_M = 1e-10

# --- Twins ------------------------------------------------------------------------------------------------------------

#: D_i, drawn uniformly, bit: 0.5 to 1.5 megabyte of history, some minutes of a phone's sensor log.
DATA_RANGE_BITS = (4e6, 12e6)
#: ΔD_i as a part of D_i, drawn uniformly: an update is the newest slice of the same log.
UPDATE_SHARE_RANGE = (0.05, 0.15)
#: Δt, s: one update a second.
UPDATE_PERIOD_S = 1.0
#: η: synchronising counts as much as constructing.
SYNC_WEIGHT = 1.0
#: κ, cycles/bit: parsing and filtering a log, the light end of what edge tasks take (10 to 1000). A hundred users
#: share ten CPUs here, and a larger κ would leave only the CPUs to optimise.
CYCLES_PER_BIT = 15.0

# --- Servers and objective --------------------------------------------------------------------------------------------

#: N_k is this many times the share of users that fits the station's part of all CPUs: memory is bought with CPUs, and a
#: third of the stations could keep everyone.
CAPACITY_SLACK = 3.0
#: α: the objective is in seconds of mean latency.
LATENCY_WEIGHT = 1.0
#: β_c: one joule, spent by all users together, is worth 10 ms of mean latency, so that E, which no decision changes,
#: stays a few per cent of the objective.
COST_WEIGHT = 0.01
#: ϕ·M: running every station as a server is worth 1.4 s of mean latency (times β_c). It is the same for all M, one
#: operator's budget spread over its sites, since what the m-th server saves falls as M grows. Roughly half of five
#: servers, and a third of ten, then pay for themselves.
ALL_SERVERS_COST = 140.0
#: ϕ of ``costly-servers``, in multiples of the above: one or two servers carry everything.
COSTLY_FACTOR = 4.0

# --- Deadlines --------------------------------------------------------------------------------------------------------

#: τ_i of P1, drawn uniformly, s: a twin is ready within some seconds. Loose.
DEADLINE_RANGE_S = (2.0, 4.0)
#: τ_i of P2, drawn uniformly, s: an update arrives before the next one is due. Loose.
UPDATE_DEADLINE_RANGE_S = (0.5, 1.0)
#: No deadline is closer to the latency in the reference association than by this part of it (drawn uniformly), so that
#: users with bad links never make an instance infeasible.
LOOSE_SLACK_RANGE = (1.0, 2.0)
#: The same for ``tight-deadline``, whose deadlines are these latencies plus the slack and nothing else.
TIGHT_SLACK_RANGE = (0.005, 0.05)
#: ``tight-deadline``: spread of the CPU shares behind the deadlines, see `instances.assembly.Deadlines`.
TIGHT_SHARE_SPREAD = 0.3

# --- Fixed sharing ----------------------------------------------------------------------------------------------------

#: The twins' demands together, as a part of all CPUs.
FIXED_LOAD = 0.75
#: ``tight-capacity``: users as a part of all places (and demands of all CPUs).
TIGHT_LOAD = 0.99
#: ``correlated``: with average demands an even split would fill the servers to 1 / 0.8, as in GAP types D and E (Chu
#: and Beasley 1997, Yagiura et al. 2004: capacity 0.8 Σ_i w_ik / M).
CORRELATED_TIGHTNESS = 0.8
#: ``correlated``: φ times this, so that computing, which the demand decides, makes up most of a pair's cost.
CORRELATED_BACKHAUL_FACTOR = 0.1

# --- P2 ---------------------------------------------------------------------------------------------------------------

#: How far a user has moved since the previous slot at most, m: ten seconds of city traffic.
STEP_M = 150.0
#: Weight of the time to move a twin in one slot's latency: a twin stays for about twenty slots before it moves again,
#: and the move is spread over them. With 1 no twin would ever move for the sake of one slot, since D_i is ten to twenty
#: updates.
MIGRATION_WEIGHT = 0.05

# --- Large ------------------------------------------------------------------------------------------------------------

#: Stations in a user's candidate list, the nearest. For one user in twenty (city: one in eighty) one farther off would
#: be stronger, by a line of sight along a kilometre or more; an operator's neighbour list leaves those out as well.
RADIO_CANDIDATES = 16

# --- City -------------------------------------------------------------------------------------------------------------

#: Distance between parallel streets, m: a European or Australian city block.
BLOCK_M = 125.0
#: One station in five is a macro cell.
MACRO_SHARE = 0.2
#: F_k of small cells, drawn uniformly, Hz: a cabinet's server next to the macro site's rack.
SMALL_CPU_RANGE_HZ = (4e9, 10e9)
#: One hot spot (a square, a station) for so many small cells.
SMALL_CELLS_PER_HOT_SPOT = 4
#: Part of the users near hot spots; the others are spread over all streets.
HOT_SHARE = 0.7
#: Spread of a hot spot, m.
HOT_SPREAD_M = 120.0
#: Up to this many pairs a city's gains are written as a full matrix.
MATRIX_PAIRS = 50_000
