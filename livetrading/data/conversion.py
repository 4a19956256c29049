"""One file through a chain: read, cleaned, resampled and written in flat memory, whole or not at all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from livetrading.core.dtypes import BAR, TICK
from livetrading.core.errors import BarError
from livetrading.data.errors import DataError
from livetrading.data.history import Scan, Table, Understanding, together
from livetrading.data.manifest import FileState, Manifest, sha256_of
from livetrading.data.results import ResultWriter
from livetrading.data.stages import Stage, Step
from livetrading.data.ticks import open_ticks

__all__ = ["FileResult", "Job", "Reading", "Watch", "convert"]

Rows = NDArray[np.void]

Watch = Callable[[float, int], None]
"""Is told the share of a file that has been read, 0 to 1, and its rows; what it raises ends the work."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are to be understood, where they do not tell it themselves; as `load` takes it."""

    kind: str | None = None
    columns: Mapping[str, str] | None = None
    delimiter: str | None = None
    every: str | int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Describe what is given."""
        columns = None if self.columns is None else dict(self.columns)
        tree = {"kind": self.kind, "columns": columns, "delimiter": self.delimiter, "every": self.every}
        return {name: value for name, value in tree.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Job:
    """A source, what is to be done with it, and where it goes.

    Attributes
    ----------
    paths : tuple of Path
        One file, or two: quotes and trades, which are merged.
    reading : Reading
    steps : tuple of Step
    target : Path
    """

    paths: tuple[Path, ...]
    reading: Reading
    steps: tuple[Step, ...]
    target: Path


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of a source.

    Attributes
    ----------
    sources : tuple of str
    target : str
    kept : bool
        Whether the output was there already, whole, and was left as it is; the figures are of then.
    kind : str
        What the rows of the output are: ``ticks``, ``bars`` or ``columns``.
    read, rows : int
        Rows of the source and of the output.
    left_out : dict of dict of str to int
        By step, rows left out by reason: by a rule of cleaning, or because no bar can be made of them.
    understood : dict or None
        What was understood of the file; None of a pair.
    notes : tuple of str
        What is to be said of it.
    """

    sources: tuple[str, ...]
    target: str
    kept: bool
    kind: str
    read: int
    rows: int
    left_out: Mapping[str, Mapping[str, int]]
    understood: Mapping[str, Any] | None
    notes: tuple[str, ...]

    @classmethod
    def kept_as(cls, result: Mapping[str, Any], job: Job) -> Self:
        """Return what a manifest says of an output that is kept; TypeError or KeyError if it is none."""
        return cls(
            **{
                **result,
                "sources": tuple(map(str, job.paths)),
                "target": str(job.target),
                "kept": True,
                "notes": tuple(result["notes"]),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "sources": list(self.sources), "notes": list(self.notes)}


def convert(job: Job, chain: dict[str, Any], watch: Watch) -> FileResult:
    """Take a source through its steps to its target.

    Parameters
    ----------
    job : Job
    chain : dict
        The description of the chain, for the manifest.
    watch : callable
        Asked after every chunk.

    Returns
    -------
    FileResult

    Raises
    ------
    DataError
        If the source cannot be read, changes meanwhile, or a step or the disk refuses it. What was at the
        target before stays then.
    """
    before = [FileState.of(path) for path in job.paths]
    with ExitStack() as files:
        source = _open(job, files)
        chunks = iter(source)
        first = next(chunks)
        stages = _begin(job, first.dtype)
        dtype = stages[-1].dtype if stages else first.dtype
        writer = files.enter_context(ResultWriter(job.target, dtype))
        rows = 0
        for out in _through(job, stages, _watched(source, first, chunks, watch)):
            rows += len(out)
            writer.write(out)
        sources = [
            {**asdict(state), "sha256": sha256_of(path)}
            for state, path in zip(before, job.paths, strict=True)
        ]
        _check_unchanged(job.paths, before)
    result = FileResult(
        sources=tuple(map(str, job.paths)),
        target=str(job.target),
        kept=False,
        kind=_kind(dtype),
        read=source.rows,
        rows=rows,
        left_out={step.name: dict(stage.counts) for step, stage in zip(job.steps, stages, strict=True)},
        understood=source.understood,
        notes=source.notes,
    )
    Manifest(chain, sources, asdict(FileState.of(job.target)), result.to_dict()).write(job.target)
    return result


def _kind(dtype: np.dtype[Any]) -> str:
    return "ticks" if dtype == TICK else "bars" if dtype == BAR else "columns"


def _open(job: Job, files: ExitStack) -> "_History | _Pair":
    return _History(job, files) if len(job.paths) == 1 else _Pair(job, files)


class _History:
    """A file as records: ticks, bars, or columns under their names."""

    def __init__(self, job: Job, files: ExitStack) -> None:
        reading = job.reading
        self._tables = files.enter_context(
            Scan(
                job.paths[0],
                kind=reading.kind,
                columns=reading.columns,
                delimiter=reading.delimiter,
                every=reading.every,
            )
        )
        self._understood: Understanding | None = None
        self.rows = 0

    def __iter__(self) -> Iterator[Rows]:
        for table in self._tables:
            found = table.understood
            self._understood = found if self._understood is None else together([self._understood, found])
            self.rows += len(table)
            yield _records(table)

    @property
    def done(self) -> float:
        return self._tables.done

    @property
    def understood(self) -> Mapping[str, Any] | None:
        return None if self._understood is None else self._understood.to_dict()

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self._understood is None else self._understood.notes


class _Pair:
    """Quotes and trades, merged to ticks."""

    understood = None

    def __init__(self, job: Job, files: ExitStack) -> None:
        given = job.reading.to_dict()
        if given.keys() - {"columns"}:
            raise DataError(
                f"a pair of quotes and trades must be read by columns alone, was by {', '.join(given)}"
            )
        self._recording = files.enter_context(open_ticks(job.paths, job.reading.columns))
        self.notes = self._recording.notes
        self.rows = 0

    def __iter__(self) -> Iterator[Rows]:
        for rows in self._recording:
            self.rows += len(rows)
            yield rows

    @property
    def done(self) -> float:
        return self._recording.done


def _records(table: Table) -> Rows:
    if table.kind != "columns":
        return table.records()
    dtype = np.dtype([(name, values.dtype.newbyteorder("<")) for name, values in table.columns.items()])
    rows = np.zeros(len(table), dtype)
    for name, values in table.columns.items():
        rows[name] = values
    return rows


def _watched(source: "_History | _Pair", first: Rows, chunks: Iterator[Rows], watch: Watch) -> Iterator[Rows]:
    yield first
    watch(source.done, source.rows)
    for rows in chunks:
        yield rows
        watch(source.done, source.rows)


def _begin(job: Job, dtype: np.dtype[Any]) -> list[Stage]:
    stages: list[Stage] = []
    for step in job.steps:
        with _named(job):
            stages.append(step.begin(stages[-1].dtype if stages else dtype))
    return stages


def _through(job: Job, stages: Sequence[Stage], chunks: Iterator[Rows]) -> Iterator[Rows]:
    """Yield what comes out of the last stage."""
    for rows in chunks:
        yield _pushed(job, stages, rows)
    for at, stage in enumerate(stages):
        yield _pushed(job, stages[at + 1 :], stage.finish())


def _pushed(job: Job, stages: Sequence[Stage], rows: Rows) -> Rows:
    with _named(job):
        for stage in stages:
            rows = stage.push(rows)
    return rows


@contextmanager
def _named(job: Job) -> Iterator[None]:
    """Say of which file it is what a step refuses."""
    try:
        yield
    except (BarError, DataError) as error:
        raise DataError(f"{', '.join(map(str, job.paths))}: {error}") from error


def _check_unchanged(paths: Sequence[Path], before: Sequence[FileState]) -> None:
    for path, was in zip(paths, before, strict=True):
        now = FileState.of(path)
        if now != was:
            raise DataError(
                f"{path} must not change while it is read, was {was.size} bytes before and {now.size} after"
                + ("" if now.size != was.size else ", written to meanwhile")
            )
