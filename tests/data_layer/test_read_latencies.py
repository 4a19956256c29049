"""Recorded latencies: read exactly, or refused with the row."""

from pathlib import Path

import numpy as np
import pytest

from livetrading.data.errors import DataError
from livetrading.data.latency import read_latencies


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_csv(tmp_path: Path) -> None:
    dated = written(
        tmp_path / "dated.csv", "ts_ns,latency_ns\n1700000000000000001,250000\n\n1700000000000000001,7\n"
    )
    assert read_latencies(dated).tolist() == [[1700000000000000001, 250000], [1700000000000000001, 7]]
    plain = written(tmp_path / "plain.csv", "latency_ns\n3\n0\n")
    assert read_latencies(plain).tolist() == [3, 0]


@pytest.mark.parametrize("table", [[5, 6, 7], [[1, 5], [1, 6], [9, 7]]])
def test_npy(tmp_path: Path, table: list) -> None:
    np.save(tmp_path / "a.npy", np.array(table, np.int32))
    assert read_latencies(tmp_path / "a.npy").tolist() == table
    assert read_latencies(tmp_path / "a.npy").dtype == np.int64


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must begin with latency_ns or ts_ns,latency_ns, was ''"),
        ("latency\n1\n", "must begin with"),
        ("latency_ns\n", "at least one row"),
        ("latency_ns\n1\n1.5\n", "line 3: must be whole numbers, was '1.5'"),
        ("latency_ns\n1_0\n", "line 2: must be whole"),
        ("latency_ns\n1,2\n", "line 2: must have 1 fields, was 2"),
        ("latency_ns\n1\n-1\n", "row 3: a latency must be from 0"),
        (f"latency_ns\n{10**15 + 1}\n", "row 2: a latency must be from 0"),
        (f"latency_ns\n{10**30}\n", "line 2: must be from 0 to"),
        ("ts_ns,latency_ns\n2,1\n1,1\n", "row 3: a time must be .* not go back, was 1"),
        ("ts_ns,latency_ns\n-2,1\n", "row 2: a time must be"),
        ('latency_ns\n"1\n', "readable CSV"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        read_latencies(written(tmp_path / "bad.csv", text))


@pytest.mark.parametrize("table", [[1.5], [], [[1, 2, 3]], [[[1, 2]]], 5])
def test_arrays_of_another_shape(tmp_path: Path, table: object) -> None:
    np.save(tmp_path / "bad.npy", np.array(table))
    with pytest.raises(DataError, match="whole numbers of shape"):
        read_latencies(tmp_path / "bad.npy")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "no.npy").write_bytes(b"no array")
    (tmp_path / "archive.npy").write_bytes(b"PK\x03\x04")
    (tmp_path / "no.csv").write_bytes(b"latency_ns\n\xff\n")
    for name, rule in (
        ("no.npy", "must be a .npy array"),
        ("archive.npy", "must be a .npy array"),
        ("no.csv", "UTF-8"),
        ("absent.csv", "readable"),
        (".", "directory"),
    ):
        with pytest.raises(DataError, match=rule):
            read_latencies(tmp_path / name)
