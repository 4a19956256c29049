"""The bytes of an ultra file: its header, those of its blocks, its end mark (docs/ULTRA.md has the table)."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from livetrading.core.checksum import crc32c
from livetrading.data.errors import DataError, UltraDamaged

__all__ = [
    "BLOCK_BYTES",
    "BLOCK_HEAD",
    "HEADER",
    "ROWS_MAX",
    "STEP",
    "BlockHead",
    "EndMark",
    "Layout",
    "formats",
    "padded",
]

HEADER: Final = 4096
"""Bytes of the header, a page."""
BLOCK_HEAD: Final = 64
"""Bytes of a block's header and of the end mark, and what everything in the file is aligned to."""
BLOCK_BYTES: Final = 1 << 26
"""Most bytes of rows in a block."""
ROWS_MAX: Final = 1 << 62
"""Most rows before a block."""

MAGIC: Final = b"\x89ULTRA\r\n"
BLOCK_MAGIC: Final = b"LTBLOCK\n"
END_MAGIC: Final = b"LTCLOSE\n"
BYTE_ORDER: Final = 0x01020304
BIG_ENDIAN: Final = b"\x01\x02\x03\x04"
VERSION: Final = 1
FIELDS_MAX: Final = 64
ITEMSIZE_MAX: Final = 4096
STEP_ROWS_MIN: Final = 16

FORMATS: Final = re.compile(r"\|[biu]1|<[iu][248]|<f[248]")
START: Final = struct.Struct("<8s7I")
FIELD: Final = struct.Struct("<40s4sI")
FIELDS_AT: Final = 64
CREATOR_AT: Final = FIELDS_AT + FIELDS_MAX * FIELD.size
SOURCE_AT: Final = CREATOR_AT + 128
CRC_AT: Final = HEADER - 4
HEAD: Final = struct.Struct("<8sQQqqIIQI")
END: Final = struct.Struct("<8sQQ36x")
CRC: Final = struct.Struct("<I")

STEP: Final = np.dtype([("row", "<i8"), ("value", "<f8")])
"""From which row of its block on a value holds."""


