"""Formula 333 against a plain numpy form of its definition, Bayes' theorem, and a fitted model."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats
from streams import GOLDEN, Floats, walk

from livetrading.core.vote import SignalConfluence, majority_probability, weigh

Votes = NDArray[np.int8]


@pytest.mark.parametrize("case", GOLDEN["333"]["weigh"])
def test_weigh_golden(case: dict[str, Any]) -> None:
    p, votes = np.array(case["p"]), np.array(case["votes"], np.int8)
    correlation = np.array(case["correlation"], float) if "correlation" in case else np.eye(len(p))
    value, weights = weigh(p, correlation, votes, case["prior"], case.get("clip", True))
    assert value == pytest.approx(case["value"], rel=1e-9)
    if "weights" in case:
        np.testing.assert_allclose(weights, case["weights"], rtol=0, atol=5.1e-10)


@pytest.mark.parametrize("case", GOLDEN["333"]["majority"])
def test_majority_golden(case: dict[str, Any]) -> None:
    assert majority_probability(np.array(case["p"])) == pytest.approx(case["value"], rel=1e-9)


@given(st.lists(st.floats(0, 1), max_size=9))
def test_majority_by_counting(p: list[float]) -> None:
    total = 0.0
    for right in product((0, 1), repeat=len(p)):
        chance = math.prod(x if hit else 1 - x for x, hit in zip(p, right, strict=True))
        total += chance * (0.5 if 2 * sum(right) == len(p) else float(2 * sum(right) > len(p)))
    assert majority_probability(np.array(p)) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("k", [1, 5, 51])
def test_majority_of_equals_is_binomial(k: int) -> None:
    assert majority_probability(np.full(k, 0.55)) == pytest.approx(stats.binom.sf(k // 2, k, 0.55), rel=1e-12)


competence = st.floats(0.01, 0.99)


@given(st.lists(st.tuples(competence, st.integers(-1, 1)), min_size=1, max_size=8), competence)
def test_independent_votes_are_bayes_theorem(voters: list[tuple[float, int]], prior: float) -> None:
    p, votes = np.array([v[0] for v in voters]), np.array([v[1] for v in voters], np.int8)
    up = prior * math.prod(1.0 if s == 0 else q if s > 0 else 1 - q for q, s in voters)
    down = (1 - prior) * math.prod(1.0 if s == 0 else 1 - q if s > 0 else q for q, s in voters)
    for correlation in (None, np.eye(len(p))):
        value, weights = weigh(p, correlation, votes, prior)
        assert value == pytest.approx(up / (up + down), rel=1e-9)
        expected = np.where(votes != 0, np.log(p / (1 - p)), 0.0)
        np.testing.assert_allclose(weights, expected, rtol=1e-9, atol=1e-12)


@given(st.integers(1, 8), competence.filter(lambda p: abs(p - 0.5) > 1e-3), st.floats(0, 0.98))
def test_equal_voters_share_one_weight(k: int, p: float, rho: float) -> None:
    correlation = np.full((k, k), rho) + (1 - rho) * np.eye(k)
    _, weights = weigh(np.full(k, p), correlation, np.ones(k, np.int8))
    np.testing.assert_allclose(weights, math.log(p / (1 - p)) / (1 + (k - 1) * rho), rtol=1e-9)


def test_perfect_copies_weigh_as_one() -> None:
    p = np.full(5, 0.7)
    _, weights = weigh(p, np.ones((5, 5)), np.ones(5, np.int8))
    # correlations are held 0.01 from singular
    assert weights.sum() == pytest.approx(math.log(0.7 / 0.3), rel=0.01)


def correlations(rng: np.random.Generator, kind: str, k: int) -> Floats:
    """Symmetric with a unit diagonal: copies, of low rank, of no rank at all, or of -1, 0 and 1."""
    if kind == "copies":
        sign = rng.choice([-1.0, 1.0], k)
        r = np.outer(sign, sign)
    elif kind == "low rank":
        a = rng.standard_normal((k, rng.integers(1, k + 1)))
        a /= np.linalg.norm(a, axis=1)[:, None]
        r = a @ a.T
    else:
        r = rng.uniform(-1, 1, (k, k))
        r = np.round(r) if kind == "signs" else r
    r = np.tril(r, -1)
    return r + r.T + np.eye(k)


@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from(["copies", "low rank", "any", "signs"]))
def test_singular_correlations_are_lifted(seed: int, k: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    r, p = correlations(rng, kind, k), rng.uniform(0.3, 0.7, k)
    _, weights = weigh(p, r, np.ones(k, np.int8), clip=False)
    least = np.linalg.eigvalsh(r)[0]
    if least < 0.01:
        r = (r + (0.01 - least) * np.eye(k)) / (1.01 - least)
    z = (2 * p - 1) / np.sqrt(4 * p * (1 - p))
    expected = np.log(p / (1 - p)) / z * np.linalg.solve(r, z)
    # a condition number of up to 800 costs three digits
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


# The definition in numpy


class Jury:
    """Formula 333 as its text has it, one array operation after another."""

    def __init__(self, k: int, **settings: Any) -> None:
        self.k, self.t = k, 0
        defaults = {"h": 10, "eps": 0.0, "a0": 10.0, "b0": 10.0, "lam": 0.999, "nu": 50.0, "prior": 0.5}
        defaults |= {"p_min": 0.55, "k_min": 2, "use_corr": True, "clip": True, "cap": 2.0, "stride": 0}
        self.__dict__.update(defaults | {"refresh": 1} | settings)
        self.stride = self.stride or self.h
        self.a, self.b = np.full(k, self.a0), np.full(k, self.b0)
        self.n, self.c, self.u = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
        self.past: list[tuple[Votes, float]] = []
        self.take_into_use()

    def take_into_use(self) -> None:
        self.p = self.a / (self.a + self.b)
        self.ell = np.log(self.a / self.b)
        scale = np.sqrt(self.u * self.u.T)
        r = np.divide(self.c, scale, out=np.zeros_like(self.c), where=scale > 0)
        self.r = r * self.n / np.where(self.n + self.nu > 0, self.n + self.nu, 1)
        np.fill_diagonal(self.r, 1.0)

    def score(self, votes: Votes, truth: int) -> None:
        cast = votes != 0
        right = votes == truth
        d = np.where(cast, right - self.a / (self.a + self.b), 0.0)
        together = np.outer(cast, cast)
        keep = np.where(together, self.lam, 1.0)
        self.n = keep * self.n + together
        self.c = keep * self.c + together * np.outer(d, d)
        self.u = keep * self.u + together * (d * d)[:, None]
        self.a = np.where(cast, self.a0 + self.lam * (self.a - self.a0) + right, self.a)
        self.b = np.where(cast, self.b0 + self.lam * (self.b - self.b0) + ~right, self.b)

    def update(self, votes: Votes, price: float) -> dict[str, Any]:
        s = self.t - self.h
        if s >= 0 and s % self.stride == 0:
            y = math.log(price / self.past[s][1])
            if abs(y) > self.eps:
                self.score(self.past[s][0], 1 if y > 0 else -1)
        if self.t % self.refresh == 0:
            self.take_into_use()
        self.past.append((votes, price))
        self.t += 1
        who = np.flatnonzero(votes)
        weights, k_eff = np.zeros(self.k), float(len(who))
        weights[who] = self.ell[who]
        if self.use_corr and len(who):
            r = self.r[np.ix_(who, who)]
            least = np.linalg.eigvalsh(r)[0]
            if least < 0.01:
                r = (r + (0.01 - least) * np.eye(len(who))) / (1.01 - least)
            m = 2 * self.p[who] - 1
            z = m / np.sqrt(1 - m * m)
            phi = np.where(np.abs(m) < 1e-6, 2.0, self.ell[who] / np.where(z == 0, 1, z))
            w = phi * np.linalg.solve(r, z)
            k_eff = np.linalg.solve(r, np.ones(len(who))).sum()
            if self.clip:
                limit = self.cap * np.abs(self.ell[who])
                w = np.where(w * self.ell[who] < 0, 0.0, np.clip(w, -limit, limit))
            weights[who] = w
        logit = math.log(self.prior / (1 - self.prior)) + float(weights @ votes)
        value = 1 / (1 + math.exp(-logit))
        signal = (value >= self.p_min) - (value <= 1 - self.p_min) if len(who) >= self.k_min else 0
        out = {"value": value, "signal": signal, "log_odds": logit, "voters": len(who), "k_eff": k_eff}
        out |= {f"p_{i}": p for i, p in enumerate(self.p)} | {f"w_{i}": w for i, w in enumerate(weights)}
        return out


def correlated_votes(rng: np.random.Generator, n: int, k: int, share: float) -> Votes:
    common = rng.standard_normal(n)[:, None]
    votes = np.sign(math.sqrt(share) * common + math.sqrt(1 - share) * rng.standard_normal((n, k)))
    votes[rng.random((n, k)) < 0.2] = 0
    return votes.astype(np.int8)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"h": 1},
    {"h": 3, "stride": 1, "lam": 1.0, "nu": 0.0},
    {"h": 3, "stride": 5, "refresh": 7, "lam": 0.9},
    {"h": 2, "nu": 0.0, "clip": False, "lam": 0.95},
    {"h": 2, "cap": 1.0, "prior": 0.6, "p_min": 0.52, "k_min": 1},
    {"h": 1, "use_corr": False, "a0": 2.0, "b0": 3.0},
    {"h": 2, "eps": 2e-4, "k_min": 4},
]


@pytest.mark.parametrize("settings", SETTINGS)
@hypothesis.settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from([0.0, 0.5, 0.99, 1.0]))
def test_vote_is_its_definition(settings: dict[str, Any], seed: int, k: int, share: float) -> None:
    votes, price = correlated_votes(np.random.default_rng(seed), 80, k, share), walk(seed, 80)
    compiled, plain = SignalConfluence(k, **settings), Jury(k, **settings)
    for s, p in zip(votes, price.tolist(), strict=True):
        expected = plain.update(s, p)
        compiled.update(s, p)
        got = compiled.outputs | {"value": compiled.value}
        for name, x in expected.items():
            if name == "signal":
                if abs(abs(expected["value"] - 0.5) - (plain.p_min - 0.5)) > 1e-9:
                    assert compiled.signal == x
            else:
                # near-singular correlations (least eigenvalue 0.01) cost two digits of the solve
                assert got[name] == pytest.approx(x, rel=1e-9, abs=1e-9), name
        assert compiled.confidence == pytest.approx(abs(2 * expected["value"] - 1), abs=1e-9)
        cast = plain.p[s != 0]
        assert got["p_majority"] == pytest.approx(majority_probability(cast), rel=1e-9)


def test_beta_golden() -> None:
    golden = GOLDEN["333"]["beta"]
    vote = SignalConfluence(1, h=1, a0=golden["a0"], b0=golden["b0"], lam=golden["lam"], k_min=1)
    outcomes = [1] * golden["right"] + [-1] * golden["wrong"]
    price = 50_000 + np.concatenate([[0], np.cumsum(outcomes)])
    vote.update_many(np.ones((51, 1), np.int8), price.astype(float))
    assert vote.outputs["w_0"] == pytest.approx(golden["weight"], rel=1e-9)
    assert vote.outputs["log_odds"] == pytest.approx(golden["weight"], rel=1e-9)


@given(st.integers(0, 2**32), st.integers(0, 199), st.sampled_from([1, 16]))
def test_the_future_leaves_the_past_alone(seed: int, cut: int, refresh: int) -> None:
    rng = np.random.default_rng(seed)
    votes, price = correlated_votes(rng, 200, 5, 0.5), walk(seed, 200)
    seen = SignalConfluence(5, h=3, refresh=refresh).update_many(votes, price)
    votes[cut + 1 :] = -votes[cut + 1 :]
    price[cut + 1 :] *= rng.uniform(0.5, 2.0, 199 - cut)
    altered = SignalConfluence(5, h=3, refresh=refresh).update_many(votes, price)
    assert seen[: cut + 1].tobytes() == altered[: cut + 1].tobytes()


@given(st.integers(0, 2**32), st.integers(1, 199))
def test_streaming_is_batch(seed: int, cut: int) -> None:
    votes, price = correlated_votes(np.random.default_rng(seed), 200, 7, 0.3), walk(seed, 200)
    one, many = SignalConfluence(7, h=4, refresh=8), SignalConfluence(7, h=4, refresh=8)
    stream = np.array([one.update(s, p) for s, p in zip(votes, price, strict=True)])
    parts = [many.update_many(votes[:cut], price[:cut]), many.update_many(votes[cut:], price[cut:])]
    assert stream.tobytes() == np.concatenate(parts).tobytes()
    assert (one.outputs, one.signal) == (many.outputs, many.signal)


def test_what_weighs_changes_at_a_refresh_alone() -> None:
    votes, price = correlated_votes(np.random.default_rng(1), 400, 3, 0.5), walk(1, 400)
    vote = SignalConfluence(3, h=2, refresh=32)
    competences = []
    for s, p in zip(votes, price, strict=True):
        vote.update(s, p)
        competences.append(vote.outputs["p_0"])
    changes = np.flatnonzero(np.diff(competences)) + 1
    assert len(changes) > 5
    assert np.all(changes % 32 == 0)


def test_a_price_that_is_none_leaves_the_last_standing() -> None:
    votes, price = correlated_votes(np.random.default_rng(2), 60, 3, 0.5), walk(2, 60)
    held = price.copy()
    for i, bad in ((20, math.nan), (30, -1.0), (40, math.inf), (41, 0.0)):
        held[i], price[i] = held[i - 1], bad
    first = SignalConfluence(3, h=2).update_many(votes, price)
    assert first.tobytes() == SignalConfluence(3, h=2).update_many(votes, held).tobytes()
    blind = SignalConfluence(3, h=2)
    blind.update_many(votes, np.full(60, math.nan))
    assert blind.outputs["p_0"] == 0.5


def log_loss(logit: Floats, up: NDArray[np.bool_]) -> float:
    return float(np.mean(np.logaddexp(0.0, np.where(up, -logit, logit))))


def test_learnt_weights_match_a_fitted_model() -> None:
    # three voters of p = 0.6 that share much, two independent ones: Gaussian copula
    rng = np.random.default_rng(11)
    n, p = 200_000, np.array([0.6, 0.6, 0.6, 0.58, 0.56])
    latent = rng.standard_normal((n, 5))
    latent[:, :3] = math.sqrt(0.8) * rng.standard_normal((n, 1)) + math.sqrt(0.2) * latent[:, :3]
    truth = rng.choice([-1, 1], n)
    votes = (np.where(latent < stats.norm.ppf(p), 1, -1) * truth[:, None]).astype(np.int8)
    # the truth of vote t is the move from t to t + 1
    price = 50_000 * np.exp(1e-6 * np.concatenate([[0.0], np.cumsum(truth)[:-1]]))
    half = n // 2
    settings: dict[str, Any] = {"h": 1, "lam": 1.0, "nu": 0.0, "k_min": 1}
    vote, alone = SignalConfluence(5, **settings), SignalConfluence(5, use_corr=False, **settings)
    for jury in (vote, alone):
        jury.update_many(votes[: half + 1], price[: half + 1])
    weights = [np.array([jury.outputs[f"w_{i}"] for i in range(5)]) for jury in (vote, alone)]
    train, test = slice(0, half), slice(half, None)
    fit = optimize.minimize(lambda w: log_loss(votes[train] @ w, truth[train] > 0), np.zeros(5))
    losses = [log_loss(votes[test] @ w, truth[test] > 0) for w in (*weights, fit.x)]
    assert losses[0] == pytest.approx(losses[2], abs=0.001)
    assert losses[0] < losses[1] - 0.02
    assert vote.outputs["k_eff"] < 4


def test_before_the_first_update() -> None:
    vote = SignalConfluence(2)
    assert math.isnan(vote.value)
    assert (vote.ready, vote.signal, vote.confidence, vote.outputs) == (False, 0, 0.0, {})
    vote.update(np.zeros(2, np.int8), 1.0)
    assert (vote.ready, vote.signal, vote.value, vote.outputs["k_eff"]) == (True, 0, 0.5, 0.0)


def test_a_bad_vote_changes_nothing() -> None:
    votes, price = correlated_votes(np.random.default_rng(3), 50, 2, 0.5), walk(3, 50)
    vote = SignalConfluence(2, h=1)
    vote.update_many(votes, price)
    before = (vote.value, vote.outputs)
    bad = votes.copy()
    bad[40, 1] = 2
    with pytest.raises(ValueError, match="a vote must be -1, 0 or 1, was 2"):
        vote.update_many(bad, price)
    with pytest.raises(ValueError, match="a vote must be -1, 0 or 1, was -2"):
        vote.update(np.array([0, -2], np.int8), 1.0)
    with pytest.raises(ValueError, match="there must be 2 votes, were 3"):
        vote.update(np.zeros(3, np.int8), 1.0)
    with pytest.raises(ValueError, match="votes must be 50 by 2, were 50 by 3"):
        vote.update_many(np.zeros((50, 3), np.int8), price)
    assert (vote.value, vote.outputs) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SignalConfluence(0), "k must be from 1 to 8, was 0"),
        (lambda: SignalConfluence(9), "k must be from 1 to 8, was 9"),
        (lambda: SignalConfluence(2, h=0), "h must be from 1 to .*, was 0"),
        (lambda: SignalConfluence(2, refresh=0), "refresh must be from 1 to .*, was 0"),
        (lambda: SignalConfluence(2, lam=1.1), r"lam must be from .*, was 1\.1"),
        (lambda: SignalConfluence(2, prior=1.0), r"prior must be between 0\.0 and 1\.0, was 1\.0"),
        (lambda: SignalConfluence(2, p_min=0.4), r"p_min must be from 0\.5 to 1\.0, was 0\.4"),
        (lambda: SignalConfluence(2, a0=0.0), r"a0 must be from .*, was 0\.0"),
        (lambda: SignalConfluence(2, nu=math.nan), "nu must be from .*, was nan"),
        (
            lambda: weigh(np.array([1.0]), None, np.ones(1, np.int8)),
            r"a competence must be between .*, was 1\.0",
        ),
        (
            lambda: weigh(np.full(2, 0.6), None, np.ones(1, np.int8)),
            "1 to 8 voters with a vote each, were 2 and 1",
        ),
        (
            lambda: weigh(np.full(2, 0.6), np.eye(3), np.ones(2, np.int8)),
            "correlation must be 2 by 2, was 3 by 3",
        ),
        (lambda: majority_probability(np.array([1.1])), r"a probability must be from 0 to 1, was 1\.1"),
    ],
)
def test_parameters_out_of_range(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
