"""pyarrow, the optional dependency that Parquet and Zstandard need, imported where it is used."""

from importlib import import_module
from typing import Any

from livetrading.data.errors import ExtraMissing

__all__ = ["arrow", "ipc", "parquet"]


def arrow(needs: str) -> Any:
    """Return pyarrow, or raise ExtraMissing that names what `needs` it."""
    return _import("pyarrow", needs)


def ipc(needs: str) -> Any:
    """Return pyarrow.ipc, or raise ExtraMissing that names what `needs` it."""
    return _import("pyarrow.ipc", needs)


def parquet(needs: str) -> Any:
    """Return pyarrow.parquet, or raise ExtraMissing that names what `needs` it."""
    return _import("pyarrow.parquet", needs)


def _import(module: str, needs: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ExtraMissing(f"{needs} needs pyarrow: pip install 'livetrading[data]'") from error
