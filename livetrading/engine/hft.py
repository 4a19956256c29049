"""The tick engine: one strategy on its market, and tick for tick the same strategy on the null control."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config, ConfigError, RunConfig
from livetrading.core.dtypes import RESULT
from livetrading.core.market import Market
from livetrading.core.processor import Processor
from livetrading.data.latency import read_latencies
from livetrading.data.recorder import Recorder
from livetrading.data.results import ResultWriter
from livetrading.data.ticks import Recording, open_ticks
from livetrading.engine.interrupt import Interrupt
from livetrading.engine.null_market import (
    CLOCK_END_NS,
    HEAD,
    NoNullMarket,
    NullLaw,
    chaos_market,
    like_recording,
    named_law,
    walk_like,
    walk_like_chaos,
)
from livetrading.engine.record import SimulatedTicks, recorder_of
from livetrading.engine.report import Report, report_of
from livetrading.engine.snapshot import Snapshot, snapshot_of

if TYPE_CHECKING:
    from livetrading.core.totals import Totals

__all__ = ["Clock", "Progress", "run_hft"]

Ticks = NDArray[np.void]
Prices = NDArray[np.float64]
Clock = Callable[[], float]
"""Seconds that never run backwards, from any origin."""
Progress = Callable[[Snapshot], object]
"""Called with the run as it stands, after a chunk and at most sixteen times a second."""
GLANCE_S: Final = 1 / 16
"""Between two calls of a `Progress`: taking a snapshot costs as much as a thousand ticks."""

BOOTSTRAP: Final = (
    "The null control draws on the returns of the recording's first 2^20 rows: in blocks of 20 on average, "
    "each return with a fair sign, scaled to the recording's volatility."
)
"""What the control of a recording is."""

LIMITS: Final[Mapping[str, str]] = {
    "halted": "the kill switch is on",
    "drawdown": "the drawdown control (sizing.max_drawdown) has halted entries",
    "daily_loss": "the loss limit of the day (limits.daily_loss) was reached",
    "stale": "the quote was too old (limits.stale_s)",
    "rate": "there were too many orders in a second (limits.orders_per_s)",
    "realised": "the Kelly fraction realised over closed trades (formula 211) is 0",
    "max_position": "the position would have been too large (limits.max_position_btc)",
    "capital": "the equity did not cover the order and its fee",
}
"""What a refusal that comes of a limit says of the run, by reason."""


class _Run:
    """A processor on what it runs on, advanced chunk by chunk."""

    def __init__(
        self,
        config: Config,
        market: Market | None = None,
        *,
        chain: ChainClock | None = None,
        recording: Recording | None = None,
        law: NullLaw | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        file, seed = config.settings.broker.latency_file, config.market.seed
        late = read_latencies(Path(file)) if file else None
        # What is recorded has to pass by here: the market's ticks are read then, as a recording's are.
        run_on = market if recorder is None else None
        self.processor = Processor(config.settings, config.run.capital, run_on, seed=seed, latencies=late)
        self.ticks = 0
        self.seconds = 0.0
        self.law = law
        self._market = market
        self._chain = chain
        self._recording = recording
        self._recorder = recorder
        self._source: Recording | SimulatedTicks | None = recording
        if market is not None and recorder is not None:
            self._source = SimulatedTicks(market, chain)
        self._rows_read = 0
        self._at_end = False

    def left(self, run: RunConfig) -> int:
        """Ticks of the next chunk, 0 at the end."""
        if run.seconds is not None and self.seconds >= run.seconds:
            return 0
        if self._market is None:
            behind, room = self._rows_read, 0 if self._at_end else run.chunk
        else:
            behind, room = self.ticks, 0 if self._at_end else self.room
        return min(run.chunk, room, run.chunk if run.ticks is None else run.ticks - behind)

    @property
    def room(self) -> int:
        """Ticks that the market can still make before its clock ends."""
        if self._market is None:
            return 0
        return (CLOCK_END_NS - self._market.start_ns) // self._market.dt_ns - self.ticks

    def done(self, run: RunConfig) -> float | None:
        """Share of the run that is behind."""
        if run.seconds is not None:
            return min(1.0, self.seconds / run.seconds)
        if self._recording is not None:  # it ends with its rows, or before
            return max(self._recording.done, self._rows_read / (run.ticks or inf))
        return None if run.ticks is None else self.ticks / run.ticks

    def advance(
        self, n: int, stop: Interrupt, clock: Clock, every: int = 1, writer: "_Rows | None" = None
    ) -> None:
        """Make `n` ticks, or read as many or fewer, up to the request to stop, and write their rows."""
        begun = clock()
        results = None if writer is None else writer.results
        if self._source is not None:
            read = self._source.read
            rows = stop.call(lambda: read(n))
            if rows is not None:
                self._replay(rows, self._source.true_price, stop, results, every)
        elif self._market is not None and (n := min(n, self.room)) > 0:
            if self._chain is not None:
                self._market.feed(self._chain.knots(self._market.next_ts + (n - 1) * self._market.dt_ns))
            stop.call(lambda: self.processor.run(n, results, every))
        before, self.ticks = self.ticks, self.processor.totals()["ticks"]
        if writer is not None:
            writer.write(before, self.ticks)
        self.seconds += clock() - begun

    def _replay(
        self, rows: Ticks, price: Prices | None, stop: Interrupt, results: Ticks | None, every: int
    ) -> None:
        """Take ticks that were read, and record those of them that were taken before a request to stop."""
        stop.call(lambda: self.processor.replay(rows, results, every, price))
        if self._recorder is not None:
            totals = self.processor.totals()
            taken = totals["ticks"] + sum(totals["rejected"].values()) - self._rows_read
            self._recorder.write(rows[:taken], None if price is None else price[:taken])
        self._rows_read += len(rows)
        self._at_end = len(rows) == 0


class _Rows:
    """The rows of results on their way to a file, through one array."""

    def __init__(self, writer: ResultWriter, run: RunConfig) -> None:
        self.results = np.zeros(-(-run.chunk // run.every), RESULT)
        self._writer = writer
        self._every = run.every

    def write(self, before: int, after: int) -> None:
        """Write the rows of ticks `before` to `after` - 1, which a chunk broken off has written too."""
        rows = -(-after // self._every) - -(-before // self._every)
        self._writer.write(self.results[:rows])


def run_hft(
    config: Config,
    *,
    null_control: bool = True,
    out: Path | None = None,
    record: Path | None = None,
    progress: Progress | None = None,
    clock: Clock = time.monotonic,
    interrupt: Interrupt | None = None,
) -> Report:
    """Trade the configured market on paper, tick by tick.

    Parameters
    ----------
    config : Config
    null_control : bool
        Run the same strategy on a null market of the same seed and number of ticks beside it, chunk by chunk,
        so that the two end together whenever the run ends: on a random walk, for a recording on a bootstrap
        of its returns. Its volatility is that of the market's first 2**20 ticks or rows.
    out : Path, optional
        Write a row of results every ``config.run.every`` ticks of the market (not of the control) to this
        file, as `ResultWriter` does.
    record : Path, optional
        Record the ticks that the run takes, with their true price, to this new ``.ultra`` file: a replay of
        it under the same configuration, its seed too, makes the same fills.
    progress : callable, optional
        Called after a chunk, at most sixteen times a second of `clock`.
    clock : callable
        The wall clock.
    interrupt : Interrupt, optional
        Ends the run early, in good order, as does KeyboardInterrupt.

    Returns
    -------
    Report

    Raises
    ------
    ConfigError
        If "user" is among the voters: only a `Processor` takes a caller's signal.
    DataError
        If the recording cannot be read, or `out` or `record` cannot be written.
    LivetradingError
        If a part that the run needs is missing.
    """
    if "user" in config.settings.signals.voters:
        raise ConfigError(
            "signals.voters must not hold 'user' in a run, whose market and control would need signals: "
            f"give it to a Processor; was {', '.join(config.settings.signals.voters)}"
        )
    stop = Interrupt() if interrupt is None else interrupt
    prepare = _prepare_simulated if config.market.simulated else _prepare_recorded
    results = nullcontext() if out is None else ResultWriter(out, RESULT)
    with ExitStack() as files:
        main, null, notes = prepare(config, null_control, stop, files, record)
        writer = files.enter_context(results)
        rows = None if writer is None else _Rows(writer, config.run)
        _drive(main, null, config.run, stop, clock, progress, rows)
    control = None if null is None else _close(config, null)
    if stop.requested:
        notes.append("The run was interrupted; the figures are of the ticks up to there.")
    elif config.market.simulated and main.room == 0:
        notes.append("The run ended where the clock of the market ends, in the year 2116.")
    if null is not None and null.ticks < main.ticks:
        notes.append("The null control ended where the clock of its market ends, in the year 2116.")
    return _close(config, main, control=control, interrupted=stop.requested, notes=notes)


def _prepare_recorded(
    config: Config, null_control: bool, stop: Interrupt, files: ExitStack, record: Path | None
) -> tuple[_Run, _Run | None, list[str]]:
    notes, null, priced = list[str](), None, False
    recording = stop.call(lambda: open_ticks(config.market.paths, config.market.columns))
    if recording is not None:
        files.callback(recording.close)
        notes, priced = list(recording.notes), recording.priced
    if not priced:
        notes.insert(0, "A recording has no true price: deviation had no input.")
    if recording is not None and null_control:
        head = partial(recording.head, min(HEAD, config.run.ticks or HEAD))
        try:
            law = stop.call(lambda: like_recording(head()))
        except NoNullMarket as error:
            notes.append(f"There is no null control: {error}.")
            law = None
        if law is not None:
            null = _on_null(config, law)
            notes.append(BOOTSTRAP)
    recorder = _recorder(config, record, files, priced)
    return _Run(config, recording=recording, recorder=recorder), null, notes


def _recorder(config: Config, record: Path | None, files: ExitStack, priced: bool) -> Recorder | None:
    if record is None:
        return None
    return files.enter_context(recorder_of(config.market, record, priced=priced))


def _prepare_simulated(
    config: Config, null_control: bool, stop: Interrupt, files: ExitStack, record: Path | None
) -> tuple[_Run, _Run | None, list[str]]:
    market, notes = config.market, list[str]()
    if market.name == "chaos":
        made, chain = chaos_market(market)
        main = _Run(config, made, chain=chain, recorder=_recorder(config, record, files, True))
        walk = stop.call(lambda: walk_like_chaos(market)) if null_control else None
        return main, None if walk is None else _on_null(config, walk), notes
    law = stop.call(lambda: named_law(market))
    if law is None:
        return _Run(config), None, notes
    control: NullLaw | None = law
    if not null_control:
        control = None
    elif law.name == "gbm":
        notes.append("This market is the null market itself: it and its control are equal.")
    else:
        notes.append(f"The null control is gbm with the volatility of this market's first {HEAD:,} ticks.")
        control = stop.call(lambda: walk_like(law, market.seed))
    main = _on_null(config, law, _recorder(config, record, files, True))
    return main, None if control is None else _on_null(config, control), notes


def _on_null(config: Config, law: NullLaw, recorder: Recorder | None = None) -> _Run:
    """Run on a null market; it has a true price where the configured market has one."""
    seed = config.market.seed
    chain = ChainClock(seed) if config.market.simulated else None
    return _Run(config, law.market(seed), chain=chain, law=law, recorder=recorder)


def _drive(
    main: _Run,
    null: _Run | None,
    run: RunConfig,
    stop: Interrupt,
    clock: Clock,
    progress: Progress | None,
    rows: _Rows | None,
) -> None:
    begun = shown = clock()
    while not stop.requested and (n := main.left(run)) > 0:
        main.advance(n, stop, clock, run.every, rows)
        if null is not None:
            null.advance(main.ticks - null.ticks, stop, clock)
        if progress is not None and (now := clock()) - shown >= GLANCE_S:
            shown = now
            progress(
                snapshot_of(
                    main.processor,
                    None if null is None else null.processor,
                    ticks=main.ticks,
                    done=main.done(run),
                    elapsed=now - begun,
                    seconds=main.seconds,
                )
            )
    if null is not None:
        # What is missing is less than a chunk, a matter of milliseconds: not worth two unequal columns.
        null.advance(main.ticks - null.ticks, Interrupt(), clock)


def _close(
    config: Config,
    run: _Run,
    *,
    control: Report | None = None,
    interrupted: bool = False,
    notes: Sequence[str] = (),
) -> Report:
    run.processor.close()
    totals = run.processor.totals()
    return report_of(
        config,
        totals,
        run.seconds,
        market=None if run.law is None else run.law.described(),
        null_control=control,
        interrupted=interrupted,
        notes=(*notes, *_limit_notes(totals)),
    )


def _limit_notes(totals: "Totals") -> list[str]:
    """Name the limits that held orders, and what kept a run from any trade."""
    refused = totals["refused"]
    notes = [f"{refused[name]:,} orders were refused: {LIMITS[name]}." for name in LIMITS if refused[name]]
    if totals["trades"] == 0 and any(refused.values()):
        most = max(refused, key=lambda name: refused[name])
        notes.append(f"There was no trade; most orders were refused for {most.replace('_', ' ')}.")
    return notes