def padded(size: int) -> int:
    """Round up to the alignment."""
    return -(-size // BLOCK_HEAD) * BLOCK_HEAD


@dataclass(frozen=True)
class Layout:
    """What the header says.

    Attributes
    ----------
    dtype : dtype
        Of a row.
    block_rows : int
        Most rows of a block; all blocks take as much room.
    steps : int
        Most values of the true price in a block, 0 where the file has none.
    creator, source : str
        What wrote the file, and what the rows are of.
    """

    dtype: np.dtype[Any]
    block_rows: int
    steps: int = 0
    creator: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        _check_fields(self.dtype)
        most = BLOCK_BYTES // self.dtype.itemsize
        if not 1 <= self.block_rows <= most:
            raise DataError(
                f"block_rows must be from 1 to {most} for {self.dtype.itemsize} bytes, was {self.block_rows}"
            )
        if not 0 <= self.steps <= max(STEP_ROWS_MIN, self.block_rows):
            raise DataError(f"steps must be from 0 to the rows of a block, was {self.steps}")
        for name, text, most in (("creator", self.creator, 128), ("source", self.source, CRC_AT - SOURCE_AT)):
            if len(text.encode("utf-8", "surrogatepass")) > most or not text.isprintable():
                raise DataError(f"{name} must be printable text of at most {most} bytes, was {text!r}")

    @property
    def timed(self) -> bool:
        """Whether rows have a time, in ns: a field `ts` of the format `<i8`."""
        return "ts" in (self.dtype.names or ()) and self.dtype["ts"] == np.dtype("<i8")

    @cached_property
    def slot(self) -> int:
        """Bytes from one block to the next."""
        return self.used(self.block_rows, self.steps)

    def used(self, rows: int, steps: int) -> int:
        """Bytes of a block of so many rows and steps."""
        return self.steps_at(rows) + padded(steps * STEP.itemsize)

    def steps_at(self, rows: int) -> int:
        """Where in a block of so many rows the steps are."""
        return BLOCK_HEAD + padded(rows * self.dtype.itemsize)

    def at(self, block: int) -> int:
        """Where a block begins."""
        return HEADER + block * self.slot

    @cached_property
    def crc(self) -> int:
        """The header's checksum, which that of each block's header goes on from."""
        return int(CRC.unpack_from(self.to_bytes(), CRC_AT)[0])

    def to_bytes(self) -> bytes:
        """Return the header."""
        page = bytearray(HEADER)
        names = self.dtype.names or ()
        sizes = self.block_rows, self.dtype.itemsize, self.steps, len(names), 0
        START.pack_into(page, 0, MAGIC, BYTE_ORDER, VERSION, *sizes)
        for i, (name, form, offset) in enumerate(_described(self.dtype)):
            FIELD.pack_into(page, FIELDS_AT + i * FIELD.size, name.encode(), form.encode(), offset)
        for at, text in ((CREATOR_AT, self.creator), (SOURCE_AT, self.source)):
            page[at : at + len(text.encode())] = text.encode()
        CRC.pack_into(page, CRC_AT, crc32c(page[:CRC_AT]))
        return bytes(page)

    @classmethod
    def from_bytes(cls, path: Path, page: bytes) -> Self:
        """Read a header; DataError if it is none of this version, UltraDamaged if its checksum is wrong."""
        if page[:8] != MAGIC:
            raise DataError(f"{path} must begin as an ultra file does, was {page[:8]!r}")
        if len(page) < HEADER:
            raise UltraDamaged(path, None, f"the header must be {HEADER} bytes, was {len(page)}")
        if page[8:12] == BIG_ENDIAN:
            raise DataError(f"{path} must be little-endian, was big-endian")
        if CRC.unpack_from(page, CRC_AT)[0] != crc32c(page[:CRC_AT]):
            raise UltraDamaged(path, None, "the header must agree with its checksum, did not")
        _, order, version, block_rows, itemsize, steps, count, zero = START.unpack_from(page)
        if order != BYTE_ORDER:
            raise DataError(f"{path} must be little-endian, was of the mark {order:#x}")
        if version != VERSION:
            raise DataError(f"{path} must be of version {VERSION} of the format, was {version}")
        try:
            if zero or not 1 <= count <= FIELDS_MAX:
                raise DataError(f"fields must be from 1 to {FIELDS_MAX}, was {count}")
            dtype = _dtype(page, count, itemsize)
            texts = (_text(page[CREATOR_AT:SOURCE_AT]), _text(page[SOURCE_AT:CRC_AT]))
            layout = cls(dtype, block_rows, steps, *texts)
            if layout.to_bytes() != page:
                raise DataError("what is not used must be zero, was not")
        except (DataError, ValueError, TypeError) as error:
            raise DataError(f"{path} must describe its rows by the rules: {error}") from error
        return layout


def _check_fields(dtype: np.dtype[Any]) -> None:
    names = dtype.names or ()
    if not 1 <= len(names) <= FIELDS_MAX or not dtype.itemsize <= ITEMSIZE_MAX:
        raise DataError(
            f"a row must have from 1 to {FIELDS_MAX} fields in {ITEMSIZE_MAX} bytes at most, was {dtype}"
        )
    end = 0
    for name, form, offset in _described(dtype):
        if not name.isprintable() or not 1 <= len(name.encode("utf-8", "surrogatepass")) <= 40:
            raise DataError(f"a field must have a printable name of 1 to 40 bytes, was {name!r}")
        if not FORMATS.fullmatch(form):
            raise DataError(f"a field must be a little-endian number of 1 to 8 bytes, was {name} {form}")
        if offset < end:
            raise DataError(f"fields must stand in order and apart, was {name} at byte {offset}")
        end = offset + dtype[name].itemsize
    if end > dtype.itemsize:
        raise DataError(f"fields must end within the {dtype.itemsize} bytes of a row, was {end}")


def _described(dtype: np.dtype[Any]) -> Iterator[tuple[str, str, int]]:
    """Yield name, format and offset of each field."""
    for name, (kind, offset, *_) in (dtype.fields or {}).items():
        yield name, kind.str, offset


def formats(dtype: np.dtype[Any]) -> str:
    """Say what the fields are."""
    return ", ".join(f"{name} {form}" for name, form, _ in _described(dtype)) or f"dtype {dtype}"


def _dtype(page: bytes, count: int, itemsize: int) -> np.dtype[Any]:
    if not 1 <= itemsize <= ITEMSIZE_MAX:
        raise DataError(f"a row must be of 1 to {ITEMSIZE_MAX} bytes, was {itemsize}")
    entries = [FIELD.unpack_from(page, FIELDS_AT + i * FIELD.size) for i in range(count)]
    names, kinds = [_text(name) for name, _, _ in entries], [_text(form) for _, form, _ in entries]
    for name, kind in zip(names, kinds, strict=True):
        if not FORMATS.fullmatch(kind):
            raise DataError(f"a field must be a little-endian number of 1 to 8 bytes, was {name} {kind}")
    offsets = [offset for _, _, offset in entries]
    return np.dtype({"names": names, "formats": kinds, "offsets": offsets, "itemsize": itemsize})


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode()


@dataclass(frozen=True)
class BlockHead:
    """A block's header.

    Attributes
    ----------
    number : int
        Of the block, from 0.
    first_row : int
        Rows before it.
    first_ts, last_ts : int
        The field `ts` of its first and last row, 0 where rows have none.
    rows, steps : int
    payload_crc : int
        Of all that follows the header.
    """

    number: int
    first_row: int
    first_ts: int
    last_ts: int
    rows: int
    steps: int
    payload_crc: int

    def to_bytes(self, layout: Layout) -> bytes:
        """Return the header, with its checksum."""
        head = HEAD.pack(
            *(BLOCK_MAGIC, self.number, self.first_row, self.first_ts, self.last_ts),
            *(self.rows, self.steps, 0, self.payload_crc),
        )
        return head + CRC.pack(crc32c(head, layout.crc))

    @classmethod
    def from_bytes(cls, path: Path, number: int, raw: bytes, layout: Layout) -> Self:
        """Read the header of block `number`; UltraDamaged if it is not whole."""
        if len(raw) < BLOCK_HEAD or raw[:8] != BLOCK_MAGIC:
            raise UltraDamaged(path, number, f"its header must begin with {BLOCK_MAGIC!r}, was {raw[:8]!r}")
        if CRC.unpack_from(raw, BLOCK_HEAD - 4)[0] != crc32c(raw[: BLOCK_HEAD - 4], layout.crc):
            raise UltraDamaged(path, number, "its header must agree with its checksum, did not")
        _, found, first_row, first_ts, last_ts, rows, steps, zero, payload_crc = HEAD.unpack_from(raw)
        head = cls(found, first_row, first_ts, last_ts, rows, steps, payload_crc)
        bounded = 1 <= rows <= layout.block_rows and steps <= layout.steps and first_row <= ROWS_MAX
        if found != number or not bounded or zero or (layout.steps > 0) != (steps > 0):
            raise UltraDamaged(path, number, f"its header must be of block {number} of this file, was {head}")
        return head


@dataclass(frozen=True)
class EndMark:
    """What stands after the last block of a file that was closed."""

    blocks: int
    rows: int

    def to_bytes(self, layout: Layout) -> bytes:
        """Return the mark, with its checksum."""
        mark = END.pack(END_MAGIC, self.blocks, self.rows)
        return mark + CRC.pack(crc32c(mark, layout.crc))

    @classmethod
    def from_bytes(cls, raw: bytes, layout: Layout) -> Self | None:
        """Read a mark of this very file; None if it is none."""
        magic, blocks, rows = END.unpack_from(raw)
        mark = cls(blocks, rows)
        return mark if magic == END_MAGIC and raw == mark.to_bytes(layout) else None
