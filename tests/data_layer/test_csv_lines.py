"""Lines of CSV as pyarrow reads them are as Python reads them, or Python reads them."""

import importlib.util
import io
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livetrading.data import csv_columns, csv_lines, csv_table
from livetrading.data.csv_columns import CsvColumns
from livetrading.data.csv_lines import CHUNK_ROWS, Lines, blocks, parsed
from livetrading.data.errors import DataError
from livetrading.data.history import scan

needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed (extra [data])"
)

# fmt: off
ODD = [
    "1", "-1", "+1", "01", "-0", "1.", ".5", "1e5", "1E+5", "1e", "1e999", "-1e999", "1e-999", "5e-324",
    "inf", "-inf", "Infinity", "infin", "nan", "NaN", "-nan", "nan(1)", "nan()", "0x10", "0X1p3", "-0x1",
    "1_0", "1d5", "1f", "", " ", "\t", " 1", "1 ", "\x0b1", "1\x0c", "\x1c1", "NA", "null", "true", "--1",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "4.35",
    "2.2250738585072011e-308", "1.7976931348623159e308", "0.1" + "0" * 400 + "1", '"1"', '"1', "1;2", "1\x00",
    "\u0663", "123456789012345678901234567890", "0.000000000000000000000000000000000123456789",
]
# fmt: on


def block(text: str) -> Lines:
    (lines,) = blocks(Path("x.csv"), io.BytesIO(text.encode()))
    return lines


def by_python(cell: str, kind: str) -> Any:
    """What the rules of a recording make of a cell; None where they refuse it."""
    field = "ts" if kind == "whole" else "bid"
    try:
        return csv_columns._parse([f"7,{cell}\n"], 2, {field: 1})[field]
    except (ValueError, OverflowError, csv_columns.csv.Error):
        return None


@needs_pyarrow
class TestParsed:
    @pytest.mark.parametrize("kind", ["real", "whole"])
    @pytest.mark.parametrize("cell", ODD)
    def test_a_cell_is_what_python_reads(self, cell: str, kind: Any) -> None:
        found = parsed(block(f"7,{cell}\n"), 2, ",", {1: kind})
        if found is not None:
            expected = by_python(cell, kind)
            if expected is None:  # a number that is none of the field
                with pytest.raises(ValueError, match="must be from"):
                    csv_columns._in_bounds("ts", found[0][1])
            else:
                assert found[0][1].tobytes() == expected.tobytes()
            assert found[1] == (cell == "")

    def test_most_cells_are_read(self) -> None:
        """Otherwise the test above would show nothing."""
        for cell in ("1", "-1.5", "1e5", "", "nan", "-nan", "4.35", "5e-324", "inf"):
            assert parsed(block(f"7,{cell}\n"), 2, ",", {1: "real"}) is not None, cell
        assert parsed(block("7,-9\n7,3"), 2, ",", {1: "whole"}) is not None

    @pytest.mark.parametrize(
        "text", ["1,2,3\n", "1\n", "1,2\n\n1,2\n", "\n", "1,é\n", '1,"2"\n', "1,2" + "0" * 131_072 + "\n"]
    )
    def test_what_python_may_read_otherwise_is_left_to_it(self, text: str) -> None:
        assert parsed(block(text), 2, ",", {0: "real"}) is None

    def test_one_column_is_left_to_python(self) -> None:
        assert parsed(block("1\n"), 1, ",", {0: "real"}) is None


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def read_as(path: Path, monkeypatch: pytest.MonkeyPatch, fast: bool, read: Any) -> Any:
    for module in (csv_columns, csv_table):
        monkeypatch.setattr(module, "FAST_BYTES", 0 if fast else 1 << 60)
    try:
        return read(path)
    except DataError as error:
        return str(error)


def columns_of(path: Path) -> list[tuple[str, bytes]]:
    with closing(CsvColumns(path, {})) as columns:
        chunks = list(columns)
    return [(field, b"".join(chunk[field].tobytes() for chunk in chunks)) for field in chunks[0]]


def table_of(path: Path) -> Any:
    parts = list(scan(path))
    names = [(name, parts[0].columns[name].dtype.str) for name in parts[0].columns]
    found = [b"".join(part.columns[name].tobytes() for part in parts) for name, _ in names]
    return names, found, [part.understood for part in parts]


