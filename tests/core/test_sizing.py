import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize, stats
from streams import GOLDEN

from livetrading.core.sizing import DrawdownControl, KellyCriterion, barrier_probability, kelly

fraction = st.floats(1e-4, 1.0)
returns = st.lists(
    st.one_of(st.floats(-0.5, 0.5).filter(lambda x: x == 0 or abs(x) > 1e-6), st.just(0.0)),
    min_size=1,
    max_size=60,
)


@given(st.floats(0.0, 1.0), fraction, fraction, st.floats(0.0, 0.5))
def test_kelly_maximises_the_growth_of_the_bet(p: float, gain: float, loss: float, costs: float) -> None:
    f = kelly(p, gain, loss, costs)
    assert 0.0 <= f <= 1.0
    win, lose = gain - costs, loss + costs
    if win <= 0 or p * win <= (1 - p) * lose:
        assert f == 0.0
        return
    # f is the stake lost when the bet fails; the odds are b = win : lose
    b = win / lose
    # the slope of p ln(1 + f b) + (1 - p) ln(1 - f), times (1 + f b)(1 - f)
    assert p * b * (1 - f) - (1 - p) * (1 + f * b) == pytest.approx(0.0, abs=1e-12 * (1 + b))


def test_kelly_of_a_coin() -> None:
    assert kelly(0.6, 0.01, 0.01) == pytest.approx(0.2, rel=1e-12)
    assert kelly(0.5, 0.01, 0.01) == 0.0
    assert kelly(0.6, 0.01, 0.01, 0.002) == 0.0


@given(st.floats(0.001, 0.2), st.floats(0.001, 0.2))
def test_barriers_of_a_driftless_price_have_no_edge(gain: float, loss: float) -> None:
    p = barrier_probability(gain, loss, 0.0)
    assert p == pytest.approx(loss / (gain + loss), rel=1e-12)
    assert p * gain - (1 - p) * loss == pytest.approx(0.0, abs=1e-15)
    assert kelly(p, gain, loss) == pytest.approx(0.0, abs=1e-12)
    assert kelly(p, gain, loss, 1e-4) == 0.0


@given(st.floats(0.001, 0.2), st.floats(0.001, 0.2), st.floats(0, 20))
def test_the_votes_odds_multiply(gain: float, loss: float, logit: float) -> None:
    p = barrier_probability(gain, loss, logit)
    assert p == pytest.approx(1 / (1 + gain / loss * math.exp(-logit)), rel=1e-12)
    assert barrier_probability(gain, loss, -logit) == p


def test_barriers_that_are_none() -> None:
    assert math.isnan(barrier_probability(0.0, 0.1, 1.0))
    assert math.isnan(barrier_probability(0.1, -0.1, 1.0))


def test_kelly_criterion_golden() -> None:
    golden = GOLDEN["211"]
    formula = KellyCriterion(fraction=1.0, cap=1.0, n_min=5)
    formula.update_many(np.array(golden["trades"]))
    assert formula.value == pytest.approx(golden["f_full"], rel=1e-12)
    assert formula.outputs["p"] == golden["p"]
    assert formula.outputs["b"] == pytest.approx(golden["b"], rel=1e-12)
    assert formula.outputs["leverage"] == pytest.approx(golden["f_over_loss"], rel=1e-9)
    assert formula.outputs["exact"] == pytest.approx(golden["exact"], rel=1e-6)


