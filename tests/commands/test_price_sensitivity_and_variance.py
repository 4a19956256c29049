"""``livetrading price sensitivity`` and ``price variance``, as a user meets them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from xml.dom import minidom

import numpy as np
import pytest
from rich.console import Console

from livetrading.blockchain.breakdown_fit import fit_ticks
from livetrading.commands import price_sensitivity, price_variance
from livetrading.data.ticks import read_ticks, write_ticks
from livetrading.runner import main

DATA: Final = Path(__file__).parents[1] / "data"
QUOTES: Final = DATA / "btcusdt_spot_20240808_quotes.csv"
TRADES: Final = DATA / "btcusdt_spot_20240808_trades.csv"
PAIR: Final = f"{QUOTES},{TRADES}"
GOLDEN: Final = json.loads((DATA.parent / "golden" / "price_sensitivity.json").read_text())
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

Tree = dict[str, Any]
Show = Callable[..., str]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
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


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Show:
    def refused(*arguments: str) -> str:
        assert main(["price", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        return captured.err.removeprefix("livetrading: ").strip()

    return refused


class TestSensitivity:
    def test_elasticities_and_halving_of_the_reference_point(self, tree: Callable[..., Tree]) -> None:
        """The height's time is 2.6 h after the golden one's, which moves the price by 3e-7."""
        found = tree("sensitivity", *REFERENCE)
        for name, value in GOLDEN["elasticity"].items():
            assert found["elasticities"][name] == pytest.approx(value, abs=1e-6)
        halving = {"price": found["price_usd"], **found["halving"]}
        for name, value in GOLDEN["halving"].items():
            assert halving[name] == pytest.approx(value, rel=1e-6)

    @pytest.mark.parametrize(("name", "change", "price"), GOLDEN["price"])
    def test_prices_of_the_table(
        self, tree: Callable[..., Tree], name: str, change: float, price: float
    ) -> None:
        text = f"{name.replace('_', '-')}={100 * change:g}"
        found = tree("sensitivity", *REFERENCE, "--low", text, "--high", text)
        bar = found["tornado"][name]
        assert bar["price_low"] == bar["price_high"] == pytest.approx(price, rel=1e-6)
        assert list(found["tornado"]) == [name]

    def test_the_uncertain_inputs_stand_together_by_default(self, tree: Callable[..., Tree]) -> None:
        found = tree("sensitivity", *REFERENCE)
        assert list(found["tornado"]) == ["energy_cost", "efficiency", "hash_rate"]
        assert found["together"]["all_low"] == pytest.approx(found["price_usd"] * 0.95 * 0.8 * 0.5)
        assert found["together"]["all_high"] == pytest.approx(found["price_usd"] * 1.05 * 1.2 * 1.5)
        assert sum(bar["share"] for bar in found["tornado"].values()) == pytest.approx(1.0)
        assert any("no single bar" in note for note in found["notes"])

    def test_one_range_for_every_input(self, tree: Callable[..., Tree]) -> None:
        found = tree("sensitivity", "--height", "840000", "--low=-20", "--high", "20")["tornado"]
        assert len(found) == 6
        assert {(bar["low"], bar["high"]) for bar in found.values()} == {(-0.2, 0.2)}
        swings = [bar["swing"] for bar in found.values()]
        assert swings == sorted(swings, reverse=True)

    def test_lines(self, show: Show) -> None:
        lines = show("sensitivity", *REFERENCE).splitlines()
        assert "elasticities.hash_rate: 1.0" in lines
        assert not any(line.startswith("reason") for line in lines)
        assert all(": " in line for line in lines)

    def test_without_a_price_it_says_why(self, show: Show, tree: Callable[..., Tree]) -> None:
        found = tree("sensitivity", "--height", "0")
        assert (found["price_usd"], found["reason"]) == (None, "height 0")
        assert found["elasticities"]["supply"] is None
        assert "reason: no subsidy" in show("sensitivity", "--height", "6930000")

    @pytest.mark.parametrize("width", [80, 120])
    def test_table(self, tree: Callable[..., Tree], width: int) -> None:
        console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        console.print(price_sensitivity._table(tree("sensitivity", *REFERENCE)))
        shown = console.export_text()
        assert "…" not in shown
        for text in ("energy cost", "-1.026181", "145,458.74", "183,278.01", "177,566.27", "-50 %"):
            assert text in shown
        console.file.close()

    @pytest.mark.parametrize("suffix", ["png", "svg"])
    def test_plot(self, show: Show, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"tornado.{suffix}"
        show("sensitivity", *REFERENCE, "--plot", str(path))
        first = path.read_bytes()
        show("sensitivity", *REFERENCE, "--plot", str(path))
        assert path.read_bytes() == first
        if suffix == "svg":
            text = path.read_text("utf-8")
            minidom.parseString(text)
            for said in ("energy cost", "TRUE PRICE (USD/BTC)", "input at its low end", "145,459"):
                assert f"<!-- {said}" in text or said in text
        else:
            assert first.startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("--height -1", "height must be from 0 to"),
            ("--at 2008-01-01", "time must be"),
            ("--height 1 --at 2020-01-01", "--height and --at must be given one at a time"),
            ("--energy-cost 0", "energy cost must be above 0"),
            ("--low=-20", "Invalid value: --low and --high must be given together"),
            ("--low x --high 1", "a change must be a number, in per cent, was 'x' (--low)"),
            ("--low 1 --high nan", "a change must be a number, in per cent, was 'nan' (--high)"),
            (
                "--low=-100 --high 1",
                "a change must be above -100 and at most 1e+08 per cent, was -100 (--low)",
            ),
            (
                "--low 1 --high 1e999",
                "a change must be above -100 and at most 1e+08 per cent, was 1e999 (--high)",
            ),
            (
                "--height 1 --low 1e308 --high 1e308",
                "a change must be above -100 and at most 1e+08 per cent, was 1e308",
            ),
            ("--low foo=1 --high foo=2", "an input must be one of hash_rate, "),
            ("--low days=1,days=2 --high days=3", "an input must be given once, was 'days' twice (--low)"),
            ("--low days=1 --high supply=2", "low and high must have the same inputs"),
            ("--low days=3 --high days=2", "low of days must be at most its high"),
            ("--height 0 --plot z.png", "a tornado must be drawn of a price above 0, was nan"),
            ("--plot z.pdf", "a figure must go to one of .png, .svg, was z.pdf"),
        ],
    )
    def test_bad_input(
        self, refuse: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert refuse("sensitivity", *arguments.split()).startswith(message)
        assert list(tmp_path.iterdir()) == []


class TestVariance:
    def test_figures_are_those_of_the_fit(self, tree: Callable[..., Tree]) -> None:
        found, fit = tree("variance", PAIR), fit_ticks(read_ticks([QUOTES, TRADES]))
        assert found["trades"] == fit.trades == 297
        for name, one in fit.coefficients.items():
            for key in ("estimate", "standard_error", "convention", "t_zero", "t_convention"):
                assert found["coefficients"][name][key] == getattr(one, key)
        assert found["shares"] == dict(fit.shares.share)
        assert sum(found["shares"].values()) == pytest.approx(1.0)
        assert sum(found["shares_by_convention"].values()) == pytest.approx(1.0)
        assert found["left_out"]["no_quote"] == 3

    def test_says_in_words_what_is_convention_and_what_is_estimate(self, show: Show) -> None:
        notes = [line for line in show("variance", PAIR).splitlines() if line.startswith("note: ")]
        text = " ".join(notes)
        assert (
            "imbalance: the convention is 0.001; these trades say 0.000114 with a standard error of" in text
        )
        assert "the convention is 0.0002; these trades say 0.000127 with a standard error of" in text
        assert "0.001 (imbalance) and 0.0002 (latency) are conventions, not estimates" in text

    def test_one_file_of_both_in_chunks(self, tree: Callable[..., Tree], tmp_path: Path) -> None:
        path, ticks = tmp_path / "ticks.npy", read_ticks([QUOTES, TRADES])
        write_ticks(path, np.array_split(ticks, 7))
        assert tree("variance", str(path)) == tree("variance", PAIR)

    def test_columns(self, tree: Callable[..., Tree], tmp_path: Path) -> None:
        path = tmp_path / "trades.csv"
        path.write_text(TRADES.read_text().replace("qty", "size", 1))
        found = tree("variance", f"{QUOTES},{path}", "--columns", "size=qty")
        assert found == tree("variance", PAIR)

    @pytest.mark.parametrize("width", [80, 120])
    def test_table(self, tree: Callable[..., Tree], width: int) -> None:
        console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        console.print(price_variance._table(tree("variance", PAIR), "quotes, trades"))
        shown = console.export_text()
        assert "…" not in shown
        for text in ("imbalance", "0.0001139", "2.8e-05", "14.96%", "131.38%", "297 trades"):
            assert text in shown
        console.file.close()

    @pytest.mark.parametrize(
        ("file", "message"),
        [
            ("nofile.csv", "nofile.csv must be a readable CSV file"),
            (str(TRADES), "a fit must have at least 4 trades to use, was 0 (no quote 300)"),
            (str(QUOTES), "a fit must have at least 4 trades to use, was 0 (none left out)"),
            (f"{QUOTES},{QUOTES}", "a pair must be a recording of quotes and one of trades"),
        ],
    )
    def test_bad_recordings(self, refuse: Show, file: str, message: str) -> None:
        assert refuse("variance", file).startswith(message)

    def test_bad_columns(self, refuse: Show) -> None:
        assert refuse("variance", PAIR, "--columns", "a=b").startswith("columns must place each column at")

    def test_time_that_goes_backwards(self, refuse: Show, tmp_path: Path) -> None:
        path, ticks = tmp_path / "ticks.npy", read_ticks([QUOTES, TRADES])
        ticks["ts"][400:] -= 10**9
        write_ticks(path, [ticks])
        assert refuse("variance", str(path)).startswith("ts of ticks must not go backwards, was")
