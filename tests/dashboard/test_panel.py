"""What the panel shows, against figures got another way, and on terminals of every kind."""

import io
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from statsmodels.stats.proportion import proportion_confint

from livetrading.config import load_config
from livetrading.dashboard.panel import ASCII, DOWN, UNICODE, UP, Curve, Frame, LivePanel, suits
from livetrading.engine.snapshot import Account, Snapshot

ACCOUNT = Account(equity=99.167677, drawdown=0.0123, position_sat=12_345, trades=100, wins=52)
CONTROL = Account(equity=100.25, drawdown=0.0006, position_sat=0, trades=0, wins=0)


def snapshot(**changes: Any) -> Snapshot:
    given = {
        "ticks": 13_434_880,
        "done": 0.672,
        "elapsed": 2.3,
        "seconds": 1.14,
        "price": 91_234.554,
        "true_price": 90_876.12,
        "vote_logodds": 1.2345,
        "vote_probability": 0.7746,
        "direction": 1,
        "account": ACCOUNT,
        "control": CONTROL,
    }
    return Snapshot(**{**given, **changes})


def frame(shown: Snapshot, **changes: Any) -> Frame:
    given = {
        "title": "hft: 100 USD, preset realistic, seed 1",
        "market": "chaos",
        "capital": 100.0,
        "snapshot": shown,
        "curve": [100.0, 99.5],
        "control_curve": [100.0, 100.1],
    }
    return Frame(**{**given, **changes})


