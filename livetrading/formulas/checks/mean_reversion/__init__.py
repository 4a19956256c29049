"""Golden numbers and references of mean reversion (131 to 150)."""

from livetrading.formulas.checks.mean_reversion import bands, ornstein, pairs, rates

__all__ = ["bands", "ornstein", "pairs", "rates"]
