"""Published formulas, one class each, by id and by name; `registry` has them all."""
