"""Ctrl-C breaks off only what may be broken off."""

import os
import signal
from collections.abc import Iterator

import pytest

from livetrading.engine.interrupt import Interrupt


@pytest.fixture
def interrupt() -> Iterator[Interrupt]:
    taken = Interrupt()
    before = signal.signal(signal.SIGINT, taken.handle)
    yield taken
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_work_is_broken_off(interrupt: Interrupt) -> None:
    reached = []

    def work() -> str:
        reached.append("begin")
        press()
        reached.append("end")
        return "value"

    assert interrupt.call(work) is None
    assert reached == ["begin"]
    assert interrupt.requested


def test_undisturbed_work_gives_its_value(interrupt: Interrupt) -> None:
    assert interrupt.call(lambda: "value") == "value"
    assert not interrupt.requested


def test_outside_of_work_it_is_remembered(interrupt: Interrupt) -> None:
    press()
    press()
    assert interrupt.requested
    assert interrupt.call(lambda: pytest.fail("work was begun after the request")) is None


def test_after_work_it_does_not_raise(interrupt: Interrupt) -> None:
    interrupt.call(lambda: "value")
    press()
    assert interrupt.requested


def test_a_failure_of_the_work_comes_out_and_closes_the_door(interrupt: Interrupt) -> None:
    with pytest.raises(ZeroDivisionError):
        interrupt.call(lambda: 1 / 0)
    press()
    assert interrupt.requested


def test_without_its_handler_a_keyboard_interrupt_counts() -> None:
    interrupt = Interrupt()

    def work() -> None:
        raise KeyboardInterrupt

    assert interrupt.call(work) is None
    assert interrupt.requested
