"""What the rows of the learned formulas say beyond their numbers (61 to 70, 91 to 100)."""

from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.core.agents import DeepQ, Policy, q_update, sarsa_update, td_update
from livetrading.core.nets import Autoencoder, Draws, Net, OnlineNet, descended
from livetrading.formulas.checks.machine_learning.nets import NETS
from livetrading.formulas.checks.machine_learning.search import averages
from livetrading.formulas.checks.machine_learning.slow import rows
from livetrading.formulas.checks.markets import market
from livetrading.formulas.errors import FormulaError
from livetrading.formulas.libraries import installed
from livetrading.formulas.machine_learning.features import HitRate, features, labels, up_down, z_scores
from livetrading.formulas.machine_learning.search import genetic_minimise, rule, swarm_minimise
from livetrading.formulas.machine_learning.weights import generator, initial, logit, words_of
from livetrading.formulas.registry import FORMULA_REGISTRY, create, run

ONLINE = sorted(NETS)
COMPILED = [*range(61, 71), *range(91, 99)]
WAITS = {62: 1, 63: 20, 64: 20, 65: 20, 66: 20, 67: 32, 70: 1}
"""Observations that the nets of the rows look at."""


class TestGenerator:
    @given(seed=st.integers(0, 2**64), calls=st.lists(st.integers(0, 4), max_size=60))
    def test_draws_as_numpy_draws(self, seed: int, calls: list[int]) -> None:
        rng = np.random.default_rng(seed)
        draws = Draws(words_of(rng))
        for call in calls:
            if call == 0:
                assert draws.random() == rng.random()
            elif call == 1:
                assert draws.standard_normal() == rng.standard_normal()
            else:
                n = (1, 3, 3_000_000_001)[call - 2]
                assert draws.integers(n) == rng.integers(n)
        assert draws.words == words_of(rng)

    def test_draws_the_tails_of_the_normal(self) -> None:
        rng = np.random.default_rng(11)
        draws = Draws(words_of(rng))
        z = rng.standard_normal(50_000)
        assert np.abs(z).max() > 3.66, "the base strip must be left"
        assert [draws.standard_normal() for _ in range(50_000)] == z.tolist()

    def test_draws_batches_as_numpy_does(self) -> None:
        rng = np.random.default_rng(4)
        draws = Draws(words_of(rng))
        assert [draws.integers(777) for _ in range(16)] == rng.integers(0, 777, 16).tolist()


class TestFeatures:
    @given(power=st.integers(-60, 60))
    def test_do_not_know_the_unit_of_price(self, power: int) -> None:
        made = rows(60)
        scaled = made["price"] * 2.0**power
        x, other = features(**made), features(scaled, made["volume"], made["side"])
        assert np.array_equal(x[:, 5:], other[:, 5:], equal_nan=True)
        assert np.allclose(x, other, rtol=1e-12, atol=0, equal_nan=True)

    @pytest.mark.parametrize("price", [1e300, 1.7e308, 1e-8, 5e-324])
    def test_are_finite_for_every_price(self, price: float) -> None:
        made = rows(60)
        made["price"][30:] = price
        made["volume"][40:] = 1e308
        assert np.all(np.isfinite(features(**made)[20:]))
        assert np.all(np.isfinite(z_scores(features(**made))[20:]))

    def test_are_exactly_0_where_nothing_moves(self) -> None:
        x = features(np.full(60, 0.1), np.full(60, 0.3), np.ones(60))
        assert np.array_equal(x[20:], np.tile((0.0, 0, 0, 0, 0, 0, 0, 1.0), (40, 1)))
        assert np.all(z_scores(x)[20:] == 0.0)

    def test_of_steady_growth_have_no_volatility(self) -> None:
        """Returns that are equal but for rounding have an sd that counts as 0."""
        growing = np.asarray(1.001 ** np.arange(60), np.float64)
        x = features(growing, np.ones(60), np.zeros(60))[20:]
        assert np.all(x[:, 3:5] == 0.0)

    def test_z_is_limited(self) -> None:
        made = rows(300)
        made["price"][250] *= 1e6
        z = z_scores(features(**made))[20:]
        assert z.max() == 5.0
        assert np.abs(z).max() <= 5.0

    def test_a_trade_that_is_not_valid_is_refused(self) -> None:
        with pytest.raises(ValueError, match="was -1"):
            features(np.array((1.0, -1.0)), np.ones(2), np.ones(2))

    def test_volumes_of_dust_keep_their_digits(self) -> None:
        volume = np.random.default_rng(4).exponential(1e-9, 40)
        logs = np.log1p(volume)
        x = features(np.ones(40), volume, np.ones(40))[20:, 6]
        assert np.allclose(
            x, [logs[t] - logs[t - 19 : t + 1].mean() for t in range(20, 40)], rtol=1e-12, atol=0.0
        )

    def test_labels(self) -> None:
        found = labels(np.array((1.0, 2.0, 2.0, 1.0, 2.0)), 2)
        assert np.array_equal(found, [1.0, 0.0, nan, nan, nan], equal_nan=True)

    def test_hit_rate_is_that_of_the_compiled_form(self) -> None:
        made, rate = rows(500), HitRate(7)
        said = run(62, made, h=7, warm=1)
        first = initial(Net(*NETS[62]), generator(0))
        z = z_scores(features(**made))
        for t in range(500):
            before = nan if t < 20 else logit(first, z[t])
            rate.resolve(made["price"][t])
            rate.predict(made["price"][t], said.value[t] - 0.5 if said.ready[t] else before)
            if said.ready[t]:
                assert np.array_equal(rate.value, said.outputs["hit_rate"][t], equal_nan=True)

    def test_at_the_threshold_there_is_no_signal(self) -> None:
        assert up_down(0.75, 0.25) == (0, 0.5)
        assert up_down(0.25, 0.25) == (0, 0.5)
        assert up_down(np.nextafter(0.75, 1.0), 0.25)[0] == 1
        assert up_down(np.nextafter(0.25, 0.0), 0.25)[0] == -1


