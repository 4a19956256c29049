"""The plain loop is this project's W1, and who trades otherwise is not written down."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import BEGIN, END, Engine, PeerError
from w1 import run, tape
from workload import W1_WINDOW, ties

Trade = Callable[[list[float], list[float]], tuple[int, float]]


@pytest.fixture(scope="module")
def trade() -> Trade:
    """Return the plain loop."""
    sys.path.insert(0, str(peers.RUNNERS))
    try:
        return importlib.import_module("w1_plain").trade
    finally:
        sys.path.pop(0)


def tape_of(steps: np.ndarray) -> np.ndarray:
    """Return a tape whose mid makes these steps of the grid, moved where a z-score is 0 or 2 to the bit."""
    u = np.cumsum(steps)
    while (at := ties(u)).size:
        u[at] += 1
    mid = 60_000.0 + 0.25 * u
    return np.stack([mid - 0.5, mid + 0.5, np.full(len(u), 0.01), np.ones(len(u))])


@pytest.fixture(scope="module")
def short_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 100,000 ticks, enough to tell one standard deviation from another."""
    file = tmp_path_factory.mktemp("peers") / "w1.npy"
    np.save(file, tape_of(np.random.default_rng(7).integers(-3, 4, 100_000)))
    return file


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(W1_WINDOW - 1, 2_000), step=st.integers(1, 8))
def test_the_plain_loop_is_the_project(
    trade: Trade, tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, step: int
) -> None:
    rows = tape_of(np.random.default_rng(seed).integers(-step, step + 1, n))
    file = tmp_path_factory.getbasetemp() / "property.npy"
    np.save(file, rows)
    ours = run(tape(str(file), n))
    trades, pnl = trade(*rows[:2].tolist())
    assert ours["trades"] == trades
    # each of two fees a trade is rounded to a micro-dollar there
    assert ours["pnl"] == pytest.approx(pnl, abs=1e-6 * trades + 1e-9)


