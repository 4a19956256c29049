"""Models day by day: bands without look-ahead, gaps left open, and figures that are whole and safe."""

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from datetime import date
from html.parser import HTMLParser
from math import isnan, nan
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livetrading.blockchain.protocol import DomainError
from livetrading.data.chain_history import ChainHistory, date_of, day_of, embedded_history, read_chain_history
from livetrading.data.errors import DataError
from livetrading.research import price_plot
from livetrading.research.history_table import (
    amount,
    by_reason,
    history_notes,
    history_rows,
    history_tree,
    year_ends,
)
from livetrading.research.price_history import PriceHistory, expanding_band, price_history
from livetrading.research.price_plot import plot_history

SHOWN: Final = ["true-price", "power-law-a", "s2f-planb-2019", "metcalfe", "realized-price"]


@pytest.fixture(scope="module")
def history(made_history: Path) -> ChainHistory:
    return read_chain_history(made_history)


@pytest.fixture(scope="module")
def found(history: ChainHistory) -> PriceHistory:
    return price_history(history, SHOWN)


@pytest.fixture(scope="module")
def small(history: ChainHistory) -> PriceHistory:
    """Quick to draw."""
    return price_history(history, ["true-price"], last=date(2017, 12, 31))


@pytest.fixture(scope="module")
def chain() -> PriceHistory:
    return price_history(embedded_history())


class TestBand:
    @pytest.mark.parametrize("holes", [0, 100])
    def test_equals_pandas_on_the_days_before(self, holes: int) -> None:
        rng = np.random.default_rng(1)
        error = np.cumsum(rng.normal(0, 0.05, 900))
        error[rng.choice(900, holes, replace=False)] = nan
        before = pd.Series(error).expanding(365)
        low, high = expanding_band(error)
        np.testing.assert_allclose(low, before.quantile(0.1).shift(1), atol=1e-12)
        np.testing.assert_allclose(high, before.quantile(0.9).shift(1), atol=1e-12)

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), cut=st.integers(366, 599))
    def test_neither_the_day_nor_what_follows_it_moves_its_band(self, seed: int, cut: int) -> None:
        error = np.random.default_rng(seed).normal(size=600)
        changed = error.copy()
        changed[cut:] += 100.0
        for before, after in zip(expanding_band(error), expanding_band(changed), strict=True):
            np.testing.assert_array_equal(before[: cut + 1], after[: cut + 1])

    def test_a_price_of_0_or_infinite_error_counts_for_nothing(self) -> None:
        error = np.concatenate([np.full(365, 1.0), [np.inf, -np.inf, nan, 0.0]])
        low, high = expanding_band(error)
        assert (low[-1], high[-1]) == (1.0, 1.0)

    def test_what_a_float_does_not_hold_has_no_band(self, tmp_path: Path) -> None:
        days = [
            f"{date_of(day_of(date(2014, 1, 2)) + i)},500,1e-300,{1e-300 if i < 367 else 1e18}"
            for i in range(370)
        ]
        file = tmp_path / "tiny.csv"
        file.write_text("date,price,market_cap_usd,realized_cap_usd\n" + "\n".join(days))
        (track,) = price_history(read_chain_history(file), ["realized-price"]).tracks
        assert not np.isinf(track.low).any()
        assert np.isnan(track.high[-1])

    def test_tracks_have_the_band_of_their_errors(self, found: PriceHistory) -> None:
        for track in found.tracks:
            error = pd.Series(np.log(found.market) - np.log(track.price))
            low = track.price * np.exp(error.expanding(365).quantile(0.1).shift(1))
            np.testing.assert_allclose(track.low, low, rtol=1e-9)
            judged = ~np.isnan(track.low)
            inside = judged & (found.market >= track.low) & (found.market <= track.high)
            assert (track.judged, track.inside) == (judged.sum(), inside.sum())
            assert track.judged == 1900 - 365

    def test_bands_know_the_days_before_the_first_that_is_shown(self, history: ChainHistory) -> None:
        part = price_history(history, ["true-price"], first=date(2018, 1, 1), last=date(2018, 12, 31))
        whole = price_history(history, ["true-price"])
        shown = np.isin(whole.days, part.days)
        np.testing.assert_array_equal(part.tracks[0].low, whole.tracks[0].low[shown])
        assert part.tracks[0].judged == 365


