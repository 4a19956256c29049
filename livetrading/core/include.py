"""Where the C headers of the core are."""

from pathlib import Path

from livetrading.core import processor

__all__ = ["get_include"]


def get_include() -> str:
    """Return the directory of the C headers; ``lt_tick.h`` has the records and ``lt_signal``."""
    return str(Path(processor.__file__).parents[1] / "include")
