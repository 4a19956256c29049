"""A market, simulated or recorded, to a file: the ticks that a run on it sees, with their true price."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livetrading.blockchain.chain_clock import ChainClock
from livetrading.config import Config, MarketConfig
from livetrading.core.dtypes import TICK
from livetrading.core.market import Market
from livetrading.data.recorder import Recorder
from livetrading.data.ticks import Recording, open_ticks
from livetrading.engine.interrupt import Interrupt
from livetrading.engine.null_market import CLOCK_END_NS, chaos_market, named_law

__all__ = ["Recorded", "SimulatedTicks", "record_market", "recorder_of"]

SOURCE_MAX: Final = 828
"""Bytes of a header's text."""


class SimulatedTicks:
    """A simulated market, to be read as a recording is.

    Parameters
    ----------
    market : Market
    chain : ChainClock or None
        Whose true price the market is fed.

    Attributes
    ----------
    priced : bool
        Whether there is a true price.
    true_price : ndarray of float64, shape (n,)
        The true price at each tick that was read last, in USD, NaN where not known.
    """

    def __init__(self, market: Market, chain: ChainClock | None) -> None:
        self.priced = chain is not None
        self.true_price = np.empty(0)
        self._market = market
        self._chain = chain

    def read(self, n: int) -> NDArray[np.void]:
        """Make the next `n` ticks, or fewer where the market's clock ends."""
        market = self._market
        n = min(n, (CLOCK_END_NS - market.start_ns) // market.dt_ns - market.index)
        ticks, self.true_price = np.zeros(n, TICK), np.full(n, np.nan)
        if self._chain is not None and n > 0:
            market.feed(self._chain.knots(market.next_ts + (n - 1) * market.dt_ns))
        market.fill(ticks, self.true_price)
        return ticks


@dataclass(frozen=True)
class Recorded:
    """What was recorded.

    Attributes
    ----------
    market, file : str
    ticks, bytes : int
    first_ts, last_ts : int or None
        In ns since the Unix epoch; None without a tick.
    true_price : bool
        Whether the file has one.
    interrupted : bool
    notes : tuple of str
    """

    market: str
    file: str
    ticks: int
    bytes: int
    first_ts: int | None
    last_ts: int | None
    true_price: bool
    interrupted: bool
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return every figure under its name."""
        return {**asdict(self), "notes": list(self.notes)}


def recorder_of(market: MarketConfig, path: Path, *, priced: bool) -> Recorder:
    """Make the recorder of a market, whose name and settings stand in the file's header."""
    keys = ("name", "seed", "dt_s", "spread_bps", "returns") if market.simulated else ("name",)
    source = json.dumps({key: getattr(market, key) for key in keys if getattr(market, key) is not None})
    return Recorder(path, source=source if len(source) <= SOURCE_MAX else "", priced=priced)


def record_market(config: Config, path: Path, *, interrupt: Interrupt | None = None) -> Recorded:
    """Record the ticks of the configured market.

    Parameters
    ----------
    config : Config
        Its `market`, and the `ticks` and `chunk` of its `run`; a recording is recorded whole where no number
        of ticks is given.
    path : Path
        The file, which must not exist and ends in ``.ultra``.
    interrupt : Interrupt, optional
        Ends it early, in good order.

    Returns
    -------
    Recorded

    Raises
    ------
    DataError
        If a recording cannot be read, or `path` cannot be written. What was made of a simulated market stays,
        in a file that says it may go on; of a recording, which is there to be read again, nothing does.
    """
    stop = Interrupt() if interrupt is None else interrupt
    ticks, first, last = 0, None, None
    with ExitStack() as files:
        source = stop.call(lambda: _open(config.market, files))
        priced = source is not None and source.priced
        recorder = recorder_of(config.market, path, priced=priced)
        if not config.market.simulated:
            files.enter_context(_removed_after_an_error(path))
        files.enter_context(recorder)
        while source is not None and not stop.requested:
            left = config.run.chunk if config.run.ticks is None else config.run.ticks - ticks
            rows = stop.call(partial(source.read, min(config.run.chunk, left)))
            if rows is None or len(rows) == 0:
                break
            recorder.write(rows, source.true_price)
            ticks += len(rows)
            first, last = int(rows["ts"][0]) if first is None else first, int(rows["ts"][-1])
    notes = source.notes if isinstance(source, Recording) else ()
    return Recorded(
        *(config.market.name, str(path), ticks, path.stat().st_size, first, last, priced),
        interrupted=stop.requested,
        notes=notes,
    )


@contextmanager
def _removed_after_an_error(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _open(market: MarketConfig, files: ExitStack) -> Recording | SimulatedTicks:
    if not market.simulated:
        return files.enter_context(open_ticks(market.paths, market.columns))
    if market.name == "chaos":
        return SimulatedTicks(*chaos_market(market))
    return SimulatedTicks(named_law(market).market(market.seed), ChainClock(market.seed))