class TestHistory:
    def test_halvings_are_the_days_of_their_blocks(self, chain: PriceHistory, found: PriceHistory) -> None:
        days = {height: date_of(day) for day, height in chain.halvings}
        assert set(days) == {210_000, 420_000, 630_000, 840_000}
        true = {
            210_000: (2012, 11, 28),
            420_000: (2016, 7, 9),
            630_000: (2020, 5, 11),
            840_000: (2024, 4, 20),
        }
        for height, parts in true.items():
            assert abs((days[height] - date(*parts)).days) <= 1
        assert [height for _, height in found.halvings] == [420_000, 630_000]

    def test_a_halving_in_a_gap_is_where_the_table_has_it(self, tmp_path: Path) -> None:
        path = tmp_path / "holed.csv"
        path.write_text("date,close\n2024-04-01,69000\n2024-04-02,66000\n2024-05-25,64000\n")
        ((day, height),) = price_history(read_chain_history(path), ["true-price"]).halvings
        assert height == 840_000
        assert abs((date_of(day) - date(2024, 4, 20)).days) <= 1

    def test_without_a_market_models_come_from_the_chain_alone(self, chain: PriceHistory) -> None:
        assert np.isnan(chain.market).all()
        names = [track.model for track in chain.tracks]
        assert "true-price" in names
        assert "realized-price" not in names
        assert chain.unavailable["realized-price"].startswith("needs realized_cap_usd")
        assert all(np.isnan(track.low).all() and track.judged == 0 for track in chain.tracks)

    def test_names_choose_and_order(self, history: ChainHistory) -> None:
        chosen = price_history(history, ["s2f-463d", "power-law-b"])
        assert [track.model for track in chosen.tracks] == ["s2f-463d", "power-law-b"]

    def test_bad_names_and_days(self, history: ChainHistory) -> None:
        with pytest.raises(DomainError, match=r"model must be one of .*, was 'crystal-ball'"):
            price_history(history, ["crystal-ball"])
        with pytest.raises(DataError, match="must give a price on one of the days at least, was none"):
            price_history(history, ["nvt"])
        with pytest.raises(DataError, match="was 2030-01-01 to the last"):
            price_history(history, first=date(2030, 1, 1))


class TestTable:
    def test_the_last_day_of_every_year(self, found: PriceHistory) -> None:
        days = [str(date_of(found.days[at])) for at in year_ends(found)]
        assert days == ["2016-12-31", "2017-12-31", "2018-12-31", "2019-12-31", "2020-12-31", "2021-05-13"]

    def test_rows(self, found: PriceHistory, chain: PriceHistory) -> None:
        headings, *rows = history_rows(found, found.tracks)
        assert headings == ("day", "height", "market", *SHOWN)
        assert rows[-1][2] == amount(float(found.market[-1]))
        assert history_rows(chain, chain.tracks)[0][:3] == ("day", "height", "true-price")

    @pytest.mark.parametrize(
        ("value", "text"), [(nan, "-"), (1234.5, "1,234"), (999.96, "1000"), (0.000012345, "1.234e-05")]
    )
    def test_amounts(self, value: float, text: str) -> None:
        assert amount(value) == text

    def test_notes_say_what_a_band_is_and_how_it_did(self, found: PriceHistory, chain: PriceHistory) -> None:
        (band,) = [note for note in history_notes(found) if note.startswith("A band")]
        assert "10% and 90% quantiles of its errors on the days before" in band
        track = found.tracks[0]
        assert f"true-price {track.inside / track.judged:.0%}" in band
        assert not [note for note in history_notes(chain) if note.startswith("A band")]

    def test_what_is_missing_stands_together(self) -> None:
        assert by_reason({"a": "x", "b": "y", "c": "x"}) == ["a, c (x)", "b (y)"]

    def test_json(self, found: PriceHistory) -> None:
        from livetrading.commands.output import plain

        tree = json.loads(json.dumps(plain(history_tree(found)), allow_nan=False))
        assert len(tree["days"]) == len(tree["models"]["metcalfe"]["price_usd"]) == 1900
        assert tree["models"]["true-price"]["band_low_usd"][0] is None
        assert "null_means" in tree


