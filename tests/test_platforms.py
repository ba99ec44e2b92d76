"""Foreign platforms: what is chosen for a machine that this one is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging import tags

from factories import make_wheel
from pytest_envsync.environment.discovery import for_platform
from pytest_envsync.environment.interpreter import base_of_running
from pytest_envsync.errors import UsageError
from pytest_envsync.platforms import (
    PLATFORMS,
    find_platform,
    own_platform_tags,
    platform_markers,
    platform_tags,
    python_tags,
)
from pytest_envsync.target import Target

MARKERS = {
    "os_name": ["posix", "nt"],
    "sys_platform": ["linux", "win32", "darwin", "emscripten", "android", "ios"],
    "platform_machine": ["x86_64", "AMD64", "ARM64", "arm64", "aarch64", "x86", "riscv64", "wasm32"],
    "platform_system": ["Linux", "Windows", "Darwin", "Emscripten", "Android", "iOS"],
    "platform_release": ["", "3.1.58", "4.0.9"],
    "platform_version": ["", "#1"],
}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    return base_of_running(tmp_path_factory.mktemp("cache"))


def reference(*arguments: str, cwd: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the reference's ``pip sync`` without any index."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        pytest.skip("the reference is not installed")
    command = [uv, "pip", "sync", "--no-config", "--no-index", "--no-cache", "--target", "there", "--dry-run"]
    return subprocess.run(
        [*command, "--python", sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parity
def test_the_list_is_the_reference_s(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("demo\n")
    answer = reference("--python-platform", "amiga", "r.txt", cwd=tmp_path)
    listed = re.search(r"possible values: ([^\]]*)\]", answer.stderr)
    assert listed is not None
    assert tuple(listed[1].split(", ")) == PLATFORMS


@pytest.mark.parity
@pytest.mark.parametrize("name", PLATFORMS)
def test_markers_are_the_reference_s(name: str, tmp_path: Path) -> None:
    lines: dict[str, tuple[str, str]] = {}
    for variable, values in MARKERS.items():
        for value in values:
            project = f"m{len(lines)}"
            make_wheel(tmp_path, project)
            lines[project] = (variable, value)
    text = "".join(f'{project} ; {variable} == "{value}"\n' for project, (variable, value) in lines.items())
    (tmp_path / "r.txt").write_text(text)
    answer = reference("--python-platform", name, "--find-links", ".", "r.txt", cwd=tmp_path)
    active = dict(lines[project] for project in re.findall(r"^ \+ (m\d+)==", answer.stderr, re.MULTILINE))
    assert platform_markers(find_platform(name, {})) == active


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "environ"),
    [
        ("linux", {}),
        ("macos", {}),
        ("macos", {"MACOSX_DEPLOYMENT_TARGET": "14.3"}),
        ("i686-pc-windows-msvc", {}),
        ("aarch64-pc-windows-msvc", {}),
        ("x86_64-unknown-linux-musl", {}),
        ("riscv64-unknown-linux", {}),
        ("s390x-unknown-linux-gnu", {}),
        ("loongarch64-unknown-linux-gnu", {}),
        ("aarch64-manylinux_2_31", {}),
        ("x86_64-linux-android", {"ANDROID_API_LEVEL": "18"}),
        ("aarch64-linux-android", {}),
        ("arm64-apple-ios", {"IPHONEOS_DEPLOYMENT_TARGET": "12.4"}),
        ("x86_64-apple-ios-simulator", {}),
        ("wasm32-pyodide2025", {}),
    ],
)
def test_tags_rank_as_in_the_reference(name: str, environ: dict[str, str], tmp_path: Path) -> None:
    """The reference takes the best wheel; taking that one away each time shows the whole ranking."""
    ours = platform_tags(find_platform(name, environ))
    strangers = ["manylinux_2_41_x86_64", "macosx_15_0_arm64", "win32", "win_arm64", "musllinux_1_3_x86_64"]
    wheels = {tag: make_wheel(tmp_path, tag=f"py3-none-{tag}") for tag in {*ours, *strangers, "android_15_x86_64"}}
    (tmp_path / "r.txt").write_text("demo==1.0\n")
    ranked: list[str] = []
    while wheels:
        answer = reference("-v", "--python-platform", name, "--find-links", ".", "r.txt", cwd=tmp_path, environ=environ)
        chosen = re.search(r"Selecting: demo==1.0 .*-py3-none-(\w+)\.whl", answer.stderr)
        if chosen is None:
            break
        ranked.append(chosen[1])
        wheels.pop(chosen[1]).unlink()
    assert tuple(ranked) == ours


@pytest.mark.parametrize(
    ("name", "count", "best", "last"),
    [
        ("windows", 1, "win_amd64", "win_amd64"),
        ("linux", 28, "manylinux_2_28_x86_64", "linux_x86_64"),
        ("x86_64-manylinux2014", 17, "manylinux_2_17_x86_64", "linux_x86_64"),
        ("aarch64-unknown-linux-gnu", 14, "manylinux_2_28_aarch64", "linux_aarch64"),
        ("ppc64le-manylinux_2_28", 14, "manylinux_2_28_ppc64le", "linux_ppc64le"),
        ("aarch64-unknown-linux-musl", 4, "musllinux_1_2_aarch64", "linux_aarch64"),
        ("macos", 19, "macosx_13_0_arm64", "macosx_10_4_universal2"),
        ("x86_64-apple-darwin", 112, "macosx_13_0_x86_64", "macosx_10_4_universal"),
        ("wasm32-pyodide2024", 2, "pyemscripten_2024_0_wasm32", "pyodide_2024_0_wasm32"),
        ("arm64-apple-ios-simulator", 11, "ios_13_0_arm64_iphonesimulator", "ios_12_0_arm64_iphonesimulator"),
    ],
)
def test_tags_of_a_platform(name: str, count: int, best: str, last: str) -> None:
    found = platform_tags(find_platform(name, {}))
    assert (len(found), len(set(found)), found[0], found[-1]) == (count, count, best, last)


@pytest.mark.parametrize("name", PLATFORMS)
def test_every_listed_platform_has_tags_and_markers(name: str) -> None:
    platform = find_platform(name, {})
    assert platform_tags(platform)
    assert set(platform_markers(platform)) == set(MARKERS)


def test_legacy_names_stand_behind_their_successors() -> None:
    found = platform_tags(find_platform("x86_64-manylinux_2_17", {}))
    assert found[:2] == ("manylinux_2_17_x86_64", "manylinux2014_x86_64")
    assert found[-3:] == ("manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64")


@pytest.mark.parametrize(("value", "release"), [("14.3", (14, 3)), ("12", (12, 0)), ("abc", (13, 0)), ("", (13, 0))])
def test_a_deployment_target_moves_the_system_s_version(value: str, release: tuple[int, int]) -> None:
    assert find_platform("macos", {"MACOSX_DEPLOYMENT_TARGET": value}).release == release


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("x86_64-apple-darwin", "MACOSX_DEPLOYMENT_TARGET", "10.3"),
        ("aarch64-linux-android", "ANDROID_API_LEVEL", "15"),
    ],
)
def test_a_system_before_all_others_has_no_tags_and_takes_none_of_this_machine(
    name: str, variable: str, value: str, target: Target
) -> None:
    platforms = platform_tags(find_platform(name, {variable: value}))
    assert platforms == ()
    found = python_tags(target.tags, version=(3, 12), platforms=platforms, implementation="cpython")
    assert not set(found) & set(target.tags) - {tag for tag in target.tags if tag.endswith("-any")}
    assert "py3-none-any" in found


def test_an_apple_processor_before_its_time_takes_what_is_made_for_both() -> None:
    found = platform_tags(find_platform("macos", {"MACOSX_DEPLOYMENT_TARGET": "10.15"}))
    assert (found[0], found[-1], len(found)) == ("macosx_10_16_universal2", "macosx_10_4_universal2", 13)


def test_an_unknown_platform_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match="invalid value 'amiga' for '--python-platform'") as caught:
        find_platform("amiga", {})
    assert caught.value.hint is not None
    assert "x86_64-manylinux_2_28" in caught.value.hint


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="compares with CPython's own tags")
def test_the_own_version_and_platform_give_the_own_tags(target: Target) -> None:
    version = (sys.version_info.major, sys.version_info.minor)
    found = python_tags(
        target.tags, version=version, platforms=own_platform_tags(target.tags), implementation="cpython"
    )
    assert found == target.tags
    assert set(found) == set(map(str, tags.sys_tags()))


@pytest.mark.parametrize(
    ("own", "implementation", "version", "expected"),
    [
        ("cp311-cp311-x", "cpython", (3, 12), ["cp312-cp312-p", "cp312-abi3-p", "cp312-none-p", "cp311-abi3-p"]),
        ("cp311-cp311-x", "cpython", (3, 7), ["cp37-cp37m-p", "cp37-abi3-p", "cp37-none-p", "cp36-abi3-p"]),
        ("cp311-cp311d-x", "cpython", (3, 12), ["cp312-cp312d-p", "cp312-cp312-p", "cp312-abi3-p"]),
        ("pp310-pypy310_pp73-x", "pypy", (3, 9), ["pp39-pypy39_pp73-p", "pp39-none-p", "py39-none-p", "py3-none-p"]),
    ],
)
def test_tags_of_another_version_are_those_of_the_same_kind_of_interpreter(
    own: str, implementation: str, version: tuple[int, int], expected: list[str]
) -> None:
    found = python_tags([own], version=version, platforms=["p"], implementation=implementation)
    assert list(found[: len(expected)]) == expected
    assert found[-1] == "py30-none-any"


def test_a_free_threaded_interpreter_takes_no_wheel_of_the_ordinary_abi() -> None:
    found = python_tags(["cp313-cp313t-x"], version=(3, 13), platforms=["p"], implementation="cpython")
    assert found[0] == "cp313-cp313t-p"
    assert not any("-abi3-" in tag or "-cp313-" in tag for tag in found)


@pytest.mark.parametrize(
    ("asked", "full", "short"),
    [
        ("3.7", "3.7.0", "3.7"),
        ("3.12.4", "3.12.4", "3.12"),
        ("3.12.1.5", "3.12.1", "3.12"),
        ("3.13rc1", "3.13.0rc1", "3.13"),
        ("3", "3.0.0", "3.0"),
    ],
)
def test_another_python_version_changes_markers_and_tags_only(
    target: Target, asked: str, full: str, short: str
) -> None:
    found = for_platform(target, asked, None)
    assert found.markers["python_full_version"] == full
    assert found.markers["python_version"] == short
    assert found.markers["sys_platform"] == target.markers["sys_platform"]
    assert own_platform_tags(found.tags) == own_platform_tags(target.tags)
    assert (found.version, found.paths, found.fingerprint) == (target.version, target.paths, target.fingerprint)


@pytest.mark.parametrize("text", ["abc", ">=3.9", "", "3.x", "3.9t"])
def test_what_is_no_version_is_refused(target: Target, text: str) -> None:
    with pytest.raises(UsageError, match="--python-version"):
        for_platform(target, text, None)


def test_version_and_platform_together(target: Target) -> None:
    found = for_platform(target, "3.9", "windows")
    assert found.tags[0] == "cp39-cp39-win_amd64"
    assert (found.markers["os_name"], found.markers["python_version"]) == ("nt", "3.9")
    assert found.markers["platform_release"] == ""
    assert found.markers["implementation_name"] == target.markers["implementation_name"]


def test_no_tags_have_no_platforms() -> None:
    assert own_platform_tags(()) == ()


def test_nothing_asked_changes_nothing(target: Target) -> None:
    assert for_platform(target, None, None) is target
