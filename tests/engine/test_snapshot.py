"""What progress is shown, against the rows and the figures of the run itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livetrading.config import Config, load_config
from livetrading.core.dtypes import TICK
from livetrading.core.processor import Processor
from livetrading.engine.hft import run_hft
from livetrading.engine.snapshot import Snapshot, snapshot_of

DATA = Path(__file__).parents[1] / "data"
PAIR = f"{DATA / 'btcusdt_spot_20240808_quotes.csv'},{DATA / 'btcusdt_spot_20240808_trades.csv'}"
CHUNK = 4000


def configured(**flags: Any) -> Config:
    given = {"run_capital": 1000, "run_chunk": CHUNK, **flags}
    return load_config({key.replace("_", ".", 1): value for key, value in given.items()}, preset="seed")


class SteadyClock:
    """The same time passes from each look to the next."""

    def __init__(self, step: float = 1.0) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def snapshots(config: Config, step: float = 1.0, **options: Any) -> list[Snapshot]:
    """Those of a run by a clock on which every chunk is worth one."""
    seen: list[Snapshot] = []
    run_hft(config, progress=seen.append, clock=SteadyClock(step), **options)
    return seen


class TestSnapshots:
    def test_each_is_the_row_of_its_last_tick(self, tmp_path: Path) -> None:
        config = configured(run_ticks=10 * CHUNK + 1)
        seen = snapshots(config, out=tmp_path / "rows.npy")
        rows = np.load(tmp_path / "rows.npy")
        assert [s.ticks for s in seen] == [CHUNK * (k + 1) for k in range(10)] + [10 * CHUNK + 1]
        for s in seen:
            row = rows[s.ticks - 1]
            assert (s.price, s.true_price) == (row["market_price"], row["true_price"])
            assert (s.vote_logodds, s.vote_probability) == (row["vote_logodds"], row["vote_probability"])
            assert s.direction == row["direction"]
            a = s.account
            assert (a.equity, a.drawdown, a.position_sat) == (row["equity"], row["drawdown"], row["position"])
            assert (a.trades, a.wins) == (row["trades"], row["wins"])
        assert seen[-1].account.trades > 0
        assert len({s.account.position_sat for s in seen}) > 1
        assert len({s.direction for s in seen}) > 1

    def test_the_control_is_that_of_the_report(self) -> None:
        config = configured(run_ticks=50 * CHUNK)
        seen: list[Snapshot] = []
        control = run_hft(config, progress=seen.append, clock=SteadyClock()).null_control
        shown = seen[-1].control
        assert control is not None
        assert shown is not None
        assert control.trades - shown.trades in (0, 1)  # one may have been open, and was closed at the end
        assert 0 <= shown.drawdown <= control.max_drawdown
        assert shown.wins > 0
        assert shown != seen[-1].account
        assert all(s.control is None for s in snapshots(config, null_control=False))

    def test_a_recording_has_no_true_price(self) -> None:
        last = snapshots(configured(market_name=PAIR, run_chunk=100))[-1]
        assert last.true_price is None
        assert last.price == pytest.approx(61_660, rel=1e-2)
        assert (last.ticks, last.done) == (597, 1.0)

    def test_a_majority_has_no_odds(self) -> None:
        fixed = {"vote_kind": "majority", "sizing_kind": "fixed", "sizing_quantity_btc": 1e-6}
        last = snapshots(configured(run_ticks=CHUNK, **fixed))[-1]
        assert (last.vote_logodds, last.vote_probability) == (None, None)

    def test_seconds_are_the_markets_and_elapsed_both_sides(self) -> None:
        # Two looks a side and chunk, one a snapshot: each takes a second.
        seen = snapshots(configured(run_ticks=3 * CHUNK))
        assert [s.seconds for s in seen] == [1.0, 2.0, 3.0]
        assert [s.elapsed for s in seen] == [5.0, 10.0, 15.0]

    def test_there_are_sixteen_a_second_at_most(self) -> None:
        # Five looks at the clock a chunk, 32 in a sixteenth of a second: every seventh chunk.
        seen = snapshots(configured(run_ticks=100 * CHUNK), step=1 / 512)
        assert [s.ticks for s in seen] == [7 * k * CHUNK for k in range(1, 15)]

    def test_before_the_first_tick_nothing_is_known(self) -> None:
        processor = Processor(configured().settings, 1000.0)
        processor.replay(np.zeros(5, TICK))
        s = snapshot_of(processor, processor, ticks=0, done=None, elapsed=0.0, seconds=0.0)
        assert (s.ticks, s.price, s.true_price, s.vote_logodds, s.direction) == (0, None, None, None, 0)
        assert s.control == s.account
        assert (s.account.equity, s.account.drawdown, s.account.trades) == (1000.0, 0.0, 0)
