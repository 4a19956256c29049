"""The exception hierarchy of the package."""


class LivetradingError(Exception):
    """Root of every error this package raises on purpose."""


class BadTick(LivetradingError, ValueError):
    """A tick broke a rule of tick validation and the processor was told to be strict."""


class ChainKnotsExhausted(LivetradingError, ValueError):
    """A simulated market was asked for ticks beyond the true prices it was given."""


class OrderError(LivetradingError, ValueError):
    """The paper broker was asked for an order that cannot be."""


class BarError(LivetradingError, ValueError):
    """Bars were asked for on terms that cannot be, or of a stream that they cannot be made of."""
