"""Results reach their file whole, or leave nothing."""

import importlib
import importlib.util
import io
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pytest
import slow_ultra
from hypothesis import given
from hypothesis import strategies as st

from livetrading.core.dtypes import RESULT
from livetrading.core.errors import LivetradingError
from livetrading.data import results
from livetrading.data.errors import DataError, ExtraMissing
from livetrading.data.results import ResultWriter

needs_pyarrow = pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed (extra [data])"
)
NUMBERS = {"f": float, "i": int}
SUFFIXES = [
    ".npy",
    ".ultra",
    ".csv",
    ".csv.gz",
    pytest.param(".csv.zst", marks=needs_pyarrow),
    pytest.param(".parquet", marks=needs_pyarrow),
    pytest.param(".arrow", marks=needs_pyarrow),
]


def some_rows(n: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.zeros(n, RESULT)
    for name in RESULT.names:
        if RESULT[name].kind == "f":
            rows[name] = rng.standard_normal(n) * 10.0 ** rng.integers(-300, 300, n)
            rows[name][rng.random(n) < 0.2] = np.nan
        else:
            info = np.iinfo(RESULT[name])
            rows[name] = rng.integers(info.min, info.max, n, endpoint=True)
    return rows


def read(path: Path) -> pd.DataFrame:
    """By other readers than this project's."""
    if path.suffix == ".npy":
        rows = np.load(path)
        return pd.DataFrame({name: rows[name] for name in rows.dtype.names})
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".arrow":
        return pd.read_feather(path)
    if path.suffix == ".ultra":
        rows = slow_ultra.rows(path.read_bytes())
        return pd.DataFrame({name: rows[name] for name in rows.dtype.names})
    text = path
    if path.suffix == ".zst":
        pyarrow = importlib.import_module("pyarrow")
        text = io.BytesIO(pyarrow.input_stream(str(path), compression="zstd").read())
    return pd.read_csv(text, converters={n: NUMBERS[RESULT[n].kind] for n in RESULT.names})


def assert_holds(path: Path, rows: np.ndarray) -> None:
    frame = read(path)
    assert tuple(frame.columns) == rows.dtype.names
    assert len(frame) == len(rows)
    for name in rows.dtype.names:
        np.testing.assert_array_equal(frame[name].to_numpy(), rows[name], err_msg=name)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("chunks", [[], [0], [1], [5, 0, 1000, 3]])
def test_rows_come_back_as_they_were(tmp_path: Path, suffix: str, chunks: list[int]) -> None:
    path = tmp_path / f"results{suffix}"
    parts = [some_rows(n, seed) for seed, n in enumerate(chunks)]
    with ResultWriter(path, RESULT) as writer:
        for part in parts:
            writer.write(part)
            assert not path.exists()
    assert_holds(path, np.concatenate([np.zeros(0, RESULT), *parts]))
    assert list(tmp_path.iterdir()) == [path]


def test_an_array_on_disk_is_what_numpy_saves(tmp_path: Path) -> None:
    rows = some_rows(1234)
    with ResultWriter(tmp_path / "ours.npy", RESULT) as writer:
        writer.write(rows[:1000])
        writer.write(rows[1000:])
    np.save(tmp_path / "numpys.npy", rows)
    assert (tmp_path / "ours.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()
    assert np.load(tmp_path / "ours.npy").dtype == RESULT


@needs_pyarrow
def test_row_groups_are_whole_however_rows_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = importlib.import_module("pyarrow.parquet")
    monkeypatch.setattr(results, "GROUP_ROWS", 100)
    rows = some_rows(1234)
    for name, cuts in (("one.parquet", []), ("many.parquet", [1, 99, 100, 101, 350, 1200])):
        with ResultWriter(tmp_path / name, RESULT) as writer:
            for part in np.split(rows, cuts):
                writer.write(part)
        with parquet.ParquetFile(tmp_path / name) as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert sizes == [100] * 12 + [34]
        assert_holds(tmp_path / name, rows)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "many.parquet").read_bytes()


def test_the_time_of_writing_is_not_in_the_file(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        with ResultWriter(tmp_path / name, RESULT) as writer:
            writer.write(some_rows(3))
    packed = (tmp_path / "a.csv.gz").read_bytes()
    assert packed == (tmp_path / "b.csv.gz").read_bytes()
    assert packed[4:8] == bytes(4)


def test_padding_does_not_reach_the_file(tmp_path: Path) -> None:
    dirty = np.frombuffer(b"\x55" * RESULT.itemsize, RESULT)
    clean = np.zeros(1, RESULT)
    for name in RESULT.names:
        clean[name] = dirty[name]
    for name, rows in (("dirty.npy", dirty), ("clean.npy", clean)):
        with ResultWriter(tmp_path / name, RESULT) as writer:
            writer.write(rows)
    assert (tmp_path / "dirty.npy").read_bytes() == (tmp_path / "clean.npy").read_bytes()


@given(st.lists(st.floats(), max_size=20))
def test_floats_survive_text(tmp_path_factory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("text") / "a.csv"
    rows = np.array([(v,) for v in values], [("z_score", "<f8")])
    with ResultWriter(path, rows.dtype) as writer:
        writer.write(rows)
    lines = path.read_text().splitlines()
    assert lines[0] == "z_score"
    np.testing.assert_array_equal(np.array([float(x) for x in lines[1:]]), rows["z_score"])
    assert lines[1:] == [repr(v) for v in values]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_failure_leaves_what_was_there(tmp_path: Path, suffix: str, error: type[BaseException]) -> None:
    path = tmp_path / f"results{suffix}"
    path.write_text("before")

    def fail() -> None:
        with ResultWriter(path, RESULT) as writer:
            writer.write(some_rows(3))
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with ResultWriter(path, RESULT) as writer:
        writer.write(some_rows(3))
    assert_holds(path, some_rows(3))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_write_that_was_cut_off_is_not_passed_over(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(self: object, rows: np.ndarray) -> None:
        raise OSError(28, "No space left on device")

    writer = ResultWriter(tmp_path / f"a{suffix}", RESULT)
    monkeypatch.setattr(results.FORMATS[suffix], "write", full_disk)
    writer.__enter__()
    with pytest.raises(DataError, match=r"must be writable, was: .*No space left"):
        writer.write(some_rows(1))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="open writer"):
        writer.write(some_rows(1))
    with pytest.raises(DataError, match="cut off"):
        writer.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_is_full_leaves_nothing(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_full(*_: object) -> BinaryIO:
        return open("/dev/full", "wb")

    writer = ResultWriter(tmp_path / f"a{suffix}", RESULT)
    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(DataError, match="No space left"), writer:
        writer.write(some_rows(2))
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_be_text(tmp_path: Path) -> None:
    with ResultWriter(str(tmp_path / "a.npy"), RESULT) as writer:  # type: ignore[arg-type]
        writer.write(some_rows(1))
    assert_holds(tmp_path / "a.npy", some_rows(1))


def test_rows_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    with pytest.raises(DataError, match="was float64"), ResultWriter(path, RESULT) as writer:
        writer.write(np.zeros(3))
    with pytest.raises(DataError, match=r"shape \(2, 2\)"), ResultWriter(path, RESULT) as writer:
        writer.write(np.zeros((2, 2), RESULT))
    writer = ResultWriter(path, RESULT)
    with pytest.raises(DataError, match="open writer"):
        writer.write(some_rows(1))
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    link, target = tmp_path / "link.npy", tmp_path / "far" / "target.npy"
    link.symlink_to(target)
    for n in (2, 3):  # the first time it leads to nothing
        with ResultWriter(link, RESULT) as writer:
            writer.write(some_rows(n))
        assert link.is_symlink()
        assert_holds(target, some_rows(n))


def test_targets_that_cannot_be_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, message in (
        ("a.txt", r"one of .npy, .ultra, .csv, .csv.gz, .csv.zst, .parquet, .arrow, was .*a.txt"),
        ("a", "was .*a"),
        ("folder.csv", "results must go to a file, was a directory"),
        ("no/a.csv", "directory that exists"),
    ):
        with pytest.raises(DataError, match=message):
            ResultWriter(tmp_path / name, RESULT)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.csv"]


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    for name in ("a.parquet", "a.csv.zst"):
        with pytest.raises(ExtraMissing, match=rf"{name} needs pyarrow: pip install 'livetrading\[data\]'"):
            ResultWriter(tmp_path / name, RESULT)
    assert issubclass(ExtraMissing, DataError)
    assert issubclass(ExtraMissing, LivetradingError)
    assert list(tmp_path.iterdir()) == []