def test_runners_of_the_project_and_of_the_loop_agree(short_tape: Path) -> None:
    lines = [
        peers.run(Engine(name, 100_000, own=False), Path(sys.executable), short_tape, 100_000)
        for name in ("plain", "livetrading")
    ]
    assert lines[0]["trades"] > 500
    assert peers.disagreements("livetrading", lines[1], lines[0]) == []
    assert all(line["peak_mib"] > 10 and line["cpu_seconds"] > 0 for line in lines)


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a README that `--write` would change."""
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}old\n{END}\nafter\n")
    monkeypatch.setattr(peers, "README", file)
    monkeypatch.setattr(peers, "FOLDER", tmp_path)
    return file


def answers(monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]) -> None:
    """Let every engine answer like the loop, but for the peer, which answers with what is changed."""
    line = {"version": "9.9", "ticks": 1_000, "seconds": 0.2, "cpu_seconds": 0.1, "trades": 1_234}
    line |= {"pnl": -1.5, "peak_mib": 30.0, "outside": {"feed": 0.5}}

    def run(engine: Engine, *_: object) -> dict[str, Any]:
        return line | changed if engine.name == "peer" else line

    def environment(engine: Engine) -> Path:
        if engine.name == "absent":
            raise PeerError("not installed: no wheel for this Python")
        return Path(sys.executable)

    monkeypatch.setattr(peers, "run", run)
    monkeypatch.setattr(peers, "environment", environment)
    monkeypatch.setattr(peers, "write_w1", lambda *_: None)


ENGINES = (Engine("livetrading", 1_000, own=False), Engine("peer", 1_000), Engine("absent", 1_000))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"trades": 1_235}, ("1,234", "1,235")),
        ({"ticks": 999}, ("1,000", "999")),
        ({"pnl": -1.5025}, ("-1.500000", "-1.502500")),
        ({"pnl": float("nan")}, ("-1.500000", "nan")),
    ],
)
def test_a_peer_that_differs_ends_it(
    readme: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, Any],
    named: tuple[str, str],
) -> None:
    answers(monkeypatch, changed)
    before = readme.read_text()
    assert peers.main(["--write", "--rounds", "1"], ENGINES) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("peer: ")
    assert all(number in said for number in named)
    assert readme.read_text() == before


def test_the_table_goes_between_the_markers(readme: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, {"pnl": -1.5004, "cpu_seconds": 0.4})
    assert peers.main(["--write", "--rounds", "2"], ENGINES) == 0
    before, rest = readme.read_text().split(BEGIN)
    text, after = rest.split(END)
    assert (before, after) == ("before\n", "\nafter\n")
    assert "old" not in text
    assert "| peer 9.9 | 1,000 | 2.5 k [2.5 k to 2.5 k] | 4 | 1,234 | -1.5004 | 30 | feed 0.5 s |" in text
    assert "| absent | not installed: no wheel for this Python |" in text
    assert "`.venv/bin/python bench/peers.py --write --rounds 2`" in text
    columns = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert columns == {9}


@pytest.mark.parametrize("text", ["", BEGIN, BEGIN * 2 + END, END + "\n" + BEGIN, (BEGIN + END) * 2])
def test_markers_must_be_there_once(tmp_path: Path, text: str) -> None:
    file = tmp_path / "README.md"
    file.write_text(text)
    with pytest.raises(ValueError, match="each once"):
        peers.write("table", file)
    assert file.read_text() == text


def test_a_runner_that_breaks_is_named(
    readme: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(engine: Engine, *_: object) -> dict[str, Any]:
        if engine.name == "peer":
            raise PeerError("did not run: it ended with 1 and said ImportError: x")
        return {"ticks": 1_000, "trades": 1, "pnl": 0.0}

    answers(monkeypatch, {})
    monkeypatch.setattr(peers, "run", broken)
    assert peers.main(["--rounds", "1"], ENGINES) == 1
    assert "peer: did not run: it ended with 1 and said ImportError: x" in capsys.readouterr().err


def test_what_cannot_be_installed_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "peer.txt").write_text("--no-index\nno-such-engine==1.0\n")
    with pytest.raises(PeerError, match=r"not installed: .*no-such-engine==1\.0"):
        peers.environment(Engine("peer", 1), tmp_path, tmp_path)
    assert not (tmp_path / "peer" / "requirements.txt").exists()
    (tmp_path / "requirements" / "peer.txt").write_text("--no-index\n")
    python = peers.environment(Engine("peer", 1), tmp_path, tmp_path)
    assert subprocess.run([python, "-c", ""], check=True).returncode == 0
    capsys.readouterr()
    assert peers.environment(Engine("peer", 1), tmp_path, tmp_path) == python
    assert capsys.readouterr().err == ""


def test_a_run_that_ends_badly_says_how(tmp_path: Path) -> None:
    (tmp_path / "w1_peer.py").write_text("import sys\nsys.exit('no such thing')\n")
    with pytest.raises(PeerError, match="ended with 1 and said no such thing"):
        peers.run(Engine("peer", 1), Path(sys.executable), tmp_path / "w1.npy", 1, tmp_path)
    (tmp_path / "w1_peer.py").write_text("print('note')\nprint('{\"trades\": 3}')\n")
    done = peers.run(Engine("peer", 1), Path(sys.executable), tmp_path / "w1.npy", 1, tmp_path)
    assert done == json.loads('{"trades": 3}')


@pytest.mark.parametrize("engine", [e for e in peers.ENGINES if e.own], ids=lambda e: e.name)
def test_every_engine_has_its_runner_and_its_pins(engine: Engine) -> None:
    assert (peers.RUNNERS / f"w1_{engine.name}.py").exists()
    pins = (peers.RUNNERS / "requirements" / f"{engine.name}.txt").read_text().split()
    assert all(pin.count("==") == 1 for pin in pins)
    assert any(pin.partition("==")[0].lower() == engine.name for pin in pins)
