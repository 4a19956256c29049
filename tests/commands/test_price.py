"""``livetrading price`` and its stream, as a user meets them."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from livetrading.blockchain.chain_state import chain_state
from livetrading.blockchain.epochs import EPOCHS
from livetrading.blockchain.mathematical_price import true_price
from livetrading.blockchain.valuation import MODELS
from livetrading.commands import wall_clock
from livetrading.runner import main

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = [sys.executable, "-m", "livetrading.runner", "price"]
NOW: Final = 1_764_478_080
"""2025-11-30 04:48:00 UTC, the reference point's time."""
REFERENCE: Final = [
    "--height",
    "925810",
    "--hash-rate",
    "1081.88",
    "--efficiency",
    "25",
    "--energy-cost",
    "0.044",
]


class Clock:
    """A wall clock that goes when it is waited for, and as the test says."""

    def __init__(self, now_ns: int, late_ns: int = 0) -> None:
        self.now_ns, self.late_ns, self.slept = now_ns, late_ns, list[int]()
        self.steps: dict[int, int] = {}
        """What is added to the clock on a given sleep, counted from 0."""

    def read(self) -> int:
        return self.now_ns

    def sleep(self, duration: int) -> None:
        self.now_ns += duration + self.late_ns + self.steps.get(len(self.slept), 0)
        self.slept.append(duration)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(NOW * 10**9)
    monkeypatch.setattr(wall_clock, "now_ns", clock.read)
    monkeypatch.setattr(wall_clock, "sleep_ns", clock.sleep)
    return clock


