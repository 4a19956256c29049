"""Libraries of models: loaded when first needed, called so that a seed gives the same numbers everywhere."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from threading import RLock, local
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

__all__ = ["attempt", "installed", "library", "one_thread", "quietly", "silence"]

T = TypeVar("T")
_LOADING = RLock()


class _Pools:
    """The threads of BLAS and of OpenMP behind the modules loaded so far, and who wants one of each."""

    def __init__(self) -> None:
        self._modules = 0
        self._controller: Any = None
        self._inside = 0
        self._blas = ExitStack()
        self._own = local()

    def _grown(self) -> bool:
        """Whether modules have been loaded since the last look, which takes milliseconds."""
        if len(sys.modules) == self._modules:
            return False
        self._controller = import_module("threadpoolctl").ThreadpoolController()
        self._modules = len(sys.modules)
        return True

    def _limit(self, stack: ExitStack, api: str) -> None:
        stack.enter_context(self._controller.select(user_api=api).limit(limits=1))

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Limit BLAS, whose threads are the process's, until the last has left; OpenMP for this thread."""
        outer = getattr(self._own, "openmp", None)
        with ExitStack() as own:
            with _LOADING:
                if self._grown() or not self._inside:
                    self._limit(self._blas, "blas")
                self._limit(own, "openmp")
                self._inside += 1
            self._own.openmp = own
            try:
                yield
            finally:
                self._own.openmp = outer
                with _LOADING:
                    self._inside -= 1
                    if not self._inside:
                        self._blas.close()

    def look(self) -> None:
        """Limit what has been loaded inside."""
        own = getattr(self._own, "openmp", None)
        if own is not None and self._grown():
            self._limit(self._blas, "blas")
            self._limit(own, "openmp")


_POOLS = _Pools()


@cache
def installed(name: str) -> bool:
    """Whether there is such a package; looked for once, as a look goes through every folder of the path."""
    return find_spec(name) is not None


def library(name: str) -> ModuleType:
    """Return a module, which is loaded at its first use, without its warnings of what else is not there.

    One thread loads at a time: of a package whose modules import one another, two that begin with different
    modules would each meet the other's half made.
    """
    with _LOADING, nullcontext() if name in sys.modules else silence():
        loaded = import_module(name)
        _POOLS.look()
        return loaded


class _Silence:
    """No warnings while anyone is inside: filters are the process's, and threads would undo one another's."""

    def __init__(self) -> None:
        self._inside = 0
        self._caught = ExitStack()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Let no warning out until the last has left."""
        with _LOADING:
            if not self._inside:
                self._caught.enter_context(warnings.catch_warnings())
                warnings.simplefilter("ignore")
            self._inside += 1
        try:
            yield
        finally:
            with _LOADING:
                self._inside -= 1
                if not self._inside:
                    self._caught.close()


_SILENCE = _Silence()


def silence() -> AbstractContextManager[None]:
    """Let libraries warn nobody; the filters of before are back when the last thread has left."""
    return _SILENCE.kept()


def one_thread() -> AbstractContextManager[None]:
    """Let libraries work on one thread, as sums in another order are other numbers.

    Without the extra that brings them there is nothing to limit.
    """
    return _POOLS.limited() if installed("threadpoolctl") else nullcontext()


def quietly(work: Callable[..., T], *given: Any, **named: Any) -> T:
    """Call something of a library on one thread and without its warnings.

    These are of the window (fewer distinct points than clusters, no convergence within the iterations that a
    definition grants), and the numbers say the same.
    """
    with one_thread(), silence(), np.errstate(all="ignore"):
        return work(*given, **named)


def attempt(fit: Callable[[], T | None]) -> T | None:
    """Return what a fit finds; None, for it has failed, where it raises over its numbers."""
    try:
        return quietly(fit)
    except (ValueError, ArithmeticError, IndexError, RuntimeError):
        return None