@given(returns, st.sampled_from([(1, 1), (10, 3), (100, 20)]), st.floats(0, 1), st.floats(0, 1))
def test_kelly_criterion_is_its_definition(
    trades: list[float], window: tuple[int, int], share: float, cap: float
) -> None:
    n, n_min = window
    formula = KellyCriterion(n, share, cap, n_min)
    for i, trade in enumerate(trades):
        value = formula.update(trade)
        t = np.array(trades[max(0, i + 1 - n) : i + 1])
        assert formula.ready == (len(t) >= n_min)
        if not formula.ready:
            assert math.isnan(value)
            assert formula.outputs == {}
            continue
        wins, losses = t[t > 0], -t[t < 0]
        p, b = len(wins) / len(t), math.nan
        f = 0.0
        if len(wins) and len(losses):
            b = wins.mean() / losses.mean()
            f = p - (1 - p) / b
        elif len(wins):
            f = p
        assert value == pytest.approx(min(cap, share * max(0.0, f)), rel=1e-9, abs=1e-12)
        assert formula.signal == (value > 0)
        out = formula.outputs
        assert (out["p"], out["b"]) == pytest.approx((p, b), rel=1e-9, nan_ok=True)
        assert out["f_full"] == pytest.approx(f, rel=1e-9, abs=1e-12 * (1 + 1 / b if b > 0 else 1))
        if not len(losses):
            assert math.isnan(out["leverage"])
            assert math.isnan(out["exact"])
            continue
        assert out["leverage"] == pytest.approx(value / losses.mean(), rel=1e-9)

        def slope(x: float, t: Any = t) -> float:
            return float(np.mean(t / (1 + x * t)))

        top = 0.999 / losses.max()
        if abs(t.mean()) < 1e-12 or abs(slope(top)) < 1e-9:
            continue
        exact = (
            0.0 if t.mean() < 0 else top if slope(top) > 0 else optimize.brentq(slope, 0.0, top, xtol=1e-13)
        )
        assert out["exact"] == pytest.approx(exact, rel=1e-6, abs=1e-9)
        spread = t.std(ddof=1) if len(t) > 1 else 0.0
        tau = t.mean() * math.sqrt(len(t)) / spread if spread > 0 else 0.0
        assert formula.confidence == pytest.approx(max(0.0, 2 * stats.norm.cdf(tau) - 1), abs=1e-9)


def test_a_stake_beyond_the_root_grows_less() -> None:
    t = np.array(GOLDEN["211"]["trades"])
    formula = KellyCriterion(n_min=1)
    formula.update_many(t)
    best = formula.outputs["exact"]
    growth = [np.log1p(best * factor * t).mean() for factor in (0.9, 1.0, 1.1)]
    assert growth[1] > max(growth[0], growth[2])


equities = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=80)


def test_drawdown_golden() -> None:
    golden = GOLDEN["334"]
    formula, seen = DrawdownControl(golden["max_dd"], kelly=1.0), []
    for equity in golden["equity"]:
        formula.update(equity)
        seen.append((formula.outputs["drawdown"], formula.value, formula.halted))
    assert [row[0] for row in seen] == pytest.approx(golden["drawdown"], abs=1e-11)
    assert seen[2][1] == pytest.approx(golden["brake_at_a_tenth"], rel=1e-9)
    # a fifth down reaches the limit of a fifth, whatever 1 - 88 / 110 is in floating point
    assert [row[2] for row in seen] == [False, False, False, False, True, False, False]
    assert seen[4][1] == 0.0


@given(equities, st.sampled_from([(0.2, 0.1), (0.5, 0.0), (1.0, 0.3), (0.05, 0.05)]))
def test_drawdown_control_is_its_definition(equity: list[float], limits: tuple[float, float]) -> None:
    max_dd, resume = limits
    e = np.array(equity)
    drawdowns = 1 - e / np.maximum.accumulate(e)
    assume(
        np.all(np.abs(drawdowns - max_dd) > 1e-9) and np.all(np.abs(drawdowns - resume) > 1e-9 * (resume > 0))
    )
    formula, halted = DrawdownControl(max_dd, 0.25, resume, n=10), False
    for i, x in enumerate(equity):
        value = formula.update(x)
        d = drawdowns[i]
        halted = d >= max_dd or (halted and d > resume)
        g = 0.0 if halted else max(0.0, (1 - (1 - max_dd) / (1 - d)) / max_dd)
        assert value == pytest.approx(0.25 * g, abs=1e-12)
        assert (formula.halted, formula.signal) == (halted, int(g > 0))
        assert formula.confidence == pytest.approx(g, abs=1e-12)
        out = formula.outputs
        assert (out["drawdown"], out["max_drawdown"]) == pytest.approx(
            (d, drawdowns[: i + 1].max()), abs=1e-12
        )
        peak = int(np.flatnonzero(e[: i + 1] == e[: i + 1].max())[-1])
        assert (out["peak"], out["duration"], out["halted"]) == (e[peak], i - peak, halted)
        last = np.sort(drawdowns[max(0, i - 9) : i + 1])
        assert out["cdar"] == pytest.approx(last[-math.ceil(0.05 * len(last)) :].mean(), abs=1e-12)