@pytest.mark.parametrize("id", COMPILED)
class TestSkipping:
    def test_what_does_not_count_changes_nothing(self, id: int) -> None:
        made, g = rows(400), np.random.default_rng(2)
        plain = run(id, made)
        place = np.sort(g.choice(400, 80, replace=False))
        bad = {"price": (nan, 0.0, -1.0, inf, 5.0, 5.0), "volume": (1.0, 1.0, 1.0, 1.0, nan, -1.0)}
        holes = {
            name: np.insert(column, place, np.resize(bad.get(name, (0.0,)), 80))
            for name, column in made.items()
        }
        kept = np.ones(480, bool)
        kept[place + np.arange(80)] = False
        said = run(id, holes)
        assert np.array_equal(said.value[kept], plain.value, equal_nan=True)
        for row in np.flatnonzero(~kept):
            assert np.array_equal(said.value[row : row + 1], said.value[row - 1 : row], equal_nan=True)
            assert said.signal[row] == said.signal[row - 1]

    def test_a_side_that_is_not_there_reads_0(self, id: int) -> None:
        made = rows(300)
        made["side"][::3] = nan
        none = {**made, "side": np.nan_to_num(made["side"])}
        assert np.array_equal(run(id, made).value, run(id, none).value, equal_nan=True)


class TestOnline:
    @pytest.mark.parametrize("id", ONLINE)
    def test_ready_counts_steps_of_training(self, id: int) -> None:
        """Pairs of no return and sequences that are too short train nothing."""
        made, h, warm = rows(200), 4, 25
        made["price"][26:40], made["price"][60:80] = made["price"][26], made["price"][60]
        said = run(id, made, h=h, warm=warm)
        trained = [t for t in range(20 + h + WAITS[id] - 1, 200) if made["price"][t] != made["price"][t - h]]
        assert np.flatnonzero(said.ready)[0] == trained[warm - 1]

    @pytest.mark.parametrize("id", ONLINE)
    def test_theta_of_one_half_silences(self, id: int) -> None:
        said = run(id, rows(400), theta=0.5)
        assert not said.signal.any()
        assert said.ready.any()
        loud = run(id, rows(400), theta=0.0)
        assert np.array_equal(loud.signal[loud.ready], np.sign(loud.value[loud.ready] - 0.5))

    @pytest.mark.parametrize("id", ONLINE)
    def test_learns_what_can_be_learned(self, id: int) -> None:
        net = Net(*NETS[id])
        x = np.random.default_rng(5).standard_normal((10_000, net.inputs))
        y, least = (x[:, -8] > 0.0).astype(np.float64), 0.95
        if id == 67:
            rise = np.maximum(np.diff(x, axis=1), 0.0).mean(axis=1)
            y, least = (rise > np.median(rise)).astype(np.float64), 0.7
        assert hits(net, x, y) >= least

    @pytest.mark.parametrize("id", ONLINE)
    def test_learns_nothing_of_a_coin(self, id: int) -> None:
        net, g = Net(*NETS[id]), np.random.default_rng(5)
        x = g.standard_normal((10_000, net.inputs))
        assert abs(hits(net, x, g.integers(0, 2, 10_000).astype(np.float64)) - 0.5) <= 0.05

    def test_the_seed_draws_the_weights(self) -> None:
        made = rows(300)
        assert np.array_equal(run(62, made, seed=3).value, run(62, made, seed=3).value, equal_nan=True)
        assert not np.array_equal(run(62, made, seed=3).value, run(62, made, seed=4).value, equal_nan=True)

    def test_parameters_that_do_not_fit_are_refused(self) -> None:
        with pytest.raises(FormulaError, match="width must be at most T, 4, was 5"):
            create(67, T=4)
        with pytest.raises(FormulaError, match="at most 10 layers, was 11"):
            create(62, hidden=(2,) * 11)