Show = Callable[..., str]
Tree = dict[str, Any]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str], clock: Clock) -> Show:
    def shown(*arguments: str) -> str:
        assert main(["price", *arguments]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        return captured.out

    return shown


@pytest.fixture
def tree(show: Show) -> Callable[..., Tree]:
    def read(*arguments: str) -> Tree:
        line = show(*arguments, "--json")
        assert line.count("\n") == 1
        found: Tree = json.loads(line, parse_constant=pytest.fail)
        return found

    return read


class TestPrice:
    def test_reference_point(self, show: Show) -> None:
        """At the time that the epochs give for the height, which is 9322 s after the golden one's."""
        lines = show(*REFERENCE).splitlines()
        pairs = dict(line.split(": ", 1) for line in lines)
        assert pairs["model"] == "true-price"
        assert float(pairs["price_usd"]) == pytest.approx(96972.46415286741, abs=0.03)
        assert pairs["price_usd"].startswith("96972.")
        assert float(pairs["parts.energy_kwh"]) == pytest.approx(1442506.6666666667, rel=1e-15)
        assert float(pairs["parts.scarcity"]) == pytest.approx(0.19199512984287914, rel=1e-12)

    def test_every_part_is_that_of_the_formula(self, tree: Callable[..., Tree]) -> None:
        found = tree(*REFERENCE)
        state = chain_state(925_810, hash_rate=1081.88e18, efficiency=25.0)
        value = true_price(state.height, state.hash_rate, state.time, state.efficiency, state.energy_cost)
        parts = found["parts"]
        assert found["price_usd"] == value.price_usd
        for name in ("cost_usd", "energy_kwh", "stock_to_flow", "scarcity", "maturity", "supply_factor"):
            assert parts[name] == getattr(value, name)
        assert parts["cost_usd"] * parts["multiplier"] == pytest.approx(found["value"], rel=1e-14)
        together = 1 + parts["scarcity"] + parts["maturity"] * parts["supply_factor"]
        assert parts["multiplier"] == pytest.approx(together, rel=1e-14)

    def test_state_and_where_it_is_from(self, tree: Callable[..., Tree]) -> None:
        found = tree("--height", "840000", "--efficiency", "30")
        state = found["state"]
        assert (state["height"], state["height_error"], state["supply_sat"]) == (840_000, 0, 1968750312500000)
        assert (state["bits"], state["difficulty"]) == ("17034219", 86388558925171.02)
        assert state["hash_rate"] == pytest.approx(86388558925171.02 * 2**32 / 600, rel=1e-15)
        assert found["origins"]["efficiency"] == "given"
        assert found["origins"]["hash_rate"] == "difficulty 2^32 / 600 s"
        assert "2025-11-30" in found["origins"]["energy_cost"]

    def test_now_is_the_clocks(self, tree: Callable[..., Tree]) -> None:
        assert tree() == tree("--at", str(NOW))
        assert tree()["state"]["utc"] == "2025-11-30T04:48:00Z"

    @pytest.mark.parametrize(
        ("at", "time"),
        [
            ("2025-11-30", 1_764_460_800),
            ("2025-11-30T04:48Z", NOW),
            ("2025-11-30 04:48:00Z", NOW),
            ("2025-11-30T05:48:00.75+01:00", NOW),
            ("2025-11-29T23:48:00-0500", NOW),
            (str(NOW), NOW),
            ("1231006505", 1_231_006_505),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ],
    )
    def test_dates(self, tree: Callable[..., Tree], at: str, time: int) -> None:
        assert tree("--at", at)["state"]["time"] == time

    def test_an_estimate_says_so(self, tree: Callable[..., Tree]) -> None:
        inside, past = tree("--at", "2020-01-01"), tree("--height", str(EPOCHS.end_height))
        assert (inside["state"]["estimate"], past["state"]["estimate"]) == (False, True)
        assert inside["state"]["height_error"] == 120
        assert any("600 s a block" in note for note in past["notes"])
        assert any("difficulty held" in note for note in past["notes"])

    @pytest.mark.parametrize(
        ("height", "reason", "note"),
        [
            ("0", "height 0", None),
            ("1", None, "no halving yet"),
            ("1000", None, "scarcity is 0"),
            ("6930000", "no subsidy", None),
            ("13440000", "no subsidy", None),
        ],
    )
    def test_singular_heights(
        self, tree: Callable[..., Tree], show: Show, height: str, reason: str | None, note: str | None
    ) -> None:
        found = tree("--height", height)
        assert found["reason"] == reason
        assert (found["price_usd"] is None) == (reason is not None)
        assert note is None or any(note in said for said in found["notes"])
        lines = show("--height", height)
        assert "nan" not in lines
        assert "inf" not in lines
        assert ("price_usd: undefined" in lines) == (reason is not None)
        assert re.findall(r"^reason: (.*)$", lines, re.MULTILINE) == ([reason] if reason else [])

    def test_every_model(self, tree: Callable[..., Tree]) -> None:
        found = tree("--model", "all", *REFERENCE)["models"]
        assert list(found) == list(MODELS)
        assert round(found["true-price"]["price_usd"]) == 96_972
        for name, value in found.items():
            assert (value["value"] is None) == (value["reason"] is not None), name
            assert re.match(r"needs |fewer than \d+ days", value["reason"] or "needs "), name
        priced = {name for name, value in found.items() if value["price_usd"] is not None}
        assert priced == {"true-price", "power-law-a", "power-law-b", "s2f-planb-2019", "s2f-463d"}
        assert "market_cap_usd" in found["mvrv"]["reason"]

    @pytest.mark.parametrize("name", MODELS)
    def test_each_model_alone_is_its_row_of_all(self, tree: Callable[..., Tree], name: str) -> None:
        alone, every = tree("--model", name), tree("--model", "all")["models"][name]
        assert {key: alone[key] for key in every} == every
        assert alone["source"] == MODELS[name].source

    @pytest.mark.parametrize("columns", ["80", "120"])
    @pytest.mark.parametrize("model", ["true-price", "all"])
    def test_a_table_on_a_terminal(self, columns: str, model: str) -> None:
        outer, inner = pty.openpty()
        environ = {**os.environ, "TERM": "xterm", "COLUMNS": columns}
        arguments = [*COMMAND, *REFERENCE, "--model", model]
        done = subprocess.Popen(arguments, stdout=inner, stderr=inner, cwd=ROOT, env=environ)
        os.close(inner)
        shown = b"".join(iter(lambda: _read(outer), b"")).decode()
        assert done.wait() == 0
        os.close(outer)
        assert "96,972." in shown
        assert "true-price" in shown
        lines = re.sub(r"\x1b\[[0-9;]*m|\r", "", shown).splitlines()
        assert max(map(len, lines)) <= int(columns)
        assert "…" not in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end of a pseudo-terminal is closed
        return b""


BAD_INPUT: Final = {
    "negative height": ("--height -1", "height must be from 0 to 2147483647, was -1 (--height)"),
    "height no whole number": ("--height 1.5", "height must be a whole number, was '1.5' (--height)"),
    "height empty": ("--height=", "height must be a whole number, was '' (--height)"),
    "height too large": ("--height 2147483648", "was 2147483648"),
    "height of many digits": (f"--height {'9' * 5000}", "height must be a whole number"),
    "before genesis": (
        "--at 2009-01-03",
        "must be 2009-01-03T18:15:05Z, the genesis block's, or later, was 2009-01-03 (--at)",
    ),
    "second before genesis": ("--at 1231006504", "was 1231006504"),
    "before the epoch": ("--at -5", "genesis"),
    "no date": ("--at yesterday", "time must be a date (2025-11-30), a date and time with Z or an offset"),
    "no such day": ("--at 2025-02-30", "was '2025-02-30' (--at)"),
    "no offset": ("--at 2025-11-30T04:48:00", "with Z or an offset"),
    "24 hours": ("--at 2025-11-30T25:00Z", "was '2025-11-30T25:00Z'"),
    "compact date": ("--at 2025W487", "was '2025W487'"),
    "infinite date": ("--at inf", "was 'inf'"),
    "far date": ("--at 999999999999", "the end of 9999"),
    "both": ("--height 1 --at 2020-01-01", "--height and --at must be given one at a time"),
    "cost 0": ("--energy-cost 0", "energy cost must be above 0 and at most 1e+12 USD/kWh, was 0.0"),
    "cost negative": ("--energy-cost -0.1", "was -0.1 (--energy-cost)"),
    "cost nan": ("--energy-cost nan", "was nan"),
    "cost inf": ("--energy-cost inf", "was inf"),
    "cost no number": ("--energy-cost cheap", "energy cost must be a number, in USD/kWh, was 'cheap'"),
    "cost with underscore": ("--energy-cost 1_000", "must be a number, in USD/kWh, was '1_000'"),
    "cost in other digits": ("--energy-cost \u0663", "must be a number, in USD/kWh, was '\u0663'"),
    "efficiency 0": ("--efficiency 0", "efficiency must be above 0 and at most 1e+12 J/TH, was 0.0"),
    "efficiency nan": ("--efficiency nan", "was nan (--efficiency)"),
    "hash rate 0": ("--hash-rate 0", "hash rate must be above 0 and at most 1e+12 EH/s, was 0.0"),
    "hash rate": ("--hash-rate 1e13", "was 10000000000000.0 (--hash-rate)"),
    "unknown model": ("--model moon", "model must be one of true-price, "),
    "unknown command": ("moon", "moon"),
    "unknown flag": ("--heigth 5", "--heigth"),
    "option before the command": ("--height 5 stream", "--height must stand after stream, was before it"),
    "option of two words": ("--energy-cost 1 stream", "--energy-cost must stand after stream"),
    "every 0": ("stream --every 0", "seconds between lines must be from 1 to 86400, was 0 (--every)"),
    "every half a second": ("stream --every 0.5", "must be a whole number, was '0.5' (--every)"),
    "count 0": ("stream --count 0", "number of lines must be from 1 to"),
    "count nan": ("stream --count nan", "was 'nan' (--count)"),
    "cost of a stream": ("stream --energy-cost -1", "energy cost must be above 0"),
}


@pytest.mark.parametrize("what", BAD_INPUT)
def test_bad_input_is_one_line(what: str, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    line, said = BAD_INPUT[what]
    assert main(["price", *line.split()]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert said in captured.err
    assert len(captured.err) < 700


def test_the_process_says_the_same() -> None:
    done = subprocess.run([*COMMAND, "--height", "-1"], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


class TestStream:
    def rows(self, show: Show, *arguments: str) -> list[Tree]:
        lines = show("stream", "--json", *arguments).splitlines()
        return [json.loads(line, parse_constant=pytest.fail) for line in lines]

    def test_a_row_a_second_from_the_clock(self, show: Show, clock: Clock) -> None:
        rows = self.rows(show, "--count", "5")
        assert [row["time"] for row in rows] == [NOW + i for i in range(5)]
        for row in rows:
            state = chain_state(time=row["time"])
            value = true_price(state.height, state.hash_rate, state.time, state.efficiency, state.energy_cost)
            assert (row["height"], row["price_usd"]) == (state.height, value.price_usd)
            assert (row["estimate"], row["reason"], row["note"]) == (False, None, None)
        assert clock.slept == [10**9] * 4

    def test_nothing_is_waited_for_after_the_last(self, show: Show, clock: Clock) -> None:
        assert len(self.rows(show, "--count", "1")) == 1
        assert clock.slept == []

    def test_it_does_not_drift(self, show: Show, clock: Clock) -> None:
        """Each sleep ends 7 ms late, and the start is in the middle of a second."""
        clock.now_ns += 123_456_789
        clock.late_ns = 7_000_000
        rows = self.rows(show, "--count", "300", "--every", "2")
        assert [row["time"] for row in rows] == [NOW + 2 * i for i in range(300)]
        assert clock.now_ns == (NOW + 598) * 10**9 + 7_000_000

    def test_what_was_slept_through_is_left_out(self, show: Show, clock: Clock) -> None:
        clock.steps[1] = 3600 * 10**9 + 400_000_000
        rows = self.rows(show, "--count", "4")
        assert [row["time"] - NOW for row in rows] == [0, 1, 3602, 3603]

    def test_a_clock_set_back_makes_nothing_wait(self, show: Show, clock: Clock) -> None:
        clock.steps[1] = -3600 * 10**9
        rows = self.rows(show, "--count", "4")
        assert [row["time"] - NOW for row in rows] == [0, 1, -3598, -3597]
        assert max(clock.slept) <= 10**9

    def test_a_sleep_that_ends_early_is_slept_on(self, show: Show, clock: Clock) -> None:
        clock.steps[0] = -250_000_000
        rows = self.rows(show, "--count", "2")
        assert [row["time"] - NOW for row in rows] == [0, 1]
        assert clock.slept == [10**9, 250_000_000]

    def test_past_the_table_it_is_an_estimate(self, show: Show, clock: Clock) -> None:
        clock.now_ns = 1_798_761_600 * 10**9
        (row,) = self.rows(show, "--count", "1")
        assert (row["height"], row["estimate"]) == (982_507, True)
        line = show("stream", "--count", "1")
        assert line == (
            f"{row['utc']}  block 982,507 (estimate)  TRUE PRICE {row['price_usd']:,.2f} USD/BTC\n"
        )

    def test_a_halving_is_named_when_it_comes(self, show: Show, clock: Clock) -> None:
        halving = next(t for t in range(1_713_500_000, 1_713_600_000) if _height(t) == 840_000)
        clock.now_ns = (halving - 1) * 10**9
        before, after, later = self.rows(show, "--count", "3")
        assert (before["halvings"], after["halvings"]) == (3, 4)
        assert after["price_usd"] / before["price_usd"] == pytest.approx(1.7726, abs=1e-4)
        assert (before["note"], later["note"]) == (None, None)
        assert "halving" in after["note"]

    def test_inputs(self, show: Show) -> None:
        plain, dear = (
            self.rows(show, "--count", "1", *given)[0] for given in ([], ["--energy-cost", "0.088"])
        )
        assert dear["price_usd"] == pytest.approx(2 * plain["price_usd"], rel=1e-14)

    @pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_signal_ends_it_after_whole_lines(self, signum: int, code: int) -> None:
        arguments = [*COMMAND, "stream", "--every", "86400", "--json"]
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        with subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environ
        ) as process:
            assert process.stdout is not None
            first = process.stdout.readline()  # it was flushed, or this would wait for a day
            process.send_signal(signum)
            rest, errors = process.communicate(timeout=60)
        assert (process.returncode, rest, errors) == (code, b"", b"")
        assert json.loads(first)["price_usd"] > 0

    def test_a_reader_that_has_seen_enough_ends_it_quietly(self, clock: Clock) -> None:
        code = (
            "import sys; from livetrading.commands import wall_clock; from livetrading.runner import main\n"
            "wall_clock.sleep_ns = lambda duration: None\n"
            "sys.exit(main(['price', 'stream']))"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr is not None
            assert process.stderr.read() == b""
            assert process.wait(timeout=60) == 128 + signal.SIGPIPE


def _height(time: int) -> int:
    return chain_state(time=time).height


def test_readme_shows_what_is_printed() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    command, _, shown = readme.partition("$ livetrading price ")[2].partition("```")[0].partition("\n")
    outer, inner = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.Popen([*COMMAND, *command.split()], stdout=inner, cwd=ROOT, env=environ)
    os.close(inner)
    printed = b"".join(iter(lambda: _read(outer), b"")).decode()
    assert done.wait() == 0
    os.close(outer)
    lines = re.sub(r"\x1b\[[0-9;]*m|\r", "", printed).splitlines()
    assert [line.rstrip() for line in lines] == shown.splitlines()
