"""The learned solvers' kernels: against plain twins, the same bits on every CPU, and what bindings refuse."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import dtopt
from dtopt.simulation import make_policy, simulate
from solvers import _core
from solvers.environments.decoding import open_servers
from solvers.environments.states import NetworkStates
from solvers.local_search.candidates import lists_of
from solvers.policy.forward import forward
from solvers.policy.graph import Graph
from solvers.policy.weights import load_weights, read_weights
from solvers.policy_online import bonus
from solvers.policy_online.network import load_weights as load_online
from solvers.policy_online.view import look
from solvers.transfer import DrlTransfer


@pytest.mark.parametrize(("rows", "inputs", "outputs"), [(1, 1, 1), (4, 7, 8), (5, 30, 17), (0, 3, 5), (9, 0, 2)])
def test_affine_maps_are_those_of_numpy(rows, inputs, outputs):
    rng = np.random.default_rng(rows)
    x, weight, bias = (rng.normal(size=s).astype(np.float32) for s in ((rows, inputs), (inputs, outputs), outputs))
    assert _core.affine(x, weight, bias) == pytest.approx(x @ weight + bias, abs=1e-5)


# --- the decoder of actions -------------------------------------------------------------------------------------------


def plain_decode(states, opened, bids, scores, marginal, score_weight):
    """Return what `ActionDecoder` makes of one state's actions, in plain Python."""
    m, cycles, cpu, weight = states.n_stations, states.cycles[0], states.cpu[0], states.weight[0]
    transfer, floor = states.transfer[0], states.floor[0]
    unit = score_weight * weight * transfer[np.isfinite(transfer)].mean()
    opened, users = opened.copy(), [[] for _ in range(m)]

    def compute(i, group):
        """What the users of a group, all on one server, take to compute, s, times its CPU."""
        if states.sharing == "optimal":
            return sum(np.sqrt(cycles[j]) for j in group) ** 2
        return len(group) * sum(cycles[j] for j in group)

    def value(i, k):
        """What user i on server k is worth; None where it must not be there."""
        group = [*users[k], i]
        if not states.allowed[0, i, k] or len(group) > states.capacity[0, k]:
            return None
        floors = [floor[j, k] for j in group]
        if (len(group) * max(floors) if states.sharing == "equal" else sum(floors)) > cpu[k]:
            return None
        if not marginal:
            return scores[i, k]
        more = (
            compute(i, group) - compute(i, users[k]) if states.sharing != "fixed" else states.compute[0, i, k] * cpu[k]
        )
        return unit * scores[i, k] - weight * (transfer[i, k] + more / cpu[k])

    association = np.full(states.n_users, -1)
    for i in np.argsort(-cycles, kind="stable").tolist():
        worth = {k: value(i, k) for k in range(m)}
        able = [k for k in range(m) if opened[k] and worth[k] is not None]
        if not able and opened.sum() < states.max_open:
            able = [k for k in np.argsort(-bids, kind="stable").tolist() if not opened[k] and worth[k] is not None][:1]
        if able:
            association[i] = k = max(able, key=lambda k: worth[k])
            opened[k] = True
            users[k].append(i)
    return association


@pytest.mark.parametrize("sharing", ["optimal", "equal", "fixed"])
@pytest.mark.parametrize("preset", ["tight-deadline", "tight-capacity"])
@pytest.mark.parametrize("marginal", [True, False])
def test_actions_are_decoded_as_by_a_plain_twin(preset, sharing, marginal):
    rng = np.random.default_rng(1)
    for seed in range(4):
        states = NetworkStates.of([dtopt.generate(preset, users=15, stations=5, seed=seed, sharing=sharing)])
        bids, scores = rng.uniform(-1, 0.4, (1, 5)), rng.uniform(-1, 1, (15, 5))
        opened = open_servers(bids, states.max_open)[0]
        found = states.decoders[0].decode(opened, bids[0], scores, marginal, 0.1)
        assert found.tolist() == plain_decode(states, opened, bids[0], scores, marginal, 0.1).tolist()


# --- the same on every CPU --------------------------------------------------------------------------------------------


def answers():
    """Return a hash of all that the kernels decide by, of a placement and of some slots."""
    found = hashlib.sha256()
    for width in (None, 4):
        lists = lists_of(dtopt.generate("tight-deadline", seed=1, users=60, stations=9), width=width)
        for array in forward(load_weights(), Graph.of(lists)):
            found.update(array.tobytes())

    class Watching(DrlTransfer):
        def decide(self, observation):
            view = look(observation)
            for array in (view.shown, bonus(view, load_online())):
                found.update(np.ascontiguousarray(array).tobytes())
            decision = super().decide(observation)
            found.update(self._learners[0].model.tobytes())
            return decision

    scenario = dtopt.generate_scenario("paper", seed=3, users=20, stations=5, slots=5, interaction="construction")
    simulate(scenario, Watching())
    return found.hexdigest()


