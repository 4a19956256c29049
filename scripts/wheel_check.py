"""Hold what is to be shipped against the sources: ``python scripts/wheel_check.py SDIST WHEEL...``.

An sdist holds what builds the wheel; a wheel holds compiled modules, their declarations and stubs, the
presets, the facts of the chain and the licence, and nothing else. Its modules keep to the stable ABI
(abi3audit), and one for Linux needs no more of the system than its name says (auditwheel).
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePath
from typing import Final

TABLES: Final = {
    "livetrading/blockchain/epochs.csv",
    "livetrading/presets/realistic.toml",
    "livetrading/presets/seed.toml",
}
"""What a wheel holds beside code."""
SOURCES: Final = {
    "csrc/CMakeLists.txt",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "scripts/smoke.py",
    "scripts/test",
    "setup.cfg",
    "tests/golden/path.json",
}


def check_names(path: str, missing: list[str], surplus: list[str]) -> None:
    assert not missing, f"{path} must hold {missing}"
    assert not surplus, f"{path} must not hold {surplus}"


def names_in_sdist(path: str) -> set[str]:
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = sorted(SOURCES - names)
    strays = (".so", ".pyc")
    surplus = sorted(name for name in names if name.endswith(strays) or name.startswith(("build/", ".venv/")))
    check_names(path, missing, surplus)
    return names


def check_contents(path: str, source: set[str]) -> None:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    compiled = {PurePath(name).stem for name in source if name.endswith(".pyx")}
    declared = {name for name in source if name.endswith((".pxd", ".pyi"))}
    libraries = {PurePath(name).name.partition(".")[0] for name in names if name.endswith((".so", ".pyd"))}
    assert compiled, f"{source} must hold the core"
    missing = sorted(({"livetrading/py.typed"} | TABLES | declared) - names) + sorted(compiled - libraries)
    missing += [] if any(name.endswith(".dist-info/licenses/LICENSE") for name in names) else ["LICENSE"]
    surplus = sorted(name for name in names if name.endswith((".pyx", ".c", ".o", ".a")))
    surplus += sorted(libraries - compiled)
    surplus += sorted(name for name in names - TABLES if name.endswith((".csv", ".gz", ".toml")))
    surplus += sorted({name.partition("/")[0] for name in names if not name.startswith("livetrading")})
    check_names(path, missing, surplus)


def check_platform(path: str) -> None:
    _, _, python, abi, platform = PurePath(path).stem.split("-")
    assert (python, abi) == ("cp311", "abi3"), path
    subprocess.run([sys.executable, "-m", "abi3audit", "--strict", path], check=True)
    if "linux" not in platform or sys.platform != "linux":
        return
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", path], check=True, capture_output=True, text=True
    ).stdout
    served = shown.partition("following platform tag")[2].split('"')[1]
    tags = platform.split(".")
    assert any(tag.startswith("manylinux") for tag in tags), f"{path} must be repaired, was for {platform}"
    assert served in tags, f"{path} must be for {served}, was for {platform}"


def main() -> None:
    sdists = [path for path in sys.argv[1:] if path.endswith(".tar.gz")]
    wheels = [path for path in sys.argv[1:] if path.endswith(".whl")]
    assert (len(sdists), bool(wheels)) == (1, True), f"give one sdist and its wheels, was {sys.argv[1:]}"
    source = names_in_sdist(sdists[0])
    version = PurePath(sdists[0]).name.removeprefix("livetrading-").removesuffix(".tar.gz")
    for path in wheels:
        assert PurePath(path).name.split("-")[1] == version, f"{path} must be version {version}"
        check_contents(path, source)
        check_platform(path)
        print(f"{PurePath(path).name}: whole, abi3, and as portable as its name says")


if __name__ == "__main__":
    main()
