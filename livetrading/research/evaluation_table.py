"""An evaluation as tables of text, and as a tree for JSON."""

from collections.abc import Mapping
from dataclasses import fields
from math import isnan
from typing import Any, Final

from livetrading.research.history_table import by_reason
from livetrading.research.price_evaluation import Evaluation, Outlook, Row
from livetrading.research.price_findings import findings
from livetrading.research.walk_forward import FORMS, HORIZONS, Comparison

__all__ = ["evaluation_lines", "evaluation_notes", "evaluation_tables", "evaluation_tree"]

ERRORS: Final[Mapping[str, tuple[str, str]]] = {
    "median_abs": ("all", ".3f"),
    "bias": ("bias", "+.3f"),
    "median_abs_early": ("early", ".3f"),
    "median_abs_late": ("late", ".3f"),
    "refit_slope": ("refit\nb", ".2f"),
    "refit_late": ("refit\nlate", ".3f"),
    "shift_late": ("shift\nlate", ".3f"),
}
MOVES: Final[Mapping[str, tuple[str, str]]] = {
    "corr_levels": ("corr\nlevels", ".3f"),
    "corr_changes": ("corr 30-d\nchanges", "+.2f"),
    "slope": ("90-d slope", "+.3f"),
    "slope_t": ("t", "+.1f"),
}
"""Heading and format by figure."""

Table = tuple[str, list[tuple[str, ...]]]


def evaluation_tables(found: Evaluation) -> list[Table]:
    """Return titles and rows of text, the first row of each its headings.

    Parameters
    ----------
    found : Evaluation

    Returns
    -------
    list of (str, list of tuple of str)
        Errors; correlations; the power law refitted; forecasts out of sample. What is undefined is "-".
    """
    tables = [
        (_title(found), _figure_rows(found, ERRORS)),
        ("Correlations, returns after an error, and cointegration", _move_rows(found)),
    ]
    if found.refits:
        title = "Power law fitted to what was known at the end of a year, and its errors later"
        tables.append((title, _refits(found)))
    title = "Out of sample: RMSE over the last price's (Diebold-Mariano p; * beyond chance)"
    return [*tables, (title, _forecast_rows(found))]


def _title(found: Evaluation) -> str:
    days = f"{found.days:,} days with a price, {found.first} to {found.last}"
    return f"Median |ln price - ln model|, {days}; late is from {found.split} on"


def _text(value: float, form: str) -> str:
    return "-" if isnan(value) else format(value, form)


def _figure_rows(found: Evaluation, figures: Mapping[str, tuple[str, str]]) -> list[tuple[str, ...]]:
    rows = [("", *(heading for heading, _ in figures.values()))]
    for row in found.rows:
        cells = (_text(getattr(row.tracking, name), form) for name, (_, form) in figures.items())
        rows.append((row.label + (" (cap)" if row.compared_with == "market_cap_usd" else ""), *cells))
    return rows


def _move_rows(found: Evaluation) -> list[tuple[str, ...]]:
    headings, *rows = _figure_rows(found, MOVES)
    tests = (_text(row.cointegration.p_value, ".3f") for row in found.rows)
    return [(*headings, "coint. p"), *((*row, p) for row, p in zip(rows, tests, strict=True))]


def _refits(found: Evaluation) -> list[tuple[str, ...]]:
    headings = ("fitted to", "a", "b", "later median |e|", "later bias")
    return [
        headings,
        *(
            (
                str(refit.until),
                f"{refit.intercept:.3f}",
                f"{refit.exponent:.3f}",
                f"{refit.later_median_abs:.3f}",
                f"{refit.later_bias:+.3f}",
            )
            for refit in found.refits
        ),
    ]


def _forecast_rows(found: Evaluation) -> list[tuple[str, ...]]:
    asked = [(form, horizon) for horizon in HORIZONS for form in FORMS]
    short = {"level": "level", "error-correction": "error-corr."}
    headings = ("", *(f"{short[form]}\n{horizon} days" for form, horizon in asked))
    growth = tuple("" if form == "level" else _of(found.growth[horizon]) for form, horizon in asked)
    rows = [headings, ("constant growth", *growth)]
    for row in found.rows:
        ahead = [found.outlook(row.label, form, horizon) for form, horizon in asked]
        rows.append((row.label, *("-" if one is None else _shown(one) for one in ahead)))
    return rows