def test_bits_do_not_depend_on_the_cpu():
    from tests.instances.test_bits import GLIBC, features

    plain = {"DTOPT_CPU": "baseline", "NPY_DISABLE_CPU_FEATURES": " ".join(features()), "GLIBC_TUNABLES": GLIBC}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.solvers.test_learning_kernels"],
        env=dict(os.environ) | plain,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == answers()


def test_a_seed_gives_the_same_answer_again():
    scenario = dtopt.generate_scenario("paper", seed=3, users=15, stations=4, slots=4)
    for name in ("policy-online", "drl-transfer"):
        first, second = (simulate(scenario, make_policy(name)) for _ in range(2))
        assert all(np.array_equal(a, b) for a, b in zip(first.associations, second.associations, strict=True))


# --- what is refused --------------------------------------------------------------------------------------------------


def refuses(function, right, wrong):
    """Require that a call works as it is, and raises with each of the wrong arguments in the place of the right one."""
    function(*right)
    for at, value in wrong:
        with pytest.raises((TypeError, ValueError)):
            function(*(value if j == at else given for j, given in enumerate(right)))


def test_layers_refuse_what_does_not_fit():
    f = np.float32
    right = np.ones((3, 2), f), np.ones((2, 4), f), np.ones(4, f)
    wrong = [(0, np.ones((3, 2))), (0, np.ones((3, 3), f)), (1, np.ones((4, 2), f).T), (2, np.ones(3, f)), (2, None)]
    refuses(_core.affine, right, wrong)


def test_the_placement_network_refuses_what_does_not_fit():
    weights = list(read_weights())
    # The number of features of an instance, the last axis of the ninth, may be another: `load_weights` looks at it.
    wrong = [(at, array[..., :-1].copy()) for at, array in enumerate(weights) if at != 8]
    wrong += [(at, np.full_like(array, np.nan)) for at, array in enumerate(weights)]
    wrong += [(0, weights[0].astype(np.float64)), (1, weights[1][::-1])]
    refuses(_core.GraphNetwork, weights, wrong)
    g = Graph.of(lists_of(dtopt.generate("paper", seed=1, users=6, stations=3)))
    right = (g.station, g.gap, g.part, g.size, g.server, g.cpu, g.shared, g.crowd)
    outside, missing, bad = g.station.copy(), g.station.copy(), g.gap.copy()
    outside[0, 0], missing[0, 0], bad[1, 1] = 3, -1, np.nan
    refuses(
        load_weights().forward,
        right,
        [
            (0, outside),
            (0, missing),
            (0, g.station.astype(np.int64)),
            (1, bad),
            (1, g.gap[:, :2].copy()),
            (2, g.part.T),
            (3, g.size[:-1]),
            (4, g.server[:, :3].copy()),
            (5, g.cpu[:-1]),
            (6, g.shared[:-1]),
            (7, 0.0),
        ],
    )


def test_the_decoder_of_actions_refuses_what_does_not_fit():
    pairs, flags, ones = np.ones((3, 2)), np.ones((3, 2), dtype=bool), np.ones(2)
    right = (pairs, pairs, pairs, flags, np.ones(3), ones, np.ones(2, dtype=np.int64), 1.0, _core.Sharing.FIXED, 2)
    wrong = [(at, np.ones((2, 2))) for at in range(3)] + [(at, np.ones((3, 2), order="F")) for at in range(3)]
    wrong += [(0, pairs * np.nan), (3, flags[:2]), (3, pairs), (4, np.ones((3, 1))), (6, ones), (8, 7)]
    refuses(_core.ActionDecoder, right, wrong)
    decoder = _core.ActionDecoder(*right)
    wrong = [(0, flags[:, 0]), (0, ones), (1, np.ones(3)), (1, ones * np.nan), (2, pairs.T), (2, pairs[:2])]
    refuses(decoder.decode, (flags[0], ones, pairs, True, 0.1), wrong)


def test_twin_models_refuse_what_does_not_fit():
    models, states, gain = np.ones((2, 24)), np.ones((2, 3, 2)), np.ones((2, 3, 3))
    chosen = np.array([[0, -1], [1, 1]])
    refuses(_core.model_values, (models, states, 6), [(0, np.ones((2, 23))), (1, states[:1]), (1, gain), (2, 5)])
    wrong = [(1, chosen + 1), (1, chosen[:1]), (1, chosen.astype(np.int32)), (2, states[:1]), (3, gain), (4, states)]
    refuses(_core.model_gradients, (models, chosen, states, states, gain, 0.9, 6), wrong)


if __name__ == "__main__":
    print(answers())
