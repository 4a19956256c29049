# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Bars from ticks, as they come: by time, trades, BTC, USD, imbalance or runs."""
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from livetrading.core.bars cimport (
    LT_BY_IMBALANCE, LT_BY_RUN, LT_BY_SUM, LT_BY_TIME, LT_EGAP, LT_FILL_MAX, LT_WEIGHT_BTC, LT_WEIGHT_TRADE,
    LT_WEIGHT_USD, lt_bar_rule, lt_bar_sink, lt_bars, lt_bars_open, lt_bars_push, lt_bars_standing,
)
from livetrading.core.records cimport LT_TS_MAX, lt_bar, lt_tick

import numpy as np

from livetrading.core.bar_rules import (
    DollarBars, DollarImbalanceBars, RunBars, TickBars, TickImbalanceBars, TimeBars, VolumeBars, VolumeImbalanceBars,
)
from livetrading.core.dtypes import BAR, TICK, Rejection
from livetrading.core.errors import BarError

cdef enum:
    ROOM = 1024                 # bars made before they are handed over
    STRIDE = 65536              # ticks taken before signals are looked at

# The fields of lt_bars, in its order.
_WHOLE = ("last_ts", "ticks", *(f"rejected_{kind.name.lower()}" for kind in Rejection), "closed", "seen", "start",
          "end", "trades")
_REAL = ("open", "high", "low", "close", "volume", "buy_volume", "unsided_volume", "dollar", "theta", "up", "down",
         "threshold", "closing_theta", "closing_threshold", "last_price", "sign", "expected", "imbalance", "mean",
         "square", "norm")
_STATE = np.dtype([(name, "=i8") for name in _WHOLE] + [(name, "=f8") for name in _REAL])


cdef void expect(lt_bar_rule *r, object rule, int by, int weight):
    r.by, r.weight = by, weight
    r.expected, r.expected_min, r.expected_max = rule.T0, rule.T_min, rule.T_max
    r.alpha_bar, r.alpha_trade = 2.0 / (rule.span_T + 1.0), 2.0 / (rule.span_b + 1.0)


cdef void add_up(lt_bar_rule *r, int weight, double threshold):
    r.by, r.weight, r.threshold = LT_BY_SUM, weight, threshold


cdef int rule_open(lt_bar_rule *r, object rule) except -1:
    memset(r, 0, sizeof(lt_bar_rule))
    if isinstance(rule, TimeBars):
        r.by, r.length, r.fill = LT_BY_TIME, rule.length_ns, rule.fill
    elif isinstance(rule, TickBars):
        add_up(r, LT_WEIGHT_TRADE, rule.trades)
    elif isinstance(rule, VolumeBars):
        add_up(r, LT_WEIGHT_BTC, rule.btc)
    elif isinstance(rule, DollarBars):
        add_up(r, LT_WEIGHT_USD, rule.usd)
    elif isinstance(rule, TickImbalanceBars):
        expect(r, rule, LT_BY_IMBALANCE, LT_WEIGHT_TRADE)
    elif isinstance(rule, VolumeImbalanceBars):
        expect(r, rule, LT_BY_IMBALANCE, LT_WEIGHT_BTC)
    elif isinstance(rule, DollarImbalanceBars):
        expect(r, rule, LT_BY_IMBALANCE, LT_WEIGHT_USD)
    elif isinstance(rule, RunBars):
        weights = {"tick": LT_WEIGHT_TRADE, "volume": LT_WEIGHT_BTC, "dollar": LT_WEIGHT_USD}
        expect(r, rule, LT_BY_RUN, weights[rule.weight])
    else:
        raise TypeError(f"rule must be a rule for bars, such as TimeBars('1m'), was {rule!r}")
    return 0


cdef object bytes_of(const lt_bar *bars, int64_t n):
    """A copy of bars with their padding, so that equal bars are equal bytes."""
    out = np.empty(n * sizeof(lt_bar), np.uint8)
    cdef unsigned char[::1] raw = out
    if n > 0:
        memcpy(&raw[0], bars, <size_t> n * sizeof(lt_bar))
    return out


