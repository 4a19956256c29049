"""Libraries in threads: loaded whole, and on one thread of BLAS until the last has finished."""

import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from livetrading.formulas.libraries import attempt, library, one_thread, quietly

GATE = """
from threading import Event
begun, never = Event(), Event()
"""
KNOT = """
from gate import begun, never
begun.set()
never.wait(0.3)  # in which another thread begins with the module below
from knot.base import clone
"""


def test_two_threads_load_parts_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at its root, which needs the part that the other begins with, as scikit-learn's does its base."""
    (tmp_path / "gate.py").write_text(GATE)
    (tmp_path / "knot").mkdir()
    (tmp_path / "knot" / "__init__.py").write_text(KNOT)
    (tmp_path / "knot" / "base.py").write_text("import knot\nclone = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    begun = library("gate").begun
    with ThreadPoolExecutor(2) as pool:
        root = pool.submit(library, "knot")
        base = pool.submit(lambda: begun.wait() and library("knot.base"))
        assert root.result().clone == base.result().clone == 1
    for name in ("knot.base", "knot", "gate"):
        del sys.modules[name]


def test_a_library_is_loaded_without_its_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "grumbling.py").write_text("import warnings\nwarnings.warn('no moon', ImportWarning)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert library("grumbling").__name__ == "grumbling"
    del sys.modules["grumbling"]


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_keeps_to_one_thread_until_the_last_has_left() -> None:
    with threadpool_limits(2), ThreadPoolExecutor(1) as pool:
        with one_thread():
            assert blas_threads() == {1}
            assert pool.submit(lambda: quietly(blas_threads)).result() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def test_what_is_loaded_inside_is_on_one_thread_too() -> None:
    code = (
        "from livetrading.formulas.libraries import library, one_thread\n"
        "with one_thread():\n"
        "    library('sklearn.cluster')\n"
        "    print({pool['num_threads'] for pool in library('threadpoolctl').threadpool_info()})\n"
        "print({pool['num_threads'] for pool in library('threadpoolctl').threadpool_info()})\n"
    )
    many = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    said = subprocess.run([sys.executable, "-c", code], env=many, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["{1}", "{2}"]


def test_attempt_gives_none_where_a_fit_fails_over_its_numbers() -> None:
    assert attempt(lambda: np.linalg.inv(np.zeros((2, 2)))) is None
    assert attempt(lambda: 1 / 0) is None
    with pytest.raises(TypeError):
        attempt(lambda: len(3))  # type: ignore[arg-type]


def test_threads_that_silence_at_once_give_the_filters_back() -> None:
    """The first to come leaves first: what it finds restored is not what the second found."""
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        quietly(lambda: (inside.set(), leave.wait(20.0)))

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(20.0)

    def second() -> None:
        leave.set()
        thread.join()

    quietly(second)
    assert list(warnings.filters) == before