def _of(figures: Comparison) -> str:
    p = "" if isnan(figures.p_value) else f" ({figures.p_value:.2f})"
    return "-" if isnan(figures.rmse_ratio) else f"{figures.rmse_ratio:.3f}{p}"


def _shown(one: Outlook) -> str:
    return _of(one.naive) + ("*" if one.verdict in ("beats", "worse") else "")


def evaluation_notes(found: Evaluation) -> list[str]:
    """Say what was found, what is missing, and what could not be evaluated."""
    caps = [row.label for row in found.rows if row.compared_with == "market_cap_usd"]
    return [
        *findings(found),
        *([f"compared with the market cap, not the price: {', '.join(caps)}"] if caps else []),
        *found.notes,
        *(f"no price from {first} to {last}, nothing was filled" for first, last in found.gaps),
        *(f"not evaluated: {text}" for text in by_reason(found.unavailable)),
    ]


def evaluation_lines(found: Evaluation) -> dict[str, Any]:
    """Return the figures as a tree without lists, to be printed line by line."""
    tree = evaluation_tree(found)
    refits = {refit.pop("until"): refit for refit in tree.pop("power_law_refits")}
    ahead: dict[str, Any] = {}
    for one in tree.pop("forecasts"):
        key = f"{one['model']}, {one['form']}, {one['horizon_days']} days"
        ahead[key] = {
            "rmse_ratio": one["against_last_price"]["rmse_ratio"],
            "p": one["against_last_price"]["p_value"],
            "adjusted_p": one["adjusted_p"],
            "verdict": one["verdict"],
        }
    for name in ("gaps", "findings", "notes", "unavailable"):
        del tree[name]  # they are in the notes
    return {**tree, "power_law_refits": refits, "forecasts": ahead}


def evaluation_tree(found: Evaluation) -> dict[str, Any]:
    """Return all of it ready for JSON; a figure that does not exist is None, with its reason beside.

    Parameters
    ----------
    found : Evaluation

    Returns
    -------
    dict
    """
    return {
        "file": found.path,
        "first": str(found.first),
        "last": str(found.last),
        "days": found.days,
        "split": str(found.split),
        "halvings": found.halvings,
        "gaps": [{"from": str(first), "to": str(last)} for first, last in found.gaps],
        "models": {row.label: _row_tree(row) for row in found.rows},
        "power_law_refits": [{**_plain(refit), "until": str(refit.until)} for refit in found.refits],
        "constant_growth": {str(h): _comparison_tree(c) for h, c in found.growth.items()},
        "forecasts": [_outlook_tree(one) for one in found.outlooks],
        "unavailable": dict(found.unavailable),
        "findings": list(findings(found)),
        "notes": list(found.notes),
    }


def _plain(record: Any) -> dict[str, Any]:
    """Fields of a record; what is NaN is None."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return {
        name: None if isinstance(value, float) and isnan(value) else value for name, value in values.items()
    }


def _row_tree(row: Row) -> dict[str, Any]:
    figures, test = _plain(row.tracking), _plain(row.cointegration)
    if None in figures.values():
        figures["reason"] = "too few days for what is null (30, and 5 points for the slope), or a constant"
    flags = ("benchmark", "prices_inside", "fitted", "scheduled", "compared_with")
    return {**{name: getattr(row, name) for name in flags}, **figures, "cointegration": test}


def _comparison_tree(figures: Comparison) -> dict[str, Any]:
    tree = _plain(figures)
    if None in tree.values():
        tree["reason"] = (
            "fewer than 30 forecasts"
            if tree["rmse"] is None
            else "the variance of the difference is not above 0"
        )
    return tree


def _outlook_tree(one: Outlook) -> dict[str, Any]:
    adjusted = None if isnan(one.adjusted_p) else one.adjusted_p
    return {
        "model": one.label,
        "form": one.form,
        "horizon_days": one.horizon,
        "verdict": one.verdict,
        "adjusted_p": adjusted,
        "same_as": one.same_as or None,
        "against_last_price": _comparison_tree(one.naive),
        "against_constant_growth": _comparison_tree(one.growth),
    }
