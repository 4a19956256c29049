"""What an output was made from, and how, in a file beside it: by that it is known whether it is whole."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from livetrading.data.errors import DataError
from livetrading.data.results import partial_of

__all__ = ["MANIFEST", "FileState", "Manifest", "manifest_path", "sha256_of"]

MANIFEST: Final = ".manifest.json"
"""What the name of a manifest ends in, behind that of its output."""


def manifest_path(target: Path) -> Path:
    """Return where the manifest of an output is."""
    return target.with_name(target.name + MANIFEST)


@dataclass(frozen=True, slots=True)
class FileState:
    """Which file it is, and of what content, as far as the file system tells.

    Attributes
    ----------
    name : str
        Without its folder, so that a folder may be moved.
    size : int
        Bytes.
    mtime_ns : int
        When it was last written to, ns since the Unix epoch.
    """

    name: str
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Look at a file; DataError if there is none."""
        try:
            found = os.stat(path)
        except OSError as error:
            raise DataError(f"{path} must be a readable file, was: {error}") from error
        return cls(path.name, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Manifest:
    """How an output came to be.

    Attributes
    ----------
    chain : dict
        The description of the chain, of what JSON can hold.
    sources : list of dict
        Of each source ``name``, ``size``, ``mtime_ns`` and ``sha256``.
    output : dict
        ``name``, ``size`` and ``mtime_ns`` of the output.
    result : dict
        What was read, dropped and written.
    """

    chain: dict[str, Any]
    sources: list[dict[str, Any]]
    output: dict[str, Any]
    result: dict[str, Any]

    @classmethod
    def read(cls, target: Path) -> Self | None:
        """Read the manifest of an output; None if there is none, or nothing that could be one."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            tree = json.loads(manifest_path(target).read_bytes())
            parts = [tree[name] for name in cls.__slots__]
            dicts = [parts[0], *parts[2:], *parts[1]]
            return cls(*parts) if all(isinstance(part, dict) for part in dicts) else None
        return None

    def write(self, target: Path) -> None:
        """Write it beside the output, whole or not at all; DataError if the disk refuses it."""
        path = manifest_path(target)
        partial = partial_of(path)
        tree = asdict(self)
        try:
            partial.write_text(json.dumps(tree, indent=1) + "\n", "utf-8")
            partial.replace(path)
        except OSError as error:
            raise DataError(f"{path} must be writable, was: {error}") from error
        finally:
            partial.unlink(missing_ok=True)

    def holds(self, chain: dict[str, Any], paths: Sequence[Path], target: Path) -> bool:
        """Tell whether the output is there whole, of the sources as they are and by this chain.

        The output is known by its size and time of writing; so is a source, or, where its time is another,
        by its SHA-256.
        """
        if self.chain != chain or len(self.sources) != len(paths) or not target.is_file():
            return False
        if self.output != asdict(FileState.of(target)):
            return False
        return all(_is_same(path, was) for path, was in zip(paths, self.sources, strict=True))


def _is_same(path: Path, was: dict[str, Any]) -> bool:
    now = FileState.of(path)
    if now.name != was.get("name") or now.size != was.get("size"):
        return False
    return now.mtime_ns == was.get("mtime_ns") or sha256_of(path) == was.get("sha256")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as text; DataError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} must be readable, was: {error}") from error