def hits(net: Net, x: Any, y: Any) -> float:
    weights = net.packed(initial(net, generator(0)).weights)
    p = OnlineNet(net, weights, 0.01, 1.0, 10, 200, 0.05).learn(x, y)
    return float(np.mean((p[-1000:] > 0.5) == (y[-1000:] > 0.5)))


class TestStrange:
    def test_linear_units_find_the_principal_components(self) -> None:
        """What is left is the sum of the trailing eigenvalues (Baldi, Hornik 1989)."""
        net = Net("dense", (8, 3, 8), linear=True)
        kernel = Autoencoder(net, net.packed(initial(net, generator(0)).weights), 0.005, 1.0, 500, 0.99, 200)
        scale = np.sqrt((9.0, 4.0, 2.0, 0.1, 0.1, 0.1, 0.1, 0.1))
        errors = kernel.learn(np.random.default_rng(5).standard_normal((100_000, 8)) * scale)
        assert errors[-10_000:].mean() == pytest.approx(0.5 / 8.0, rel=0.15)

    @pytest.mark.parametrize("id", [68, 69])
    def test_an_outlier_blocks(self, id: int) -> None:
        made = rows(700)
        made["price"][600] *= 3.0
        said = run(id, made)
        assert said.signal[600] == -1
        assert said.outputs["gate"][600] == 0.0
        assert said.confidence[600] == 1.0
        assert said.outputs["gate"][250:600].mean() > 0.95

    @pytest.mark.parametrize("id", [68, 69])
    def test_the_largest_quantile_is_the_largest_error(self, id: int) -> None:
        said = run(id, rows(400), q=1.0, n=100)
        for t in np.flatnonzero(said.ready)[101:]:
            largest = said.value[t - 100 : t].max()
            assert said.signal[t] == (-1 if said.value[t] > largest else 1)

    @pytest.mark.parametrize(("warm", "first"), [(1, 120), (101, 120), (102, 121), (300, 319)])
    def test_ready_needs_100_errors(self, warm: int, first: int) -> None:
        for id in (68, 69):
            assert np.flatnonzero(run(id, rows(400), warm=warm).ready)[0] == first


AHEAD = ((0, 1), (0, 1))
REWARD = ((1.0, 0.0), (0.0, 2.0))


