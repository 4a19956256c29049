"""The stylised facts of a market and of recorded Bitcoin, column beside column."""

from collections.abc import Iterator
from pathlib import Path

from livetrading.research.market_facts import MarketFacts, interval_text
from livetrading.research.stylised_facts import CRITERIA, RECORDED, StylisedFacts, verdicts

__all__ = ["facts_notes", "facts_rows", "facts_title"]


def facts_title(found: MarketFacts) -> str:
    """Say what was measured."""
    name = ", ".join(Path(part).name for part in found.market.split(","))
    seed = "" if found.seed is None else f", seed {found.seed}"
    return f"{name}{seed}: log returns over {interval_text(found)} each, from {found.ticks:,} {_unit(found)}"


def _unit(found: MarketFacts) -> str:
    return "returns" if found.kind == "bars" else "ticks"


def facts_rows(found: MarketFacts) -> list[tuple[str, ...]]:
    """Return the table as text, its first row the names of the columns.

    Parameters
    ----------
    found : MarketFacts

    Returns
    -------
    list of tuple of str
        A label, the market, then each of `RECORDED`; what is undefined is called so.
    """
    columns = [list(_column(facts)) for facts in (found.facts, *(row.facts for row in RECORDED))]
    labels = [label for label, _ in columns[0]]
    values = ([value for _, value in column] for column in columns)
    return [("", "this market", *(row.name for row in RECORDED)), *zip(labels, *values, strict=True)]


def _column(facts: StylisedFacts) -> Iterator[tuple[str, str]]:
    yield "returns", f"{facts.n:,}"
    yield "sd", f"{facts.sd:.4g}"
    yield "skew", _number(facts.skew, ".3f")
    yield "excess kurtosis", _number(facts.excess_kurtosis, ".2f")
    for lag, value in facts.acf_r.items():
        yield f"acf r ({lag})", _number(value, ".3f")
    for lag, value in facts.acf_abs_r.items():
        yield f"acf |r| ({lag})", _number(value, ".3f")
    yield "corr(r, next r^2)", _number(facts.leverage, ".3f")
    for span, value in facts.variance_ratio.items():
        yield f"VR ({span})", _number(value, ".3f")
    yield "Hill, 5%", _number(facts.hill, ".2f")
    answers = verdicts(facts)
    for key, criterion in CRITERIA.items():
        yield criterion.name, {None: "undefined", True: "yes", False: "no"}[answers[key]]


def _number(value: float | None, form: str) -> str:
    return "undefined" if value is None else format(value, form)


def facts_notes(found: MarketFacts) -> list[str]:
    """Say which answers of recorded Bitcoin the market does not give, and how an answer is reached."""
    answers = verdicts(found.facts)
    missed = [criterion.name for key, criterion in CRITERIA.items() if answers[key] is False]
    return [
        "Recorded Bitcoin answers yes to all four; this market answers no to "
        + (", ".join(missed) if missed else "none")
        + ".",
        *(f"{criterion.name}: yes if {criterion.rule}." for criterion in CRITERIA.values()),
        "The standard errors are those of independent normal returns.",
    ]
