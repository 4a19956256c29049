"""What an evaluation says in words, each sentence chosen by the numbers it names."""

from collections.abc import Iterator, Sequence
from datetime import date
from math import exp, isnan, log, sqrt
from typing import Final

from livetrading.research.price_evaluation import SIGNIFICANT, Evaluation, Outlook, Row
from livetrading.research.price_statistics import CHANGE_DAYS
from livetrading.research.walk_forward import FORMS, HORIZONS, Form, holm

__all__ = ["findings"]

CHOSEN: Final = date(2025, 11, 30)
"""The day whose market 0.044 USD/kWh at 25 J/TH was chosen to meet."""
TWO_ERRORS: Final = 2.0
ALIKE: Final = 0.02
"""Difference between two correlations, or two median factors, that is not worth a sentence."""


def findings(found: Evaluation) -> tuple[str, ...]:
    """Say what the figures mean, and what they do not.

    Parameters
    ----------
    found : Evaluation

    Returns
    -------
    tuple of str
        Levels and changes; the size of TRUE PRICE's errors; fits in and out of sample; slopes; cointegration;
        forecasts out of sample; each where there are figures for it.
    """
    parts = (_levels, _true_price, _fits, _slopes, _cointegrated, _out_of_sample)
    told = [" ".join(sentences) for part in parts if (sentences := list(part(found)))]
    by_form = [text for horizon in HORIZONS for form in FORMS for text in _by_form(found, horizon, form)]
    return (*told, *by_form, *_known_later(found))


def _own(found: Evaluation) -> list[Row]:
    """Models that read no market price, though their constants may be fitted to some."""
    return [row for row in found.rows if not row.prices_inside]


def _factor(error: float) -> str:
    return "undefined" if isnan(error) else f"{exp(error):.2f}"


def _names(labels: Sequence[str]) -> str:
    quoted = list(labels)
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"


def _levels(found: Evaluation) -> Iterator[str]:
    known = [row.tracking.corr_levels for row in _own(found) if not isnan(row.tracking.corr_levels)]
    past = found.row(f"price {CHANGE_DAYS} days ago")
    if known:
        low, high = min(known), max(known)
        yield f"The levels of the {len(known)} models that read no prices correlate with the market at " + (
            f"{low:.2f} to {high:.2f}." if len(known) > 1 else f"{low:.2f}."
        )
        if past is not None and not isnan(past.tracking.corr_levels):
            level = past.tracking.corr_levels
            if high > 0.8 and level > high - ALIKE:
                yield (
                    f"That is no evidence: series that trend together correlate, and the price of "
                    f"{CHANGE_DAYS} days before reaches {level:.3f}."
                )
            elif high > level:
                yield f"The price of {CHANGE_DAYS} days before reaches {level:.3f} only."
            else:
                yield f"The price of {CHANGE_DAYS} days before reaches {level:.3f}."
    row = found.row("true-price")
    if row is not None and not isnan(row.tracking.corr_changes):
        yield _moves(row)


def _moves(row: Row) -> str:
    r = row.tracking.corr_changes
    band = TWO_ERRORS / sqrt(row.tracking.changes / CHANGE_DAYS)
    said = f"TRUE PRICE's changes over {CHANGE_DAYS} days correlate with the market's at {r:+.2f}"
    against = f"two standard errors of as many stretches that do not overlap are {band:.2f}"
    if abs(r) <= band:
        return f"{said}, where {against}: it does not track the market's moves."
    if r > 0:
        return f"{said}, where {against}: it shares {r * r:.0%} of the variance of the market's moves."
    return f"{said}, where {against}: it moves against the market."


def _true_price(found: Evaluation) -> Iterator[str]:
    row, mean = found.row("true-price"), found.row("200-day mean price")
    if row is None or isnan(row.tracking.median_abs):
        return
    mine = row.tracking
    yield (
        f"TRUE PRICE at 0.044 USD/kWh is off by a factor of {_factor(mine.median_abs)} in the median, "
        f"{_factor(mine.median_abs_late)} from {found.split} on."
    )
    if mean is not None and not isnan(mean.tracking.median_abs):
        other = mean.tracking
        closer = "closer" if other.median_abs < mine.median_abs else "no closer"
        yield (
            "A mean of 200 days, which knows prices and nothing else, is off by "
            f"{_factor(other.median_abs)} and {_factor(other.median_abs_late)}: it is {closer} over all."
        )
    dearer = found.row("true-price c 0.05")
    if dearer is not None:
        yield f"At 0.05 USD/kWh TRUE PRICE would be off by {_factor(dearer.tracking.median_abs)}."
    inside = found.first <= CHOSEN <= found.last
    yield (
        f"The cost of energy and 25 J/TH were chosen to meet the market of {CHOSEN}, "
        + ("inside this window: in-sample by design." if inside else "outside this window.")
    )


def _fits(found: Evaluation) -> Iterator[str]:
    fitted = [row.label for row in found.rows if row.fitted and row.label.startswith("power-law")]
    if fitted:
        yield (
            f"The coefficients of {_names(fitted)} were fitted by their authors to market prices, over days "
            "they do not state: errors here are in-sample wherever the windows overlap."
        )
    if found.refits:
        worst = max(found.refits, key=lambda refit: refit.later_median_abs)
        best = min(found.refits, key=lambda refit: refit.later_median_abs)
        exponents = [refit.exponent for refit in found.refits]
        yield (
            f"Refitted to the prices known at the end of a year, the power law's exponent went from "
            f"{min(exponents):.2f} to {max(exponents):.2f}, and it missed what came by a median factor of "
            f"{_factor(worst.later_median_abs)} (fit to {worst.until.year}) down to "
            f"{_factor(best.later_median_abs)} (fit to {best.until.year})."
        )
    row = found.row("s2f-planb-2019")
    if row is not None and not isnan(row.tracking.median_abs_late):
        early, late = row.tracking.median_abs_early, row.tracking.median_abs_late
        broke = late > log(2.0) and late > early + log(1.5)
        before = "" if isnan(early) else f", of {_factor(early)} before"
        yield (
            f"Stock-to-flow {'broke' if broke else 'did not break'}: off by a median factor of "
            f"{_factor(late)} from {found.split} on{before}."
        )