class TestTasks:
    """Small tasks whose answers are known."""

    def test_q_learning_finds_the_optimum(self) -> None:
        g, q, s = np.random.default_rng(0), np.zeros((2, 2)), 0
        for a in g.integers(0, 2, 20_000).tolist():
            q_update(q, s, a, REWARD[s][a], AHEAD[s][a], 0.1, 0.9)
            s = AHEAD[s][a]
        assert np.allclose(q, ((17.2, 18.0), (16.2, 20.0)), rtol=0, atol=1e-3)

    def test_sarsa_finds_the_value_of_what_is_done(self) -> None:
        g, q, n = np.random.default_rng(3), np.zeros((2, 2)), np.zeros((2, 2))
        s, a = 0, 0
        for then in g.integers(0, 2, 200_000).tolist():
            ahead = AHEAD[s][a]
            n[s, a] += 1
            sarsa_update(q, s, a, REWARD[s][a], ahead, then, n[s, a] ** -0.7, 0.9)
            s, a = ahead, then
        assert np.allclose(q, ((7.525, 6.975), (6.525, 8.975)), rtol=0, atol=0.05)

    def test_deep_q_finds_the_best_actions(self) -> None:
        net, rng, g = Net("dense", (2, 16, 2)), generator(0), np.random.default_rng(2)
        weights = net.packed(initial(net, rng).weights)
        agent = DeepQ(words_of(rng), net, weights, 0.9, 0.1, 0.01, 1.0, 500, 16, 4, 200, 0.0, 200)
        state, s = np.eye(2), 0
        for a in g.integers(0, 2, 20_000).tolist():
            agent.learn(state[s], a, REWARD[s][a], state[AHEAD[s][a]])
            s = AHEAD[s][a]
        assert [int(np.argmax(agent.action_values(x))) for x in state] == [1, 1]

    def test_reinforce_finds_the_best_arm(self) -> None:
        g, policy, means = np.random.default_rng(3), Policy(np.zeros((3, 1))), np.array((0.0, 0.5, -0.5))
        for _ in range(400):
            arms = g.choice(3, 50, p=policy.probabilities((1.0,)))
            policy.reinforce(np.ones((50, 1)), arms, means[arms] + g.standard_normal(50), 0.0, 0.05)
        assert policy.probabilities((1.0,))[1] > 0.9

    def test_actor_critic_finds_the_best_arm(self) -> None:
        g, policy, means = np.random.default_rng(3), Policy(np.zeros((3, 1))), (0.0, 0.5, -0.5)
        for u, noise in zip(g.random(20_000), g.standard_normal(20_000), strict=True):
            arm = min(int(np.searchsorted(np.cumsum(policy.probabilities((1.0,))), u, "right")), 2)
            policy.actor_critic((1.0,), arm, means[arm] + noise, (1.0,), 0.0, 0.02, 0.01)
        assert policy.probabilities((1.0,))[1] > 0.9

    def test_td_finds_the_value_of_a_random_walk(self) -> None:
        g, v = np.random.default_rng(4), np.zeros(7)
        for _ in range(5000):
            e, s = np.zeros(7), 3
            while 0 < s < 6:
                ahead = s + (1 if g.random() < 0.5 else -1)
                td_update(v, e, s, float(ahead == 6), ahead, 0.01, 1.0, 0.8)
                s = ahead
        assert np.allclose(v[1:6], np.arange(1, 6) / 6.0, rtol=0, atol=0.05)


class TestAgents:
    @pytest.mark.parametrize("id", [91, 92, 93, 94, 95, 97, 98])
    def test_ready_after_transitions(self, id: int) -> None:
        for warm in (1, 200):
            assert np.flatnonzero(run(id, rows(300), warm=warm).ready)[0] == 20 + warm

    def test_ppo_is_ready_after_two_rollouts(self) -> None:
        assert np.flatnonzero(run(96, rows(300)).ready)[0] == 276
        assert np.flatnonzero(run(96, rows(300), N=40).ready)[0] == 100

    def test_where_nothing_moves_nothing_is_earned(self) -> None:
        flat = {"price": np.full(300, 7.0), "volume": np.ones(300), "side": np.ones(300)}
        for id in (91, 92, 98):
            table, _ = table_of(id, flat)
            assert not np.any(table)

    def test_without_exploration_the_first_of_equals_is_held(self) -> None:
        """All action values are 0 at the start: nothing is held, nothing is earned, nothing changes."""
        table, _ = table_of(91, rows(300), eps=0.0)
        assert not np.any(table)

    def test_a_fee_is_paid_on_turnover(self) -> None:
        flat = {"price": rows(300)["price"], "volume": np.ones(300), "side": np.ones(300)}
        dear, free = (table_of(91, flat, fee=fee, gamma=0.0, eps=1.0)[0].sum() for fee in (1e-2, 0.0))
        assert dear < free - 10.0

    @pytest.mark.parametrize(("id", "steps"), [(96, {"alpha_v": 1e4}), (97, {"c_v": 500.0})])
    def test_stay_finite_where_the_critic_diverges(self, id: int, steps: dict[str, float]) -> None:
        said = run(id, rows(3000), **steps)
        assert np.all(np.isfinite(said.value[said.ready]))

    def test_a_step_that_is_not_finite_is_not_taken(self) -> None:
        policy = Policy(np.zeros((3, 2)), (1e200, 1e200))
        policy.ppo(((1e200, 1.0),) * 2, (0, 1), (1.0, 2.0), (1.0, 1.0), 1, 0.2, 0.9, 0.9, 0.1, 0.1, 0.01)
        assert np.array_equal(policy.w, (1e200, 1e200))
        assert np.all(np.isfinite(policy.theta))

    def test_traces_that_never_fade_are_refused(self) -> None:
        with pytest.raises(FormulaError, match="gamma lam must be below 1, was 1"):
            create(98, gamma=1.0, lam=1.0)

    def test_a_rollout_that_does_not_fit_is_refused(self) -> None:
        policy = Policy(np.zeros((3, 2)))
        for phi, actions in ((np.ones((2, 3)), (0, 1)), (np.ones((2, 2)), (0,)), (np.ones((2, 2)), (0, 3))):
            with pytest.raises(ValueError, match="a rollout must have rows of 2 features"):
                policy.reinforce(phi, actions, (0.0, 0.0), 0.9, 0.1)


