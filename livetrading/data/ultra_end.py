"""Where an ultra file ends: at its last whole block, whatever stands behind."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from livetrading.data.errors import UltraDamaged
from livetrading.data.ultra_layout import BLOCK_HEAD, END_MAGIC, HEADER, BlockHead, EndMark, Layout

__all__ = ["End", "find_end", "read_at"]

TAIL_BLOCKS: Final = 65_536
"""How many blocks at the end may be without a header."""
NOTHING: Final = bytes(BLOCK_HEAD)


@dataclass(frozen=True)
class End:
    """The end of a file.

    Attributes
    ----------
    head : BlockHead or None
        The last whole block, None where there is none.
    at : int
        The byte after it.
    torn : int
        Bytes behind it of a block or an end mark that was never completed.
    closed : bool
        Whether the end mark stands there, so that nothing is missing.
    fault : UltraDamaged or None
        What is wrong with the header behind it, or with the end mark.
    before : int
        Blocks before that header; nothing else is known of them.
    """

    head: BlockHead | None
    at: int
    torn: int
    closed: bool = False
    fault: UltraDamaged | None = None
    before: int = 0

    @property
    def blocks(self) -> int:
        """Whole blocks before the end."""
        return self.before if self.head is None else self.head.number + 1

    @property
    def rows(self) -> int:
        """Rows in them."""
        return 0 if self.head is None else self.head.first_row + self.head.rows


def read_at(file: BinaryIO, at: int, count: int) -> bytes:
    """Read so many bytes, or as many as there are."""
    file.seek(at)
    return file.read(count)


def find_end(path: Path, file: BinaryIO, layout: Layout, size: int) -> End:
    """Go back from the end of the file to the last block that is whole.

    A block is whole when its header is there, which is written last, and the file is long enough for it.
    Neither is ever so by one damaged byte: that is a fault.

    Parameters
    ----------
    path : Path
    file : binary file
    layout : Layout
    size : int
        Bytes of the file, at least those of its header.

    Returns
    -------
    End
    """
    last = -(-(size - HEADER) // layout.slot) - 1
    for number in range(last, max(-1, last - TAIL_BLOCKS), -1):
        start = layout.at(number)
        raw = read_at(file, start, BLOCK_HEAD)
        if len(raw) < BLOCK_HEAD or raw == NOTHING or raw[:8] == END_MAGIC:
            continue
        try:
            head = BlockHead.from_bytes(path, number, raw, layout)
        except UltraDamaged as fault:
            if size - start == BLOCK_HEAD:
                continue  # no block is as short as that: it has to be the end mark
            return End(None, start, 0, fault=fault, before=number)
        end = start + layout.used(head.rows, head.steps)
        if end <= size:
            return _marked(path, file, layout, End(head, end, size - end))
    if last >= TAIL_BLOCKS:
        words = f"one of the last {TAIL_BLOCKS} blocks must have a header, was none"
        return End(None, HEADER, 0, fault=UltraDamaged(path, last, words))
    return _marked(path, file, layout, End(None, HEADER, size - HEADER))


def _head(path: Path, number: int, raw: bytes, layout: Layout) -> BlockHead | None:
    """The header of a block, None where it is damaged."""
    try:
        return BlockHead.from_bytes(path, number, raw, layout)
    except UltraDamaged:
        return None


def _marked(path: Path, file: BinaryIO, layout: Layout, end: End) -> End:
    """Look for the end mark. As long as one and another is damage, since what is torn off is shorter."""
    if end.torn > BLOCK_HEAD:
        return _checked(path, file, layout, end)
    if end.torn < BLOCK_HEAD:
        return end
    mark = read_at(file, end.at, BLOCK_HEAD)
    if mark == EndMark(end.blocks, end.rows).to_bytes(layout):
        return End(end.head, end.at, 0, closed=True)
    if mark == NOTHING or _head(path, end.blocks, mark, layout) is not None:
        return end
    words = f"the end mark must be that of {end.blocks} blocks and {end.rows} rows, was not"
    return End(end.head, end.at, 0, fault=UltraDamaged(path, None, words))


def _checked(path: Path, file: BinaryIO, layout: Layout, end: End) -> End:
    """Where an end mark stands behind what seems torn off, the file was closed, and a block is lost."""
    mark = EndMark.from_bytes(read_at(file, end.at + end.torn - BLOCK_HEAD, BLOCK_HEAD), layout)
    if mark is None:
        return end
    words = f"its header must be there, as the end mark of {mark.blocks} blocks says, was not"
    return End(end.head, end.at, 0, fault=UltraDamaged(path, end.blocks, words))
