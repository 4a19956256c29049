"""What can be wrong with a recording or with a file of results."""

from livetrading.core.errors import LivetradingError

__all__ = ["DataError", "ExtraMissing"]


class DataError(LivetradingError, ValueError):
    """A file cannot be read as ticks, or results cannot be written to it."""


class ExtraMissing(DataError, ImportError):
    """A file format needs an optional dependency that is not installed."""
