"""Mean reversion: Ornstein-Uhlenbeck fits, scores and bands, pairs (131 to 150)."""

from livetrading.formulas.mean_reversion import bands, ornstein, pairs, rates  # noqa: F401 - they register