def table_of(id: int, columns: Any, **parameters: Any) -> Any:
    made: Any = create(id, **parameters)
    made.run(columns)
    return made.table


def sphere(x: Any) -> float:
    return float(np.sum(x * x))


def earnings(w: Any, fast: float, slow: float, threshold: float, fee: float) -> tuple[list[float], float]:
    """Net returns of a rule, and what `rule` makes of them."""
    d = averages(w, fast, slow)
    held = np.where(np.abs(d) > threshold * d.std(), np.sign(d), 0.0)
    net = held[:-1] * np.diff(np.log(w)) - fee * np.abs(np.diff(held, prepend=0.0))[:-1]
    return sorted(net), rule(w, np.array((fast, slow, threshold)), fee)[0]


class TestSearch:
    @settings(max_examples=15)
    @given(seed=st.integers(0, 10_000))
    def test_stays_within_bounds_and_never_gets_worse(self, seed: int) -> None:
        low, high = np.array((0.7, -3.0)), np.array((4.0, -0.7))
        for search in (genetic_minimise, swarm_minimise):
            found = [search(sphere, low, high, seed, 8, n) for n in (0, 3, 12)]
            assert all(np.all((low <= x) & (x <= high)) for x, _ in found)
            assert found[0][1] >= found[1][1] >= found[2][1]
            assert all(value == sphere(x) for x, value in found)

    def test_the_swarm_is_constricted_by_the_factor_itself_and_not_its_digits(self) -> None:
        bound = np.full(2, 5.0)
        assert swarm_minimise(sphere, -bound, bound, 0)[1] == pytest.approx(
            3.3489593883e-05, rel=2e-11, abs=0.0
        )

    def test_rules_that_earn_the_same_at_other_times_tie(self) -> None:
        # the price stands still for long, so that the fee of leaving falls on one or another empty return
        w = 61828.0 + 0.01 * np.cumsum(np.random.default_rng(3).normal(size=40).round() * 30.0)
        w = np.concatenate([w, np.full(60, w[-1] + 5.0), w[::-1]])
        earned: dict[tuple[float, ...], set[float]] = {}
        for threshold in np.linspace(0.3, 1.4, 60):
            net, j = earnings(w, 4.0, 40.0, float(threshold), 1e-3)
            earned.setdefault(tuple(net), set()).add(j)
        assert len(earned) < 40
        assert max(len(js) for js in earned.values()) == 1

    @pytest.mark.parametrize("id", [99, 100])
    def test_phase_moves_every_search_but_the_first(self, id: int) -> None:
        price, few = rows(200)["price"], {"n": 60, "refit": 50, **SMALL_SEARCH[id]}
        for phase in (0, 20):
            said = run(id, {"price": price}, phase=phase, **few)
            changed = np.flatnonzero(np.diff(said.outputs["J"][59:])) + 60
            assert changed.tolist() == [109 + phase, 159 + phase]
            assert np.flatnonzero(said.ready)[0] == 59

    @pytest.mark.parametrize("id", [99, 100])
    def test_of_a_price_that_stands_still(self, id: int) -> None:
        said = run(id, {"price": np.full(80, 3.0)}, n=60, refit=50, **SMALL_SEARCH[id])
        assert np.all(said.value[59:] == 0.0)
        assert not said.signal.any()
        assert np.all(said.outputs["J"][59:] == 0.0)

    @pytest.mark.parametrize("price", [1e300, 1e-8])
    def test_the_rule_does_not_know_the_unit_of_price(self, price: float) -> None:
        w, x = rows(100)["price"], np.array((4.0, 30.0, 0.4))
        assert rule(w / w[0] * price, x)[0] == pytest.approx(rule(w, x)[0], rel=1e-9)
        assert rule(w / w[0] * price, x)[1] == pytest.approx(rule(w, x)[1] / w[0] * price, rel=1e-9)

    def test_spans_are_rounded_half_up(self) -> None:
        w = rows(100)["price"]
        assert rule(w, np.array((4.5, 29.5, 0.3))) == rule(w, np.array((5.0, 30.0, 0.3)))
        assert rule(w, np.array((4.4999, 29.4999, 0.3))) == rule(w, np.array((4.0, 29.0, 0.3)))

    def test_past_the_largest_difference_nothing_is_held(self) -> None:
        w = rows(100)["price"]
        d = averages(w, 2.0, 21.0)
        largest = float(np.abs(d[:-1]).max() / d.std())
        assert rule(w, np.array((2.0, 21.0, largest * 1.001)), 0.1)[0] == 0.0
        assert rule(w, np.array((2.0, 21.0, largest * 0.999)), 0.1)[0] < 0.0