class Output(io.StringIO):
    """Text on its way to a terminal that spells it in `encoding`."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self.spelling = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.spelling


def drawn(picture: Frame, width: int, height: int = 24, encoding: str = "utf-8") -> list[str]:
    """The lines of a picture as a terminal without colours gets them."""
    console = Console(file=Output(encoding), width=width, height=height, force_terminal=False)
    console.print(picture, height=height)
    assert isinstance(console.file, Output)
    return console.file.getvalue().splitlines()


def facts(lines: list[str], width: int) -> dict[str, list[str]]:
    """Values by label: cells stand apart by two blanks at least."""
    pieces = [re.split(r" {2,}", line.strip()) for line in lines]
    if width >= 70:  # three blocks, a label and a value each
        triples = [cells[k : k + 2] for cells in pieces if len(cells) == 6 for k in (0, 2, 4)]
        pieces = [cells for cells in pieces if len(cells) != 6] + triples
    return {cells[0]: cells[1:] for cells in pieces}


class TestFacts:
    @pytest.mark.parametrize("width", [40, 60, 69, 70, 71, 72, 80, 120, 200])
    @pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
    def test_all_are_there_in_every_width(self, width: int, encoding: str) -> None:
        lines = drawn(frame(snapshot()), width, 40, encoding)
        found = facts(lines, width)
        assert found["market"] == ["91,234.55"]
        assert found["true"] == ["90,876.12"]
        assert found["deviation"] == [f"{100 * (91_234.554 - 90_876.12) / 90_876.12:+.3f}%"]
        assert (found["direction"], found["log-odds"], found["chance up"]) == (
            ["long"],
            ["+1.234"],
            ["77.46%"],
        )
        assert (found["side"], found["BTC"]) == (["long"], ["+0.00012345"])
        assert float(found["USD"][0]) == pytest.approx(0.00012345 * 91_234.554, abs=5e-5)
        assert found["equity, USD"] == ["99.1677", "100.2500"]
        assert found["change"] == ["-0.832%", "+0.250%"]
        assert found["drawdown"] == ["1.23%", "0.06%"]
        assert (found["trades"], found["win rate"]) == (["100", "0"], ["52.00%", "undefined"])
        low, high = proportion_confint(52, 100, method="wilson")
        if "95% interval" in found:
            assert found["95% interval"] == [f"{low:.2%} to {high:.2%}", "undefined"]
        else:
            assert (found["95% from"], found["95% to"]) == (
                [f"{low:.2%}", "undefined"],
                [f"{high:.2%}", "undefined"],
            )
        text = " ".join(lines)
        for said in ("13,434,880 ticks", "67.2%", "11,784,982 ticks/s", "0:00:03 so far", "0:00:02 left"):
            assert said in text
        assert "null control" in text
        assert text.isascii() == (encoding != "utf-8")

    def test_without_a_control_there_is_one_column(self) -> None:
        lines = drawn(frame(snapshot(control=None), control_curve=[]), 80)
        assert facts(lines, 80)["equity, USD"] == ["99.1677"]
        assert not any("null" in line for line in lines)

    def test_what_is_not_known_is_not_invented(self) -> None:
        nothing = Account(equity=100, drawdown=0, position_sat=0, trades=0, wins=0)
        blank = snapshot(
            ticks=0, done=None, seconds=0.0, price=None, true_price=None, vote_logodds=None,
            vote_probability=None, direction=0, account=nothing, control=None,
        )  # fmt: skip
        lines = drawn(frame(blank), 80)
        found = facts(lines, 80)
        assert (found["market"], found["true"], found["deviation"]) == (["unknown"], ["none"], ["none"])
        assert (found["direction"], found["log-odds"], found["chance up"]) == (["none"], ["none"], ["none"])
        assert (found["side"], found["BTC"], found["win rate"]) == (["none"], ["0"], ["undefined"])
        assert any("speed unknown" in line and "until Ctrl-C" in line for line in lines)
        assert not any("%" in line for line in lines[:3])

    def test_a_short_position_is_negative(self) -> None:
        short = Account(equity=99, drawdown=0, position_sat=-(10**8), trades=1, wins=0)
        found = facts(drawn(frame(snapshot(account=short, direction=-1)), 80), 80)
        assert (found["side"], found["direction"]) == (["short"], ["short"])
        assert (found["BTC"], found["USD"]) == (["-1.00000000"], ["-91,234.55"])

    @pytest.mark.parametrize(
        ("done", "elapsed", "said"),
        [(0.5, 60.0, "0:01:00 left"), (0.001, 36.0, "9:59:24 left"), (1.0, 5.0, "0:00:00 left")],
    )
    def test_time_left_is_what_the_rest_takes_at_this_pace(
        self, done: float, elapsed: float, said: str
    ) -> None:
        assert any(said in line for line in drawn(frame(snapshot(done=done, elapsed=elapsed)), 80))

    @pytest.mark.parametrize("done", [0.0, 0.25, 0.999, 1.0])
    @pytest.mark.parametrize(("encoding", "glyphs"), [("utf-8", UNICODE), ("ascii", ASCII)])
    def test_the_bar_is_as_long_as_the_share(self, done: float, encoding: str, glyphs: Any) -> None:
        bar = drawn(frame(snapshot(done=done)), 100, encoding=encoding)[1].strip()
        assert bar.count(glyphs.bar) == math.floor(len(bar) * done)
        assert len(bar) == 100
        assert bar == glyphs.bar * bar.count(glyphs.bar) + glyphs.rest * bar.count(glyphs.rest)


accounts = st.builds(
    Account,
    equity=st.floats(-1e12, 1e12),
    drawdown=st.floats(0, 10),
    position_sat=st.integers(-(2**61), 2**61),
    trades=st.integers(10**6, 10**12),
    wins=st.integers(0, 10**6),
)
prices = st.none() | st.floats(1e-12, 1e15)
snapshots = st.builds(
    Snapshot,
    ticks=st.integers(0, 2**62),
    done=st.none() | st.floats(0, 1),
    elapsed=st.floats(0, 1e9),
    seconds=st.floats(0, 1e9),
    price=prices,
    true_price=prices,
    vote_logodds=st.none() | st.floats(-1e3, 1e3),
    vote_probability=st.none() | st.floats(0, 1),
    direction=st.sampled_from([-1, 0, 1]),
    account=accounts,
    control=st.none() | accounts,
)
curves = st.lists(st.floats(-1e12, 1e12), max_size=600)


def assert_fits(picture: Frame, width: int, height: int, encoding: str) -> None:
    console = Console(file=Output(encoding), width=width, height=height)
    text = "".join(segment.text for segment in console.render(picture))
    assert text.count("\n") <= height
    for row in text.split("\n"):
        assert cell_len(row) <= width
        assert row.isprintable()


class TestLayout:
    @given(
        shown=snapshots,
        curve=curves,
        width=st.integers(1, 220),
        height=st.integers(1, 60),
        encoding=st.sampled_from(["utf-8", "ascii"]),
    )
    def test_no_line_is_wrapped_whatever_is_shown_wherever(
        self, shown: Snapshot, curve: list[float], width: int, height: int, encoding: str
    ) -> None:
        assert_fits(frame(shown, curve=curve, control_curve=curve), width, height, encoding)

    @pytest.mark.parametrize("control", [None, CONTROL])
    def test_no_width_is_too_small(self, control: Account | None) -> None:
        for width in range(1, 100):
            assert_fits(frame(snapshot(control=control)), width, 40, "utf-8")

    @pytest.mark.parametrize(
        ("height", "lines"),
        [(1, 1), (10, 10), (14, 14), (15, 14), (16, 16), (19, 16), (20, 20), (24, 24), (60, 30)],
    )
    def test_blank_lines_and_curves_come_where_there_is_room(self, height: int, lines: int) -> None:
        shown = drawn(frame(snapshot()), 80, height)
        assert len(shown) == lines
        assert (sum("null control" in line for line in shown) == 2) == (height >= 20)
        assert any(line.strip().startswith("95% interval") for line in shown) == (height >= 10)
        assert any(line.startswith("deviation") for line in shown) == (height >= 14)

    def test_values_stand_below_their_names(self) -> None:
        for width in (70, 72, 80, 100, 120):
            lines = drawn(frame(snapshot()), width)
            heading = next(line for line in lines if line.startswith("Account"))
            equity = next(line for line in lines if line.startswith("equity"))
            for name, value in (("chaos", "99.1677"), ("null control", "100.2500")):
                assert heading.index(name) + len(name) == equity.index(value) + len(value)
            vote = next(line for line in lines if line.startswith("market"))
            assert vote.index("long ") + len("long") == equity.index("99.1677") + len("99.1677")

    def test_what_has_no_room_is_seen_to_be_left_out(self) -> None:
        rich = Account(equity=2e12, drawdown=0, position_sat=0, trades=0, wins=0)
        found = facts(drawn(frame(snapshot(account=rich)), 40, 40), 40)
        assert found["equity, USD"][0].endswith("...")


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Contrast of two sRGB colours (WCAG 2.1)."""

    def luminance(rgb: tuple[float, ...]) -> float:
        parts = [c / 255 for c in rgb]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("style", [UP, DOWN])
