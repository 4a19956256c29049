"""What is shipped, and the scripts that hold it to its sources."""

import importlib.util
import re
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = {"livetrading/core/ring.pyx", "livetrading/core/ring.pyi", "livetrading/core/ring.pxd"}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check = script("wheel_check")
WHEEL = {
    "livetrading/py.typed",
    *check.TABLES,
    *(SOURCE - {"livetrading/core/ring.pyx"}),
    "livetrading/core/ring.abi3.so",
    "livetrading-1.dist-info/licenses/LICENSE",
}


def wheel(path: Path, names: set[str]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return str(path)


def test_a_whole_wheel_passes(tmp_path: Path) -> None:
    check.check_contents(wheel(tmp_path / "whole.whl", WHEEL), SOURCE)


@pytest.mark.parametrize("name", sorted(WHEEL))
def test_a_wheel_without_a_part_does_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError, match="must hold"):
        check.check_contents(wheel(tmp_path / "short.whl", WHEEL - {name}), SOURCE)


@pytest.mark.parametrize(
    "name",
    ["livetrading/core/ring.pyx", "livetrading/core/ring.c", "livetrading/core/old.abi3.so", "tests/x.py"],
)
def test_a_wheel_with_more_does_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError, match="must not hold"):
        check.check_contents(wheel(tmp_path / "long.whl", WHEEL | {name}), SOURCE)


@pytest.mark.parametrize("change", ["less", "more"])
def test_an_sdist_is_whole_and_nothing_else(tmp_path: Path, change: str) -> None:
    path = tmp_path / "package.tar.gz"
    stray = {"livetrading/core/ring.so"}
    names = check.SOURCES - {"LICENSE"} if change == "less" else check.SOURCES | stray
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"package/{name}"))
    with pytest.raises(AssertionError, match="LICENSE" if change == "less" else "must not hold"):
        check.names_in_sdist(str(path))


@pytest.mark.parametrize("tag", ["cp311-cp311-linux_x86_64", "cp312-abi3-win_amd64"])
def test_a_wheel_of_one_interpreter_is_refused(tag: str) -> None:
    with pytest.raises(AssertionError):
        check.check_platform(f"livetrading-1-{tag}.whl")


def test_a_build_of_another_kind_is_refused() -> None:
    same = script("same_bytes")
    build = same.Build("gcc", 2)
    good = {"file": "a.c", "command": "/usr/bin/gcc -O3 -DNDEBUG -O2 -ffp-contract=off -c a.c"}
    same.check_commands(build, [good] * 12)
    for wrong in (
        good["command"].replace("-O2", "-O3"),
        good["command"].replace("gcc", "cc"),
        good["command"].replace("-ffp-contract=off ", ""),
    ):
        with pytest.raises(SystemExit, match="must be compiled as gcc -O2"):
            same.check_commands(build, [good] * 12 + [{"file": "a.c", "command": wrong}])
    with pytest.raises(SystemExit, match="the whole core"):
        same.check_commands(build, [good])


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.name)
def test_actions_are_pinned_and_may_write_nothing(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.search(r"^permissions:\n  contents: read\n\n", text, re.MULTILINE)
    assert not re.search(r":\s*write\b(?!  # trusted publishing)", text)
    for line in text.splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