cell = st.one_of(st.sampled_from(["1", "2.5", "nan", "", "-0.0", "7e22"]), st.sampled_from(ODD))
rows = st.lists(
    st.tuples(st.sampled_from(["1700000000000", "1700000000001", "17e11", "x"]), cell, cell), max_size=6
)


@needs_pyarrow
class TestFiles:
    """A file gives the same values, or the same error, either way."""

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(rows=rows, good=st.integers(1, 3), end=st.sampled_from(["\n", "\r\n", "\r"]))
    @pytest.mark.parametrize("read", [columns_of, table_of])
    def test_same(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        read: Any,
        rows: list[tuple[str, ...]],
        good: int,
        end: str,
    ) -> None:
        monkeypatch.setattr(csv_lines, "CHUNK_ROWS", 2)
        lines = ["exch_ms,bid,ask", *["1700000000000,1.5,2"] * good, *(",".join(row) for row in rows)]
        path = written(tmp_path / "a.csv", end.join(lines).encode())
        assert read_as(path, monkeypatch, True, read) == read_as(path, monkeypatch, False, read)

    def test_trades_with_words(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_lines, "CHUNK_ROWS", 2)
        body = "".join(
            f"17000000{i:02d}.25,1,2,{side}\n" for i, side in enumerate(["buy", "sell", "Buy"] * 9)
        )
        path = written(tmp_path / "a.csv", f"time,price,qty,side\n{body}".encode())
        fast = read_as(path, monkeypatch, True, table_of)
        assert fast == read_as(path, monkeypatch, False, table_of)
        assert fast[1][fast[0].index(("side", "|i1"))] == np.array([1, -1, 1] * 9, "i1").tobytes()

    def test_numbers_are_read_by_pyarrow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        body = "".join(f"{i},1.5,2\n" for i in range(3 * CHUNK_ROWS))
        path = written(tmp_path / "a.csv", f"ts,bid,ask\n{body}".encode())
        monkeypatch.setattr(csv_columns, "FAST_BYTES", 0)
        monkeypatch.setattr(csv_columns, "_parse", pytest.fail)
        assert len(columns_of(path)[0][1]) == 3 * CHUNK_ROWS * 8


class TestBlocks:
    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        data=st.text("ab\n\r", max_size=60).map(str.encode),
        read=st.integers(1, 7),
        count=st.integers(1, 4),
        above=st.integers(0, 2),
    )
    def test_lines_are_those_of_a_text_file(
        self, monkeypatch: pytest.MonkeyPatch, data: bytes, read: int, count: int, above: int
    ) -> None:
        monkeypatch.setattr(csv_lines, "READ_BYTES", read)
        monkeypatch.setattr(csv_lines, "CHUNK_ROWS", count)
        found = list(blocks(Path("x.csv"), io.BytesIO(data), above))
        assert [line for lines in found for line in lines.text()] == list(io.TextIOWrapper(io.BytesIO(data)))
        assert [lines.number for lines in found] == [
            1 + sum(lines.count for lines in found[:i]) for i in range(len(found))
        ]
        for i, lines in enumerate(found):
            texts = lines.text()
            assert lines.count == len(texts) <= count + (above if i == 0 else 0)
            assert lines.longest >= max(len(text.rstrip("\n")) for text in texts)
            for cut in range(lines.count + 1):
                rest = lines.without(cut)
                assert (rest.text() if rest else []) == texts[cut:]
                assert rest is None or (rest.number, rest.count) == (lines.number + cut, lines.count - cut)

    def test_a_block_is_bounded_in_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_lines, "READ_BYTES", 1000)
        monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 4000)
        found = list(blocks(Path("x.csv"), io.BytesIO((b"x" * 99 + b"\n") * 500)))
        assert max(len(lines.data) for lines in found) <= 5000
        assert sum(lines.count for lines in found) == 500

    @pytest.mark.parametrize("end", [b"", b"\n", b"\nx\n"])
    def test_a_line_too_long_is_refused(self, monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
        monkeypatch.setattr(csv_lines, "LINE_MAX", 10)
        for size, good in ((10, True), (11, False)):
            data = io.BytesIO(b"x\n" + b"x" * size + end)
            if good:
                list(blocks(Path("x.csv"), data))
            else:
                with pytest.raises(DataError, match=r"x\.csv, line 2: must be of at most 10 bytes"):
                    list(blocks(Path("x.csv"), data))