@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (41, 41, 41)])
def test_colours_can_be_read_on_light_and_on_dark(style: Any, background: tuple[int, ...]) -> None:
    assert contrast(tuple(style.color.get_truecolor()), background) >= 3


class TestCurve:
    @given(st.integers(0, 3000))
    def test_it_is_every_nth_value(self, n: int) -> None:
        curve, values = Curve(), [float(k) for k in range(n)]
        for value in values:
            curve.add(value)
        stride = 1
        while len(values[::stride]) >= 512:
            stride *= 2
        assert curve.values == values[::stride]

    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(24, 40))
    def test_areas_are_as_high_as_their_values(self, values: list[float], height: int) -> None:
        shown = snapshot(control=None, done=None, account=ACCOUNT)
        lines = drawn(frame(shown, curve=values), 80, height)
        start = next(k for k, line in enumerate(lines) if line.startswith("Equity"))
        area = [line[14:].rstrip("\n") for line in lines[start + 1 :] if line.strip()]
        everything = [*values, ACCOUNT.equity]
        low, high = min(everything), max(everything)
        for column in range(65):
            value = everything[(len(everything) - 1) * column // 64]
            got = sum(UNICODE.levels.index(line[column]) for line in area)
            top = 8 * len(area)
            expected = 1 + (value - low) / (high - low) * (top - 1) if high > low else (top + 1) / 2
            assert abs(got - expected) <= 0.5 + 1e-6

    def test_it_ends_where_the_run_is(self) -> None:
        lines = drawn(frame(snapshot(done=0.5)), 80, 24)
        start = next(k for k, line in enumerate(lines) if line.startswith("Equity"))
        assert len(lines[start + 3].rstrip()) == 14 + round(65 * 0.5)


def console_in(environ: dict[str, str], **options: Any) -> Console:
    given = {"file": io.StringIO(), "force_terminal": True, "width": 80, "height": 24}
    return Console(_environ=environ, **{**given, **options})


class TestSuits:
    def test_a_terminal_with_colours(self) -> None:
        assert suits(console_in({"TERM": "xterm-256color"}))
        assert suits(console_in({"TERM": "xterm"}))

    @pytest.mark.parametrize(
        "environ", [{"TERM": "dumb"}, {"TERM": "unknown"}, {"TERM": "xterm", "NO_COLOR": "1"}]
    )
    def test_not_one_without(self, environ: dict[str, str]) -> None:
        assert not suits(console_in(environ))

    def test_not_a_file(self) -> None:
        assert not suits(console_in({"TERM": "xterm"}, force_terminal=False))


class Ticking:
    """A clock that each drawing moves on by the next of these seconds, the last of them again and again."""

    def __init__(self, *costs: float) -> None:
        self.costs, self.now, self.looks = list(costs), 0.0, 0

    def __call__(self) -> float:
        self.looks += 1
        if self.looks % 2 == 0:
            self.now += self.costs.pop(0) if len(self.costs) > 1 else self.costs[0]
        return self.now


def panel_on(console: Console, *costs: float, market: str = "chaos") -> LivePanel:
    config = load_config({"run.capital": 100, "market.name": market})
    return LivePanel(config, console, Ticking(*costs or (0.0,)))


class TestLivePanel:
    def drawings(self, elapsed: list[float], *costs: float) -> int:
        console = console_in({"TERM": "xterm"})
        with panel_on(console, *costs) as panel:
            for seconds in elapsed:
                panel(snapshot(elapsed=seconds))
            assert isinstance(console.file, io.StringIO)
            return console.file.getvalue().count("equity, USD")

    def test_eight_drawings_a_second_at_most(self) -> None:
        assert self.drawings([k / 1000 for k in range(10_001)]) == 80

    def test_drawing_takes_a_hundredth_of_the_time_at_most(self) -> None:
        assert self.drawings([k / 100 for k in range(10_001)], 0.05) in (20, 21)

    def test_one_slow_drawing_slows_no_other(self) -> None:
        seconds = [k / 1000 for k in range(5001)]
        assert self.drawings(seconds, 9.0, 0.001, 9.0, 0.001) == self.drawings(seconds, 0.001) == 40

    def test_a_short_run_leaves_the_terminal_alone(self) -> None:
        console = console_in({"TERM": "xterm"})
        with panel_on(console) as panel:
            panel(snapshot(elapsed=0.1))
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue() == ""

    @pytest.mark.parametrize(("width", "height"), [(600_000, 1), (2, 600_000), (1000, 1000)])
    def test_a_screen_that_no_screen_is_stays_as_it_is(self, width: int, height: int) -> None:
        console = console_in({"TERM": "xterm"}, width=width, height=height)
        with panel_on(console) as panel:
            panel(snapshot())
        assert isinstance(console.file, io.StringIO)
        assert console.file.getvalue() == ""

    def test_the_other_screen_is_left_and_the_cursor_comes_back(self) -> None:
        console = console_in({"TERM": "xterm"})

        def fail() -> None:
            with panel_on(console) as panel:
                panel(snapshot())
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert isinstance(console.file, io.StringIO)
        written = console.file.getvalue()
        for on, off in (("\x1b[?1049h", "\x1b[?1049l"), ("\x1b[?25l", "\x1b[?25h")):
            assert written.count(on) == written.count(off) == 1
            assert written.index(on) < written.index("equity, USD") < written.index(off)

    def test_a_terminal_that_fails_ends_no_run(self) -> None:
        class Gone(io.StringIO):
            def write(self, text: str) -> int:
                raise OSError(5, "Input/output error")

        seen = 0

        def run() -> None:
            nonlocal seen
            with panel_on(console_in({"TERM": "xterm"}, file=Gone())) as panel:
                for k in range(100):
                    panel(snapshot(elapsed=float(k)))
                    seen += 1

        with pytest.raises(OSError, match="Input/output"):
            run()
        assert seen == 100

    @pytest.mark.parametrize(
        ("name", "encoding", "shown"),
        [
            ("a\x1b[2Jb.npy", "utf-8", "a?[2Jb.npy"),
            ("é.npy", "utf-8", "é.npy"),
            ("é.npy", "ascii", "?.npy"),
            ("漢\u202e\ue000.npy", "utf-8", "???.npy"),
        ],
    )
    def test_names_cannot_move_the_cursor(self, name: str, encoding: str, shown: str, tmp_path: Any) -> None:
        console = console_in({"TERM": "xterm"}, file=Output(encoding), width=120)
        with panel_on(console, market=str(tmp_path / name)) as panel:
            panel(snapshot())
        assert isinstance(console.file, Output)
        plain = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue())
        assert f" {shown} " in plain
        assert name == shown or name not in plain
