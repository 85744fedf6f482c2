"""Algorithms 2 and 3: models, what moves with them, (32) to (34), bytes, and runs that go on after a kill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dtopt
from dtopt.errors import InputError
from dtopt.evaluation import evaluate
from dtopt.io import read, write
from dtopt.simulation import make_policy, simulate
from dtopt.solution import Solution
from dtopt.testing.moving import moving
from solvers._core import model_gradients, model_values
from solvers.policies.simple import choose
from solvers.policies.slot_search import slot_view
from solvers.transfer.learner import INPUTS, Learner, Options, Slot
from solvers.transfer.models import adam, parameters, random_models
from solvers.transfer.source import load_source
from solvers.transfer.training import Config, train

HIDDEN = 5
NAMES = ("drl-transfer", "drl-scratch", "drl-frozen")


def plain_value(model: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Return what `model_values` says of one user, in NumPy."""
    inputs = state.shape[1]
    first, rest = model[: HIDDEN * inputs].reshape(inputs, HIDDEN), model[HIDDEN * inputs :]
    total = state @ first + rest[:HIDDEN]
    out = (total / (1 + abs(total))) @ rest[HIDDEN:]
    return np.asarray(out - out.mean())


def test_gradients_are_those_of_the_squared_error() -> None:
    rng = np.random.default_rng(0)
    models = random_models(rng, 2, INPUTS, HIDDEN)
    assert models.shape == (2, parameters(INPUTS, HIDDEN))
    before, after = rng.normal(size=(2, 6, 3, INPUTS))
    gain, chosen = rng.normal(size=(6, 3, 3)), np.array([[0, 2, 5], [1, -1, 4]])
    assert model_values(models, before[:2], HIDDEN)[1] == pytest.approx(plain_value(models[1], before[1]))
    slope, error = model_gradients(models, chosen, before, after, gain, 0.7, HIDDEN)
    for i in range(2):
        samples = [r for r in chosen[i] if r >= 0]
        target = {r: (gain[r] + 0.7 * plain_value(models[i], after[r])).max(axis=1) for r in samples}

        def loss(model: np.ndarray, samples=samples, target=target) -> float:
            wrong = [plain_value(model, before[r]) - target[r] + target[r].mean() for r in samples]
            return float(np.mean([(w**2).sum() for w in wrong]))

        assert error[i] == pytest.approx(loss(models[i]))
        for p in rng.integers(0, models.shape[1], 12).tolist():
            step = np.zeros(models.shape[1])
            step[p] = 1e-6
            wanted = (loss(models[i] + step) - loss(models[i] - step)) / 2e-6
            assert slope[i, p] == pytest.approx(wanted, abs=1e-6)


def test_steps_are_those_of_adam() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    models, slopes = rng.normal(size=(1, 7)), 0.1 * rng.normal(size=(4, 1, 7))
    theirs = torch.tensor(models.copy(), requires_grad=True)
    optimiser = torch.optim.Adam([theirs], lr=0.01)
    first, second, steps = np.zeros((1, 7)), np.zeros((1, 7)), np.zeros(1, dtype=np.int64)
    for slope in slopes:
        adam(models, slope, first, second, steps, 0.01)
        theirs.grad = torch.tensor(slope)
        optimiser.step()
    assert models == pytest.approx(theirs.detach().numpy(), abs=1e-9)


def learner(**options) -> Learner:
    """Return three users on three servers: users 0 and 1 on server 0, 2 on server 1; two slots seen."""
    made = Learner(Options(hidden=HIDDEN, updates=0, **options), 3, 3, source=None, transfers=True, seed=3)
    users = np.arange(3)
    rng = np.random.default_rng(8)
    for slot in range(2):
        state = rng.normal(size=(3, 3, INPUTS))
        made.experience(Slot(users, state, np.ones((3, 3)), np.ones(3), np.ones((3, 3)), np.ones(3), 0.5, 0.0))
        made.migrate(users, np.array([0, 0, 1]))
        assert made.slot == slot + 1
    return made


@pytest.mark.parametrize(
    ("weights", "wanted"), [("recency", (1 / 3, 2 / 3)), ("uniform", (0.5, 0.5)), ("dwell", (2 / 3, 1 / 3))]
)
def test_models_are_aggregated_along_the_trajectory(weights: str, wanted: tuple[float, float]) -> None:
    made = learner(weights=weights)
    first = made.model[0].copy()
    made.migrate(np.arange(3), np.array([1, 0, 1]))
    assert made.model[0] == pytest.approx(first)  # there is one point so far
    made.model[0] += 1.0
    second = made.model[0].copy()
    made.migrate(np.arange(3), np.array([2, 0, 1]))
    assert made.model[0] == pytest.approx(wanted[0] * first + wanted[1] * second)
    off = learner(weights=weights, aggregate=False)
    off.migrate(np.arange(3), np.array([1, 0, 1]))
    off.model[0] += 1.0
    off.migrate(np.arange(3), np.array([2, 0, 1]))
    assert off.model[0] == pytest.approx(second)


@pytest.mark.parametrize("merge", [True, False])
def test_experience_goes_along(merge: bool) -> None:
    made = learner(merge=merge)
    own = made.owner == 0
    assert own.sum() == 1
    assert made.held[own].tolist() == [[True, False, False]]
    made.migrate(np.arange(3), np.array([1, 0, 1]))
    assert made.held[own].tolist() == [[True, merge, False]]
    # Who leaves takes the twin away, and nothing is left to carry.
    made.migrate(np.array([1, 2]), np.array([0, 1]))
    assert made.server.tolist() == [-1, 0, 1]
    assert not (made.owner == 0).any()


