"""Where a figure goes, and how it gets there whole: what every figure of the package shares."""

import io
import os
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from livetrading.data.errors import DataError, ExtraMissing

__all__ = ["SUFFIXES", "check_plot", "figure_bytes", "new_figure", "plain_text", "write_whole"]

SUFFIXES: Final = (".png", ".svg")


def check_plot(path: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Raise what would keep a figure from being drawn, before anything is computed for it.

    Raises
    ------
    DataError
        If the suffix is none of those, or there is no place for a file.
    ExtraMissing
        If matplotlib is not installed.
    """
    if path.suffix not in suffixes:
        raise DataError(f"a figure must go to one of {', '.join(suffixes)}, was {path}")
    target = os.path.realpath(path)
    if os.path.lexists(target) and not os.path.isfile(target):
        raise DataError(f"a figure must go to a file, was a directory, a pipe, a device or a loop: {path}")
    if not os.path.isdir(os.path.dirname(target)):
        raise DataError(f"a figure must go to a file in a directory that exists, was {path}")
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise ExtraMissing("a figure needs matplotlib: pip install 'livetrading[plot]'") from error


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of matplotlib, sides in inches of 120 dots."""
    return import_module("matplotlib.figure").Figure(figsize=(width, height), dpi=120, layout="constrained")


def plain_text(text: str) -> str:
    """Return text that a figure can show: what is not printable is in no font and in no SVG."""
    # A dollar would begin mathematics.
    return "".join(char if char.isprintable() else "?" for char in text).replace("$", r"\$")


def figure_bytes(figure: Any, suffix: str) -> bytes:
    """Draw a figure as ``.png`` or ``.svg``; the same figure gives the same bytes."""
    image = io.BytesIO()
    # No date and no random name of a mark.
    with import_module("matplotlib").rc_context({"svg.hashsalt": "livetrading"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # a box stands for it
        figure.savefig(image, format=suffix[1:], metadata={"Date": None} if suffix == ".svg" else {})
    return image.getvalue()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that replaces one of its name only once it is complete.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(f".figure.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"{path} must be writable, was: {error}") from error