def test_cdar_takes_the_deepest_twentieth() -> None:
    formula = DrawdownControl(1.0, n=100)
    formula.update(1000.0)
    formula.update_many(np.arange(1000.0, 900.0, -1.0))
    assert formula.outputs["cdar"] == pytest.approx(np.mean([0.099, 0.098, 0.097, 0.096, 0.095]), rel=1e-9)


def test_reset_restarts_the_maximum() -> None:
    formula = DrawdownControl(0.2)
    formula.update_many(np.array([100.0, 70.0]))
    assert (formula.halted, formula.value) == (True, 0.0)
    formula.reset()
    assert (formula.halted, formula.value, formula.outputs["peak"]) == (False, 0.25, 70.0)
    formula.update(63.0)
    assert formula.outputs["drawdown"] == pytest.approx(0.1)


def test_equity_of_nothing_has_no_exposure() -> None:
    formula = DrawdownControl(1.0)
    formula.update_many(np.array([100.0, 0.0]))
    assert (formula.value, formula.signal, formula.halted) == (0.0, 0, True)
    formula.reset()
    assert formula.halted


Maker = Callable[[], Any]
MAKERS: list[Maker] = [lambda: KellyCriterion(n_min=2), DrawdownControl]


@pytest.mark.parametrize("maker", MAKERS)
def test_streaming_is_batch(maker: Maker) -> None:
    xs = 100 * np.exp(np.random.default_rng(1).standard_normal(300).cumsum() * 0.05)
    if isinstance(maker(), KellyCriterion):
        xs = np.diff(np.log(xs))
    one, many = maker(), maker()
    stream = np.array([one.update(x) for x in xs])
    parts = np.concatenate([many.update_many(part) for part in np.split(xs, [1, 5, 200])])
    assert stream.tobytes() == parts.tobytes()
    assert repr(one.outputs) == repr(many.outputs)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_changes_nothing(maker: Maker, bad: float) -> None:
    formula = maker()
    formula.update(bad)
    assert math.isnan(formula.value)
    assert (formula.signal, formula.confidence, formula.ready, formula.outputs) == (0, 0.0, False, {})
    formula.update_many(np.array([0.1, 0.2, 0.15]))
    before = repr((formula.value, formula.outputs, formula.confidence))
    formula.update(bad)
    assert repr((formula.value, formula.outputs, formula.confidence)) == before


def test_equity_below_zero_before_any_above_is_skipped() -> None:
    formula = DrawdownControl()
    formula.update_many(np.array([0.0, -5.0]))
    assert not formula.ready


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: kelly(1.1, 0.1, 0.1), r"p must be from 0\.0 to 1\.0, was 1\.1"),
        (lambda: kelly(0.5, 0.0, 0.1), r"take_profit must be from .*, was 0\.0"),
        (lambda: kelly(0.5, 0.1, math.nan), "stop must be from .*, was nan"),
        (lambda: kelly(0.5, 0.1, 0.1, -1.0), r"costs must be from .*, was -1\.0"),
        (lambda: KellyCriterion(n=0), "n must be from 1 to 65536, was 0"),
        (lambda: KellyCriterion(n=10, n_min=11), "n_min must be from 1 to 10, was 11"),
        (lambda: KellyCriterion(fraction=-0.1), r"fraction must be from .*, was -0\.1"),
        (lambda: KellyCriterion(cap=1.5), r"cap must be from .*, was 1\.5"),
        (lambda: DrawdownControl(max_dd=0.0), r"max_dd must be from .*, was 0\.0"),
        (lambda: DrawdownControl(max_dd=0.1, resume=0.2), r"resume must be from 0\.0 to 0\.1, was 0\.2"),
        (lambda: DrawdownControl(kelly=2.0), r"kelly must be from .*, was 2\.0"),
    ],
)
def test_parameters_out_of_range(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