SMALL_SEARCH: dict[int, dict[str, int]] = {99: {"pop": 6, "gens": 3}, 100: {"particles": 5, "iters": 3}}


class TestExtremes:
    @pytest.mark.parametrize("id", [62, 63, 64, 65, 66, 67, 68, 69, 70])
    def test_steps_that_are_far_too_long_end_in_no_nan(self, id: int) -> None:
        for way in ({"eta": 1e3}, {"eta": 0.5, "clip": 1e12}, {"eta": 1e3, "clip": 1e12}):
            said = run(id, rows(400, 21), warm=20, **way)
            assert np.isfinite(said.value[said.ready]).all()
            assert ((said.confidence >= 0.0) & (said.confidence <= 1.0)).all()

    @pytest.mark.parametrize(
        ("id", "way"),
        [
            (61, {"eta": 1e101}),
            (66, {"eta": 1e4}),
            (68, {"eta": 1e300}),
            (69, {"beta": 1e300}),
            (70, {"clip": 1e13}),
        ],
    )
    def test_steps_that_could_are_refused(self, id: int, way: dict[str, float]) -> None:
        with pytest.raises(FormulaError, match="must be a finite number"):
            create(id, **way)

    def test_a_gradient_without_a_length_moves_nothing(self) -> None:
        net = Net("dense", (2, 1))
        weights = np.array((1.0, 2.0, 3.0))
        for gradient in ((1e200, 1.0, 0.0), (inf, 0.0, 0.0), (nan, 0.0, 0.0)):
            assert np.array_equal(descended(net, weights, np.array(gradient), 0.1, 1.0), weights)


def test_before_50_predictions_there_is_no_hit_rate() -> None:
    said = run(61, rows(200), h=2, warm=5)
    rate = said.outputs["hit_rate"]
    first = int(np.flatnonzero(~np.isnan(rate))[0])
    changes = np.count_nonzero(rows(200)["price"][22 : first + 1] != rows(200)["price"][20 : first - 1])
    assert changes == 50
    assert isnan(rate[first - 1])


def test_the_hit_rate_is_of_what_came_true() -> None:
    """Of the last 200 predictions whose price came, those on the right side of 1/2; NaN before 50."""
    h, rows, columns = 10, 420, market(420)
    said = run(86, columns, h=h, n=32, perplexity=5.0, k=5)
    price, p = columns["price"], said.outputs["p_up"]
    first = int(np.argmax(said.ready))
    came = [i for i in range(first, rows - h) if price[i + h] != price[i]]
    for t in range(first + h, rows):
        seen = [(p[i] > 0.5) == (price[i + h] > price[i]) for i in came if i + h <= t]
        expected = np.mean(seen[-200:]) if len(seen) >= 50 else nan
        assert said.outputs["hit_rate"][t] == pytest.approx(expected, nan_ok=True), t


@pytest.mark.parametrize("id", [75, 76, 88])
def test_a_feature_beyond_single_precision_leaves_what_was_said(id: int) -> None:
    """Trees read single precision, and their library raises over more; a side of any size makes it."""
    info = FORMULA_REGISTRY[id].info
    if info.library is not None and not installed(info.library):
        pytest.skip(f"{info.library} of livetrading[{info.extra}] is not there")
    small = dict(getattr(FORMULA_REGISTRY[id], "check_parameters", {}))
    columns = {name: column.astype(np.float64) for name, column in market(260).items() if name != "ts"}
    columns["side"][230::7] = 1e250
    said = run(id, columns, **{**small, "refit": 10_000})
    assert np.all(np.isfinite(said.value[said.ready]) | np.isnan(said.value[said.ready]))
