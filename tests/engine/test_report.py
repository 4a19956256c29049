"""The figures of a report against independent references."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest

from livetrading.config import load_config
from livetrading.engine.report import report_of, wilson_interval

# The keys of --json that the command line promises, in their order.
KEYS = [
    "engine",
    "market",
    "preset",
    "seed",
    "capital",
    "ticks",
    "seconds",
    "ticks_per_second",
    "trades",
    "wins",
    "win_rate",
    "win_rate_low",
    "win_rate_high",
    "gross_pnl",
    "fees",
    "borrow",
    "net_pnl",
    "equity",
    "max_drawdown",
    "bps_per_trade",
    "rejected_ticks",
    "refused_orders",
    "fills_sha256",
    "config",
    "null_control",
]

CONFIG = load_config({"run.capital": 100, "market.seed": 7}, preset="seed")


def totals(**changed: Any) -> dict[str, Any]:
    return {
        "ticks": 1000,
        "fills": 0,
        "trades": 0,
        "wins": 0,
        "position_sat": 0,
        "cash_micro": 100_000_000,
        "gross_micro": 0,
        "fees_micro": 0,
        "borrow_micro": 0,
        "equity_usd": 100.0,
        "max_drawdown": 0.0,
        "return_sum": 0.0,
        "return_sum_sq": 0.0,
        "rejected": {"price": 0, "crossed": 3},
        "refused": {"no_edge": 5},
        "fills_sha256": "e3b0",
        **changed,
    }


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_that_of_scipy(case: tuple[int, int]) -> None:
    wins, trades = case
    reference = binomtest(wins, trades).proportion_ci(0.95, method="wilson")
    interval = wilson_interval(wins, trades)
    assert interval == pytest.approx((reference.low, reference.high), rel=1e-9, abs=1e-15)
    assert interval is not None
    assert 0.0 <= interval[0] <= wins / trades <= interval[1] <= 1.0


def test_a_report_has_the_promised_keys_and_is_json() -> None:
    control = report_of(CONFIG, totals(), 1.0, market={"name": "gbm", "dt_s": 0.5})
    report = report_of(CONFIG, totals(), 2.0, null_control=control, notes=("a note",))
    tree = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert list(tree) == KEYS
    assert list(tree["null_control"]) == KEYS
    assert tree["null_control"]["null_control"] is None
    assert (tree["engine"], tree["market"], tree["preset"], tree["seed"]) == ("hft", "chaos", "seed", 7)
    assert (tree["ticks"], tree["seconds"], tree["ticks_per_second"]) == (1000, 2.0, 500.0)
    assert (tree["null_control"]["market"], tree["null_control"]["config"]["market"]["dt_s"]) == ("gbm", 0.5)
    assert tree["config"] == CONFIG.to_dict()
    assert (tree["rejected_ticks"], tree["refused_orders"]) == ({"price": 0, "crossed": 3}, {"no_edge": 5})


def test_what_is_undefined_without_trades_or_time_is_none() -> None:
    report = report_of(CONFIG, totals(ticks=0), 0.0)
    undefined = {key for key, value in report.to_dict().items() if value is None}
    assert undefined == {
        "ticks_per_second",
        "win_rate",
        "win_rate_low",
        "win_rate_high",
        "bps_per_trade",
        "null_control",
    }
    assert report.sharpe_per_trade is None


@given(st.integers(-(10**15), 10**15), st.integers(0, 10**15), st.integers(0, 10**15))
def test_money_comes_from_whole_micro_dollars(gross: int, fees: int, borrow: int) -> None:
    report = report_of(CONFIG, totals(gross_micro=gross, fees_micro=fees, borrow_micro=borrow), 1.0)
    shown = (report.gross_pnl, report.fees, report.borrow, report.net_pnl)
    for usd, micro in zip(shown, (gross, fees + borrow, borrow, gross - fees - borrow), strict=True):
        assert usd == float(f"{'-' if micro < 0 else ''}{abs(micro) // 10**6}.{abs(micro) % 10**6:06}")


@given(st.lists(st.floats(-0.02, 0.02), min_size=2, max_size=50))
def test_returns_of_trades_give_their_mean_and_sharpe_ratio(returns: list[float]) -> None:
    values = np.array(returns)
    assume(values.std() > 1e-4 * max(1e-6, abs(values).max()))
    given_totals = totals(
        trades=len(values), return_sum=values.sum(), return_sum_sq=(values * values).sum(), wins=0
    )
    report = report_of(CONFIG, given_totals, 1.0)
    assert report.bps_per_trade == pytest.approx(values.mean() * 1e4, rel=1e-12, abs=1e-12)
    assert report.sharpe_per_trade == pytest.approx(values.mean() / values.std(ddof=1), rel=1e-4, abs=1e-9)


def test_equal_returns_have_no_sharpe_ratio() -> None:
    value = 0.1
    report = report_of(CONFIG, totals(trades=3, return_sum=3 * value, return_sum_sq=3 * value * value), 1.0)
    assert report.sharpe_per_trade is None