cdef object places_of(const int64_t *places, int64_t n, int64_t first):
    """A copy of the places in a stride, from the beginning of the array that it is of."""
    out = np.empty(n, np.int64)
    cdef int64_t[::1] o = out
    cdef int64_t k
    for k in range(n):
        o[k] = first + places[k]
    return out


cdef class BarBuilder:
    """Builds bars from a stream of ticks, as it comes; how the stream is cut does not matter.

    Parameters
    ----------
    rule : BarRule
        `TimeBars`, `TickBars`, `VolumeBars`, `DollarBars`, `TickImbalanceBars`, `VolumeImbalanceBars`,
        `DollarImbalanceBars` or `RunBars`:
        what closes a bar.

    Raises
    ------
    TypeError
        If `rule` is none of these.

    Notes
    -----
    A tick that breaks a rule of validation, or goes back in time, is counted in `rejected` and changes nothing. Only
    trades advance a rule other than `TimeBars`.

    The trade that reaches a threshold belongs whole to the bar it closes, and is the instant at which the next one
    opens: its `start` is the `ts` of the one before, that of the first bar the time of its first trade. Reached is
    1 - 1e-12 of the threshold. Sums are taken trade by trade, in order.

    `buy_volume` is NaN where a trade of the bar has a volume and side 0.

    Examples
    --------
    >>> import numpy as np
    >>> from livetrading import TICK, VolumeBars
    >>> ticks = np.zeros(3, TICK)
    >>> ticks["ts"], ticks["price"], ticks["volume"], ticks["flags"] = [1, 2, 3], [10, 12, 11], [1, 2, 1], 6
    >>> ticks["bid"] = ticks["ask"] = ticks["price"]
    >>> builder = BarBuilder(VolumeBars(3))
    >>> builder.push(ticks)[["ts", "open", "close", "volume", "trades"]].tolist()
    [(2, 10.0, 12.0, 3.0, 2)]
    >>> builder.open_bar()["volume"].tolist()
    [1.0]
    """

    cdef readonly object rule
    cdef lt_bars _s
    cdef lt_bar_rule _rule
    cdef lt_bar[ROOM] _bars
    cdef int64_t[ROOM] _closed_by
    cdef object _places
    cdef bint _busy

    def __cinit__(self, rule):
        rule_open(&self._rule, rule)
        self.rule = rule
        self._places = places_of(NULL, 0, 0)
        lt_bars_open(&self._s, &self._rule)

    def push(self, ticks):
        """Take ticks.

        Parameters
        ----------
        ticks : ndarray of TICK, shape (n,)

        Returns
        -------
        ndarray of BAR
            The bars that they have closed.

        Raises
        ------
        BarError
            If a gap would be filled with more than 1,048,576 bars.
        TypeError
            If `ticks` is not an array of TICK, contiguous and aligned.
        RuntimeError
            If another thread is pushing.
        KeyboardInterrupt
            On Ctrl-C. After this and after a `BarError` the builder is as it was before.
        """
        if (not isinstance(ticks, np.ndarray) or ticks.dtype != TICK or ticks.ndim != 1
                or not ticks.flags.c_contiguous or not ticks.flags.aligned):
            raise TypeError("ticks must be a contiguous one-dimensional array of TICK, aligned, was "
                            f"{getattr(ticks, 'dtype', type(ticks).__name__)}")
        if self._busy:
            raise RuntimeError("this builder is pushing, in another thread")
        cdef lt_bars before = self._s
        cdef bint whole = False
        self._busy = True
        try:
            bars = self._push(ticks)
            whole = True
        finally:
            self._busy = False
            if not whole:
                self._s = before
        return bars

    cdef object _push(self, ticks):
        cdef const unsigned char[::1] raw
        cdef const lt_tick *source = NULL
        cdef lt_bar_sink sink
        cdef int64_t at = 0, taken = 0, n = len(ticks), stop
        cdef int code
        bars, places = [bytes_of(NULL, 0)], [places_of(NULL, 0, 0)]
        sink.bars, sink.closed_by, sink.room = self._bars, self._closed_by, ROOM
        if n > 0:
            raw = ticks.view(np.uint8)
            source = <const lt_tick *> &raw[0]
        while at < n:
            sink.made = 0
            stop = min(n, at + STRIDE)
            with nogil:
                code = lt_bars_push(&self._s, &self._rule, source + at, stop - at, &sink, &taken)
            if code == LT_EGAP:
                missing = (source[at + taken].ts - self._s.end) // self._rule.length
                raise BarError(f"a gap must be at most {LT_FILL_MAX} bars long to be filled, was {missing} at "
                               f"{source[at + taken].ts} ns")
            bars.append(bytes_of(self._bars, sink.made))
            places.append(places_of(self._closed_by, sink.made, at))
            at += taken
            PyErr_CheckSignals()
        self._places = np.concatenate(places)
        self._places.setflags(write=False)
        return np.concatenate(bars).view(BAR)

    def open_bar(self):
        """Return the bar that is not closed yet, with the flag `BarFlag.OPEN`.

        Returns
        -------
        ndarray of BAR, shape (1,) or (0,)
            None where no tick has come since the last one closed. `ts` is the end of a time bar, which may be ahead,
            of any other the time of its last trade.
        """
        cdef lt_bar bar
        cdef int there = lt_bars_standing(&self._s, &bar)
        return bytes_of(&bar, there).view(BAR)

    @property
    def closed_by(self):
        """Of each bar of the last `push` the place of the tick that closed it; ndarray of int64, read-only."""
        return self._places

    @property
    def ticks(self):
        """Good ticks taken."""
        return self._s.ticks

    @property
    def bars(self):
        """Bars closed, those made up among them."""
        return self._s.closed

    @property
    def rejected(self):
        """Ticks that broke a rule of validation, by kind; dict of str to int."""
        return {kind.name.lower(): self._s.rejected[<int> kind] for kind in Rejection}

    @property
    def threshold(self):
        """What closes the open bar: trades, BTC or USD; 0.0 where time does, or before the first trade."""
        return self._s.threshold

    @property
    def theta(self):
        """What has come together of `threshold`; of an imbalance with its sign."""
        return self._s.theta

    @property
    def closing(self):
        """Theta and threshold with which the last bar closed, (0.0, 0.0) before."""
        return self._s.closing_theta, self._s.closing_threshold

    @property
    def expected_trades(self):
        """Trades expected of the open bar; 0.0 where the rule does not expect any number."""
        return self._s.expected

    def state(self):
        """Return all that the stream has left behind, for `restore`.

        Returns
        -------
        dict of str to (str, int or float)
            The rule as text, and finite numbers; it stays the same in JSON.
        """
        record = np.zeros(1, _STATE)
        cdef unsigned char[::1] raw = record.view(np.uint8)
        memcpy(&raw[0], &self._s, sizeof(lt_bars))
        return {"rule": repr(self.rule), **dict(zip(_STATE.names, record[0].item(), strict=True))}

    def restore(self, state):
        """Go on from where a builder of the same rule gave its `state`.

        Parameters
        ----------
        state : dict

        Raises
        ------
        BarError
            If it is of another rule, or no such state; the builder stays as it was.
        """
        cdef const unsigned char[::1] raw
        record = _record_of(state, self.rule)
        if self._busy:
            raise RuntimeError("this builder is pushing, in another thread")
        raw = record.view(np.uint8)
        memcpy(&self._s, &raw[0], sizeof(lt_bars))


def _record_of(state, rule):
    """The record of a state, or BarError: numbers that no stream leaves could send the kernel astray."""
    if not isinstance(state, dict) or set(state) != {"rule", *_STATE.names}:
        raise BarError(f"a state must be what a builder's state() gave, was {state!r:.200}")
    if state["rule"] != repr(rule):
        raise BarError(f"a state must be of {rule!r}, was of {state['rule']!r:.200}")
    for names, kinds, low, high in ((_WHOLE, int, 0, 2 * LT_TS_MAX - 1), (_REAL, (int, float), -1e300, 1e300)):
        for name in names:
            if not isinstance(state[name], kinds) or not low <= state[name] <= high:
                raise BarError(f"{name} of a state must be a number from {low} to {high}, was {state[name]!r}")
    if state["start"] > state["end"] or state["seen"] == 0 and state["closed"] > 0 and isinstance(rule, TimeBars):
        raise BarError(f"a state must be one that ticks leave behind, was {state!r:.200}")
    return np.array([tuple(state[name] for name in _STATE.names)], _STATE)
