"""What can be wrong with a formula's parameters or input, and why a formula has nothing to say."""

from dataclasses import dataclass
from typing import Literal

from livetrading.core.errors import LivetradingError

__all__ = ["FormulaError", "Unavailable"]


class FormulaError(LivetradingError, ValueError):
    """A formula's id, parameter, input or state is outside what it allows."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Why a formula cannot become ready.

    Attributes
    ----------
    kind : {"channel", "library"}
        What is missing: data, or an optional library.
    missing : tuple of str
        Names of the channels, or of the package.
    remedy : str
        What to do about it, in a sentence.
    """

    kind: Literal["channel", "library"]
    missing: tuple[str, ...]
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind} {', '.join(self.missing)} is missing: {self.remedy}"