def test_fine_tuning_is_drawn_to_the_source() -> None:
    for mixing, kept in (("convex", 0.9), ("printed", 1.0)):
        made, free = (learner(mixing=mixing, rho=0.1, fine_tune=on) for on in (True, False))
        origin = made.origin.copy()
        for one in (made, free):
            one.iterate(np.random.default_rng(0))
        assert not np.allclose(free.model, origin)
        assert made.model == pytest.approx(kept * free.model + 0.1 * origin)


def test_scratch_begins_anew_and_frozen_never_changes() -> None:
    scratch = Learner(Options(hidden=HIDDEN), 3, 3, source=None, transfers=False, seed=3)
    scratch.migrate(np.arange(3), np.array([0, 0, 1]))
    before = scratch.model.copy()
    scratch.migrate(np.arange(3), np.array([1, 0, 1]))
    assert not np.allclose(scratch.model[0], before[0])
    assert np.array_equal(scratch.model[1:], before[1:])
    policy, scenario = make_policy("drl-frozen"), moving(2, users=5, slots=5)
    simulate(scenario, policy)
    model = policy._learners[0].model
    assert np.allclose(model, model[:1])


def test_bytes_that_go_along_are_counted_by_the_evaluator(tmp_path) -> None:
    scenario = moving(0, users=4, slots=2, weight=1.0)
    plain = scenario.problem(1, np.where(scenario.present[0], 0, -1))
    heavy = replace(plain, companion_bits=1e6)
    moved = Solution(np.full(plain.n_users, 1))
    one, other = evaluate(plain, moved), evaluate(heavy, moved)
    count = one.terms.migrations
    assert count > 0
    assert other.terms.moved_bits == pytest.approx(one.terms.moved_bits + 1e6 * count)
    wire = plain.network.backhaul_s_per_bit_m * plain.network.station_distance(np.array([0]), np.array([1]))[0]
    assert (other.latency_s - one.latency_s).sum() == pytest.approx(1e6 * wire * count)
    assert heavy.content_hash != plain.content_hash
    assert replace(heavy, companion_bits=0.0).content_hash == plain.content_hash
    write(heavy, tmp_path / "heavy.json")
    assert read(tmp_path / "heavy.json").content_hash == heavy.content_hash
    policy, without = make_policy("drl-transfer"), make_policy("drl-transfer", count_bytes=False)
    assert policy.companion_bits(plain) > make_policy("drl-transfer", merge=False).companion_bits(plain) > 0
    assert without.companion_bits(plain) == 0.0


def test_algorithm_3_takes_what_comes_later_into_account() -> None:
    problem = moving(3, users=4, slots=1, capacities=False).problem(0)
    arrays, servers = slot_view(problem)
    wish = np.arange(problem.n_users) % servers.size
    bonus = np.zeros(arrays.slack.shape)
    bonus[np.arange(problem.n_users), wish] = 1e6
    assert choose(problem, arrays.with_bonus(bonus), servers).tolist() == servers[wish].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_resumed_run_is_the_same(name: str, tmp_path) -> None:
    scenario = moving(4, users=6, stations=3, slots=6)
    whole = simulate(scenario, name)
    simulate(scenario, name, journal=tmp_path / "j", slots=3)
    resumed = simulate(scenario, name, journal=tmp_path / "j", resume=True)
    assert all(np.array_equal(a, b) for a, b in zip(whole.associations, resumed.associations, strict=True))
    assert resumed.objective == pytest.approx(whole.objective, rel=1e-12)


def test_training_of_the_source_goes_on_exactly_and_learns(tmp_path) -> None:
    config = Config(scenarios=3, users=(8, 10), slots=8, hidden=4, steps=30, batch=32)
    whole = load_source(train(config, tmp_path / "whole"), 4)

    class Killed(BaseException):
        pass

    def kill(step: int, steps: int, row: dict[str, float]) -> None:
        if step == 2:
            raise Killed

    with pytest.raises(Killed):
        train(config, tmp_path / "cut", on_step=kill)
    assert np.array_equal(whole, load_source(train(config, tmp_path / "cut", resume=True), 4))
    # More steps on the same scenario leave less error, on the mean of all steps too.
    errors = []
    for steps in (5, 200):
        few = Config(**config.model_dump() | {"scenarios": 1, "steps": steps})
        train(few, tmp_path / str(steps), on_step=lambda *row: errors.append(row[2]["error"]))
    assert errors[1] < 0.8 * errors[0]
    with pytest.raises(InputError, match="width"):
        load_source(tmp_path / "whole" / "drl-transfer.npz", 9)


def test_learning_pays_where_moves_cost() -> None:
    scenario = dtopt.generate_scenario("paper", seed=11, users=30, slots=25, interaction="construction")
    assert simulate(scenario, "drl-transfer").objective > simulate(scenario, "greedy-utility").objective


def test_bad_options_are_told() -> None:
    for options in ({"rho": 2.0}, {"weights": "none"}, {"batch": 0}, {"selection": "best"}, {"source": "missing.npz"}):
        with pytest.raises(InputError):
            make_policy("drl-transfer", **options)