def _slopes(found: Evaluation) -> Iterator[str]:
    rows = [row for row in found.rows if not row.benchmark and not isnan(row.tracking.slope_t)]
    if not rows:
        return
    beyond = [row for row in rows if abs(row.tracking.slope_t) > TWO_ERRORS]
    points = max(row.tracking.slope_points for row in rows)
    cycles = f"{found.halvings} halving{'' if found.halvings == 1 else 's'}"
    if beyond:
        shown = _names([f"{row.label} ({row.tracking.slope_t:+.1f})" for row in beyond])
        rising = [row.tracking.slope_t > 0 for row in beyond]
        way = "positive" if all(rising) else "of either sign" if any(rising) else "negative"
        yield (
            f"The slope of the next 90 days' return on the error is {way} and beyond two standard errors "
            f"for {shown}."
        )
        yield (
            f"That comes from {points} points, {cycles} and {len(rows)} models tried on the same prices: not "
            "evidence for a trading edge."
        )
    else:
        largest = max(rows, key=lambda row: abs(row.tracking.slope_t))
        yield (
            f"No model's error says anything of the next 90 days' return: of {len(rows)} slopes over "
            f"{points} points the largest has t {largest.tracking.slope_t:+.1f} ({largest.label})."
        )
    yield "No model here is offered as an edge."


def _cointegrated(found: Evaluation) -> Iterator[str]:
    rows = [row for row in found.rows if not row.benchmark and not isnan(row.cointegration.p_value)]
    if not rows:
        return
    adjusted = holm([row.cointegration.p_value for row in rows])
    tied = [row for row, p in zip(rows, adjusted, strict=True) if p < SIGNIFICANT]
    alone = [row for row in rows if row.cointegration.p_value < SIGNIFICANT and row not in tied]
    lags = rows[0].cointegration.lags_max
    yield (
        f"Engle and Granger's test (constant, lags by AIC up to {lags}) rejects that market and model wander "
        + (f"apart for {_names([row.label for row in tied])}" if tied else "apart for none")
        + f", at 5 % for all {len(rows)} tests together (Holm)"
        + (f"; taken alone also for {_names([row.label for row in alone])}" if alone else "")
        + "."
    )
    if any(row.label.startswith("true-price") for row in tied):
        yield (
            "That TRUE PRICE and the market keep together does not say which of the two follows: miners buy "
            "machines when the price is high."
        )
    inside = [row.label for row in tied if row.prices_inside]
    if inside:
        yield f"{_names(inside)} is made of market prices."
    scheduled = [row.label for row in rows if row.scheduled]
    if scheduled:
        yield (
            f"{_names(scheduled)} follow the calendar alone, and the test's critical values are for random "
            "walks: read those p as rough."
        )


def _out_of_sample(found: Evaluation) -> Iterator[str]:
    counted = [one for one in found.outlooks if one.verdict != "undefined" and not one.same_as]
    if not counted:
        yield (
            "Out of sample nothing can be said: after two years of training the window leaves too few "
            "forecasts."
        )
        return
    first = counted[0].naive
    yield (
        f"Out of sample, of {len(counted)} different forecasts (some {first.forecasts} origins each, the "
        f"regression fitted anew at every one), "
        + _told("beat the last price", [one for one in found.outlooks if one.verdict == "beats"])
        + "."
    )
    rates = [f"{h} days {c.rmse_ratio:.3f}" for h, c in found.growth.items() if not isnan(c.rmse_ratio)]
    if rates:
        yield f"Constant growth has an RMSE over that of the last price of: {', '.join(rates)}."


def _told(what: str, outlooks: Sequence[Outlook]) -> str:
    if not outlooks:
        return f"none is shown to {what} (lower RMSE, and p < 5 % after Holm)"
    shown = [f"{one.label} ({one.form}, {one.horizon} days)" for one in outlooks]
    return f"these {what} (lower RMSE, and p < 5 % after Holm): {_names(shown)}"


def _by_form(found: Evaluation, horizon: int, form: Form) -> Iterator[str]:
    asked = (horizon, form)
    those = [one for one in found.outlooks if (one.horizon, one.form) == asked and not one.same_as]
    groups = {
        "lower within chance": [one for one in those if one.verdict == "lower"],
        "higher within chance": [one for one in those if one.verdict == "higher"],
        "higher beyond chance": [one for one in those if one.verdict == "worse"],
    }
    said = [
        f"{what} for {_names([f'{one.label} {one.naive.rmse_ratio:.3f}' for one in group])}"
        for what, group in groups.items()
        if group
    ]
    if said:
        yield f"{horizon} days, {form} form, RMSE over the last price's: {'; '.join(said)}."


def _known_later(found: Evaluation) -> Iterator[str]:
    later = [row.label for row in found.rows if row.fitted]
    if later and any(one.verdict != "undefined" for one in found.outlooks):
        yield (
            f"The constants of {_names(later)} were fitted or chosen in part on days after these forecasts, "
            "and so were efficiencies behind TRUE PRICE. The level form fits level and slope anew; the "
            "error-correction form takes the model as it stands, so that even out of sample it flatters."
        )
