"""Bars from ticks (csrc/include/lt_bars.h)."""
from libc.stdint cimport int32_t, int64_t

from livetrading.core.records cimport LT_BAD_KINDS, lt_bar, lt_tick

cdef extern from "lt_bars.h" nogil:
    int LT_BY_TIME, LT_BY_SUM, LT_BY_IMBALANCE, LT_BY_RUN
    int LT_WEIGHT_TRADE, LT_WEIGHT_BTC, LT_WEIGHT_USD
    int LT_EGAP
    const int64_t LT_FILL_MAX
    ctypedef struct lt_bar_rule:
        int32_t by, weight, fill
        int64_t length
        double threshold, expected, expected_min, expected_max, alpha_bar, alpha_trade
    ctypedef struct lt_bars:
        int64_t last_ts, ticks
        int64_t rejected[LT_BAD_KINDS]
        int64_t closed, seen, start, end, trades
        double open, high, low, close, volume, buy_volume, unsided_volume, dollar
        double theta, up, down, threshold, closing_theta, closing_threshold
        double last_price, sign, expected, imbalance, mean, square, norm
    ctypedef struct lt_bar_sink:
        lt_bar *bars
        int64_t *closed_by
        int64_t room, made
    void lt_bars_open(lt_bars *s, const lt_bar_rule *rule) noexcept
    int lt_bars_push(lt_bars *s, const lt_bar_rule *rule, const lt_tick *ticks, int64_t n, lt_bar_sink *sink,
                     int64_t *taken) noexcept
    int lt_bars_standing(const lt_bars *s, lt_bar *bar) noexcept
