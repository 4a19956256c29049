"""The panel on a real terminal, with the run beneath it."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "livetrading.runner", "hft", "100"]
OTHER_SCREEN, BACK = b"\x1b[?1049h", b"\x1b[?1049l"
HIDDEN, VISIBLE = b"\x1b[?25l", b"\x1b[?25h"


class Terminal:
    """A command on a pseudo-terminal, and what it has written there so far."""

    def __init__(self, arguments: str, width: int, height: int, **environ: str) -> None:
        self.outer, inner = pty.openpty()
        self.resize(width, height)
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "TERM")}
        self.process = subprocess.Popen(
            [*COMMAND, *arguments.split()],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=ROOT,
            env={**kept, "TERM": "xterm-256color", **environ},
        )
        os.close(inner)
        self.shown = b""

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self.outer, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read_until(self, there: Callable[[bytes], Any]) -> None:
        while not there(self.shown):
            piece = self._read()
            assert piece, self.shown
            self.shown += piece

    def finish(self, signum: int | None = None) -> int:
        """Send a signal, if any, read to the end, and return the exit code."""
        if signum is not None:
            self.process.send_signal(signum)
        while piece := self._read():
            self.shown += piece
        return self.process.wait(60)

    def close(self) -> None:
        os.close(self.outer)
        self.process.kill()
        self.process.wait()

    def _read(self) -> bytes:
        try:
            return os.read(self.outer, 65_536)
        except OSError:  # the other end is closed
            return b""


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(arguments: str, *size: int, **environ: str) -> Terminal:
        opened.append(Terminal(arguments, *size, **environ))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def last_frame(shown: bytes) -> list[str]:
    """The lines of the last picture that is complete: each begins where the cursor goes home."""
    picture = shown.split(b"\x1b[H")[-2]
    return re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", picture.decode()).split("\n")


def test_resized_and_ended_by_ctrl_c_it_leaves_the_summary(terminal: Callable[..., Terminal]) -> None:
    t = terminal("--forever", 80, 24)
    t.read_until(lambda shown: shown.count(b"\x1b[H") > 3)
    lines = last_frame(t.shown)
    assert len(lines) == 24
    assert all(len(line.rstrip("\r")) == 80 for line in lines)
    assert any("ticks/s" in line and "until Ctrl-C" in line for line in lines)
    t.resize(40, 12)
    frames = t.shown.count(b"\x1b[H")
    t.read_until(lambda shown: shown.count(b"\x1b[H") > frames + 2)
    lines = last_frame(t.shown)
    assert len(lines) == 12
    assert all(len(line.rstrip("\r")) == 40 for line in lines)
    assert t.finish(signal.SIGINT) == 130
    assert t.shown.count(OTHER_SCREEN) == t.shown.count(BACK) == 1
    assert t.shown.rindex(HIDDEN) < t.shown.rindex(VISIBLE)
    panel, _, after = t.shown.partition(BACK)
    assert b"SHA-256" not in panel
    assert b"SHA-256" in after
    assert b"The run was interrupted" in after
    assert b"Traceback" not in t.shown


@pytest.mark.parametrize(
    ("environ", "panels"), [({"TERM": "xterm"}, 1), ({"TERM": "dumb"}, 0), ({"NO_COLOR": "1"}, 0)]
)
def test_without_colour_there_is_the_summary_alone(
    terminal: Callable[..., Terminal], environ: dict[str, str], panels: int
) -> None:
    # Longer than a run that is too short for a panel, on any machine.
    t = terminal("--seconds 0.5 --no-null-control", 80, 24, **environ)
    assert t.finish() == 0
    assert t.shown.count(OTHER_SCREEN) == panels
    assert b"SHA-256" in t.shown


def test_a_terminal_without_unicode_gets_none(terminal: Callable[..., Terminal]) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    t = terminal("--forever", 80, 24, **plain)
    t.read_until(lambda shown: shown.count(b"\x1b[H") > 2)
    assert t.finish(signal.SIGINT) == 130
    assert t.shown.isascii()
    assert b"\\u" not in t.shown