class Tags(HTMLParser):
    """Names and attributes of every tag of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


class TestFigure:
    @pytest.mark.parametrize("suffix", [".png", ".svg", ".html"])
    def test_the_same_history_gives_the_same_bytes(
        self, small: PriceHistory, tmp_path: Path, suffix: str
    ) -> None:
        one, other = tmp_path / f"one{suffix}", tmp_path / f"other{suffix}"
        plot_history(small, one)
        plot_history(small, other)
        assert one.read_bytes() == other.read_bytes()
        assert sorted(path.name for path in tmp_path.iterdir()) == [f"one{suffix}", f"other{suffix}"]

    def test_a_panel_a_model_on_a_log_axis_with_legend_and_halvings(self, found: PriceHistory) -> None:
        figure = price_plot._panels(found)
        assert len(figure.axes) == len(found.tracks)
        for axes, track in zip(figure.axes, found.tracks, strict=True):
            assert axes.get_yscale() == "log"
            assert axes.get_title(loc="left").startswith(track.model)
            dashed = [line for line in axes.lines if line.get_linestyle() == ":"]
            assert [line.get_xdata()[0] for line in dashed] == [
                np.datetime64(d, "D") for d, _ in found.halvings
            ]
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert texts == ["10-90 % of the log errors known the day before", "market", "model", "halving"]
        assert figure.axes[0].get_ylabel() == "USD per BTC (log scale)"
        assert figure.axes[-1].get_xlabel() == "date (UTC)"

    def test_lines_are_the_numbers_and_stop_at_gaps(self, history: ChainHistory) -> None:
        kept = np.ones(len(history.columns["day"]), bool)
        kept[400:410] = False
        columns = {name: values[kept] for name, values in history.columns.items()}
        holed = price_history(
            ChainHistory(path=history.path, columns=columns, gaps=(), notes=()), ["power-law-a"]
        )
        (axes,) = price_plot._panels(holed).axes
        market = next(line for line in axes.lines if line.get_label() == "market")
        y = np.asarray(market.get_ydata(), float)
        assert len(y) == len(kept)
        assert len(axes.collections) == 1  # the band
        np.testing.assert_array_equal(np.isnan(y), ~kept)
        np.testing.assert_array_equal(y[kept], holed.market)

    def test_a_day_between_two_gaps_is_a_point(self, tmp_path: Path) -> None:
        path = tmp_path / f"{'long' * 30}.csv"
        path.write_text("date,close\n2024-04-01,69000\n2024-04-02,66000\n2024-04-25,64000\n")
        figure = price_plot._panels(price_history(read_chain_history(path), ["power-law-a"]))
        (axes,) = figure.axes
        points = [line for line in axes.lines if line.get_marker() == "."]
        assert float(points[0].get_ydata()[0]) == 64_000.0
        assert not axes.collections  # no band of so few errors
        assert len(figure._suptitle.get_text()) < 110

    def test_chain_alone_has_one_panel(self, chain: PriceHistory) -> None:
        (axes,) = price_plot._one_panel(chain).axes
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == [*(track.model for track in chain.tracks), "halving"]
        assert axes.get_yscale() == "log"

    @pytest.mark.parametrize("names", [SHOWN, SHOWN[:1], SHOWN[:2]])
    @pytest.mark.parametrize("last", [date(2016, 4, 20), date(2017, 6, 1), date(2021, 5, 13)])
    def test_nothing_written_stands_over_anything_else(
        self, history: ChainHistory, names: list[str], last: date
    ) -> None:
        """Titles, tick labels, axis labels and legend of the drawn figure keep apart, and within it."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        figure = price_plot._panels(price_history(history, names, last=last))
        FigureCanvasAgg(figure).draw()
        boxes = [figure._suptitle.get_window_extent(), figure.legends[0].get_window_extent()]
        for axes in figure.axes:
            boxes += [axes._left_title.get_window_extent()]
            texts = []
            for axis, side in ((axes.xaxis, "labelbottom"), (axes.yaxis, "labelleft")):
                if axis.get_tick_params()[side]:
                    low, high = sorted(axis.get_view_interval())
                    seen = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
                    texts += [axis.label, axis.get_offset_text(), *seen]
            boxes += [text.get_window_extent() for text in texts if text.get_text()]
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes[:2])
        clashes = [
            (a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :] if a.shrunk(0.95, 0.9).overlaps(b)
        ]
        assert not clashes

    def test_svg_is_well_formed(self, small: PriceHistory, tmp_path: Path) -> None:
        plot_history(small, tmp_path / "one.svg")
        assert ElementTree.parse(tmp_path / "one.svg").getroot().tag.endswith("svg")


