"""Ctrl-C and its like as a request that tears nothing."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

__all__ = ["Interrupt"]

T = TypeVar("T")


class Interrupt:
    """A signal to stop, let through only where the caller says that it may break off the work.

    Elsewhere it is remembered, so that a file half written or a ledger half closed is finished first.

    Attributes
    ----------
    requested : bool
        Whether the signal came.
    signum : int
        Which it was; SIGINT unless `handle` saw another.

    Notes
    -----
    `handle` is to be installed with ``signal.signal``. Where it is not, a KeyboardInterrupt that comes out of
    the work in `call` counts as the request.
    """

    def __init__(self) -> None:
        self.requested = False
        self.signum: int = signal.SIGINT
        self._open = False

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Take the signal; the work in `call` ends with KeyboardInterrupt."""
        self.requested = True
        self.signum = signum
        if self._open:
            self._open = False
            raise KeyboardInterrupt

    def call(self, work: Callable[[], T]) -> T | None:
        """Do work that may be broken off anywhere.

        Returns
        -------
        object or None
            What `work` returned; None if the request came before its end.
        """
        try:
            self._open = True
            try:
                # Asked after the door is open: a signal just before it would else wait for the whole work.
                return None if self.requested else work()
            finally:
                self._open = False
        except KeyboardInterrupt:
            self.requested = True
            return None
