"""What can be wrong with a recording or with a file of results."""

from pathlib import Path
from typing import Self

from livetrading.core.errors import LivetradingError

__all__ = ["DataError", "ExtraMissing", "NoRows", "UltraDamaged"]


class DataError(LivetradingError, ValueError):
    """A file cannot be read as ticks, or results cannot be written to it."""


class ExtraMissing(DataError, ImportError):
    """A file format needs an optional dependency that is not installed."""


class UltraDamaged(DataError):
    """A part of an ultra file does not agree with its checksum, or was never written.

    Attributes
    ----------
    path : Path
    block : int or None
        The block, from 0; None for the file's header and its end mark.
    """

    def __init__(self, path: Path, block: int | None, words: str) -> None:
        where = str(path) if block is None else f"{path}, block {block}"
        super().__init__(f"{where}: {words}")
        self.path = path
        self.block = block
        self._words = words

    def __reduce__(self) -> tuple[type[Self], tuple[Path, int | None, str]]:
        """Go whole from one process to another."""
        return type(self), (self.path, self.block, self._words)


class NoRows(DataError):
    """A file holds a header, or a schema, and nothing else."""