@pytest.fixture(scope="module")
def page(found: PriceHistory, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "out.html"
    plot_history(found, path)
    return path.read_text("utf-8")


class TestPage:
    def test_it_loads_nothing_and_runs_nothing(self, page: str) -> None:
        tags = Tags(page).tags
        assert not {"script", "link", "iframe", "object", "img", "image", "base"} & {tag for tag, _ in tags}
        for _, attributes in tags:
            for name, value in attributes.items():
                assert not name.startswith("on"), name
                if name in ("href", "src", "xlink:href"):
                    assert (value or "").startswith("#")
        assert not re.findall(r"url\((?!#)|@import", page)
        assert "default-src 'none'" in page

    def test_it_holds_picture_table_and_notes(self, page: str, found: PriceHistory) -> None:
        tags = [tag for tag, _ in Tags(page).tags]
        assert tags.count("svg") == 1
        assert tags.count("tr") == 1 + len(year_ends(found))
        for note in history_notes(found):
            assert html.escape(note) in page

    def test_what_a_file_says_is_text(self, history: ChainHistory, tmp_path: Path) -> None:
        hostile = '<script>alert(1)</script> & "$x$'
        named = ChainHistory(
            path=tmp_path / f"{hostile.replace('/', '')}.csv",
            columns=history.columns,
            gaps=(),
            notes=(hostile,),
        )
        shown = price_history(named, ["power-law-a"])
        plot_history(shown, tmp_path / "out.html")
        page = Tags((tmp_path / "out.html").read_text("utf-8"))
        assert "script" not in {tag for tag, _ in page.tags}
        assert hostile in page.text


class TestPlaces:
    def test_errors_come_first(self, found: PriceHistory, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"must go to one of \.png, \.svg, \.html, was .*out\.pdf"):
            plot_history(found, tmp_path / "out.pdf")
        with pytest.raises(DataError, match="in a directory that exists"):
            plot_history(found, tmp_path / "none" / "out.png")

    def test_a_failed_write_leaves_what_was_there(
        self, small: PriceHistory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "out.html").write_text("before")

        def full(self: Path, data: bytes) -> int:
            with self.open("wb") as file:
                file.write(data[:10])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match="must be writable"):
            plot_history(small, tmp_path / "out.html")
        assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
        assert (tmp_path / "out.html").read_text() == "before"


def test_days_and_dates_are_inverse() -> None:
    values: list[Any] = [date(1970, 1, 1), date(2009, 1, 3), date(2024, 2, 29)]
    assert [date_of(day_of(value)) for value in values] == values
    assert not isnan(day_of(values[0]))
