"""An environment is compared with its snapshot, file by file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from environment_world import where_permissions_count
from pytest_envsync.diff import (
    Diff,
    FileChanges,
    compare,
    examine,
    load_snapshot,
    save_snapshot,
    sweep_rewritten,
    take_snapshot,
)
from pytest_envsync.snapshot import digest_of, is_bytecode, open_regular

if TYPE_CHECKING:
    from pytest_envsync.snapshot import Digests

SITE = "lib/python3.11/site-packages"
MODULE, PACKAGE, DATA = f"{SITE}/demo.py", f"{SITE}/pkg", f"{SITE}/pkg/data"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A small tree in the shape of an environment."""
    files = {
        "pyvenv.cfg": "home = somewhere\n",
        "bin/demo": "#!python\n",
        f"{SITE}/demo.py": "VALUE = 1\n",
        f"{SITE}/pkg/__init__.py": "",
        f"{SITE}/pkg/data/table.txt": "1 2 3\n",
        f"{SITE}/pkg/__pycache__/__init__.cpython-311.pyc": "code",
        f"{SITE}/demo-1.0.dist-info/METADATA": "Name: demo\n",
        f"{SITE}/demo-1.0.dist-info/RECORD": "",
    }
    root = tmp_path / "env"
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    (root / "include").mkdir()
    (root / "lib64").symlink_to("lib")
    return root


def digests_of(prefix: Path) -> Digests:
    """The digest of every regular file."""
    digests: Digests = {}
    for path in prefix.rglob("*"):
        if path.is_file() and not path.is_symlink():
            directory = path.parent.relative_to(prefix).as_posix()
            digest = hashlib.sha256(path.read_bytes()).digest()
            digests.setdefault("" if directory == "." else directory, {})[path.name] = digest
    return digests


def files_after(prefix: Path, act: Callable[[Path], object]) -> tuple[tuple[str, ...], ...]:
    """Added, removed and changed after *act*."""
    before = take_snapshot(prefix)
    act(prefix)
    return tuple(compare(prefix, before).files)


def test_an_untouched_environment_does_not_differ(prefix: Path) -> None:
    diff = compare(prefix, take_snapshot(prefix))
    assert not diff
    assert (str(diff), diff.lines()) == ("", [])


def rewrite(path: Path, content: str) -> None:
    os.utime(path, ns=(0, 1))
    path.write_text(content)


def to_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inner").touch()


def to_file(path: Path) -> None:
    (path / "table.txt").unlink()
    path.rmdir()
    path.write_text("now a file")


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("elsewhere")


@pytest.mark.parametrize(
    ("act", "added", "removed", "changed"),
    [
        pytest.param(lambda p: (p / "new").touch(), ["new"], [], [], id="a file is added"),
        pytest.param(lambda p: (p / MODULE).unlink(), [], [MODULE], [], id="a file is removed"),
        pytest.param(lambda p: (p / MODULE).write_text("VALUE = 22\n"), [], [], [MODULE], id="an edit"),
        pytest.param(lambda p: rewrite(p / MODULE, "VALUE = 2\n"), [], [], [MODULE], id="an edit of the same size"),
        pytest.param(lambda p: (p / "bin/demo").chmod(0o755), [], [], ["bin/demo"], id="chmod"),
        pytest.param(lambda p: (p / PACKAGE).chmod(0o700), [], [], [f"{PACKAGE}/"], id="chmod of a directory"),
        pytest.param(lambda p: p.chmod(0o700), [], [], ["./"], id="chmod of the prefix"),
        pytest.param(lambda p: (p / "empty").mkdir(), ["empty/"], [], [], id="an empty directory is added"),
        pytest.param(lambda p: (p / "a/b").mkdir(parents=True), ["a/b/"], [], [], id="only the innermost is told"),
        pytest.param(lambda p: (p / "include").rmdir(), [], ["include/"], [], id="an empty directory is removed"),
        pytest.param(lambda p: relink(p / "lib64"), [], [], ["lib64"], id="a link points elsewhere"),
        pytest.param(lambda p: (p / "lib64").unlink(), [], ["lib64"], [], id="a link is removed"),
        pytest.param(lambda p: (p / "link").symlink_to("lib"), ["link"], [], [], id="links are not followed"),
        pytest.param(
            lambda p: to_directory(p / "bin/demo"), ["bin/demo/inner"], ["bin/demo"], [], id="file to directory"
        ),
        pytest.param(lambda p: to_file(p / DATA), [DATA], [f"{DATA}/table.txt"], [], id="directory to file"),
        pytest.param(lambda p: os.mkfifo(p / "pipe"), ["pipe"], [], [], id="a pipe"),
        pytest.param(lambda p: (p / "caf\udce9").touch(), ["caf\udce9"], [], [], id="a name that is no text"),
    ],
)
def test_what_was_done_is_told(
    prefix: Path, act: Callable[[Path], object], added: list[str], removed: list[str], changed: list[str]
) -> None:
    assert files_after(prefix, act) == (tuple(added), tuple(removed), tuple(changed))


@pytest.mark.parametrize(
    ("path", "exempt"),
    [
        (f"{SITE}/__pycache__/demo.cpython-311.pyc", True),
        (f"{SITE}/__pycache__/demo.cpython-311.opt-1.pyc", True),
        (f"{SITE}/__pycache__/demo.cpython-313t.pyc", True),
        (f"{SITE}/__pycache__/plugin.cpython-311-pytest-9.2.0.pyc", False),
        (f"{SITE}/__pycache__/demo.pyc", False),
        (f"{SITE}/__pycache__/demo.cpython-311.pyc.1234", False),
        (f"{SITE}/__pycache__/notes.txt", False),
        (f"{SITE}/not__pycache__/demo.cpython-311.pyc", False),
        (f"{SITE}/demo.cpython-311.pyc", False),
        (f"{SITE}/demo.pyc", False),
    ],
)
def test_only_bytecode_that_can_be_made_again_is_exempt(prefix: Path, path: str, exempt: bool) -> None:  # noqa: FBT001 - a column of the table
    def write(root: Path) -> None:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).touch()

    assert files_after(prefix, write) == (() if exempt else (path,), (), ())
    assert is_bytecode(path) is exempt


@pytest.mark.parametrize("kind", ["directory", "link", "fifo"])
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_what_only_has_the_name_of_bytecode_counts(prefix: Path, kind: str, *, is_known: bool) -> None:
    stem = "__init__" if is_known else "hidden"
    path = f"{SITE}/pkg/__pycache__/{stem}.cpython-311.pyc"
    before = take_snapshot(prefix)
    (prefix / path).unlink(missing_ok=True)
    if kind == "directory":
        (prefix / path / "below").mkdir(parents=True)
        (prefix / path / "below/payload.py").touch()
    elif kind == "link":
        (prefix / path).symlink_to(sys.executable)
    else:
        os.mkfifo(prefix / path)
    seen = examine(prefix, before)
    if kind == "link" and is_known:
        # With the link mode `symlink` it is a link from the start; whether it is the right one the store knows.
        assert seen.recompiled == (path,)
    else:
        assert seen.diff.files.added == ((f"{path}/below/payload.py" if kind == "directory" else path),)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize("path", [MODULE, f"{SITE}/pkg", "."])
def test_another_owner_counts(prefix: Path, path: str) -> None:
    before = take_snapshot(prefix)
    save_snapshot(before, prefix.with_name("snapshot"))
    before = load_snapshot(prefix.with_name("snapshot"))
    os.chown(prefix / path, 65534, 65534)
    changed = path if path == MODULE else f"{path}/"
    assert compare(prefix, before).files.changed == (changed,)
    assert not compare(prefix, before._replace(owners=()))


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root gives files away")
def test_what_another_user_unpacked_does_not_count(prefix: Path) -> None:
    for path in (prefix, *prefix.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    before = take_snapshot(prefix)
    for path in (prefix, *prefix.rglob("*")):
        os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
    assert not compare(prefix, before)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_a_fifo_is_not_waited_for(prefix: Path) -> None:
    before = take_snapshot(prefix)
    (prefix / REWRITTEN).parent.mkdir(exist_ok=True)
    os.mkfifo(prefix / REWRITTEN)
    assert sweep_rewritten(prefix, before) == ()
    assert digest_of(str(prefix / REWRITTEN)) == b""
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(str(prefix / REWRITTEN))


def test_bytecode_that_vanishes_or_changes_does_not_count(prefix: Path) -> None:
    compiled = prefix / SITE / "pkg/__pycache__/__init__.cpython-311.pyc"

    def spoil(_: Path) -> None:
        compiled.write_text("other code")

    def remove(_: Path) -> None:
        compiled.unlink()
        compiled.parent.rmdir()

    assert files_after(prefix, spoil) == ((), (), ())
    assert files_after(prefix, remove) == ((), (), ())


def test_new_bytecode_is_told_to_the_one_who_keeps_it(prefix: Path) -> None:
    before = take_snapshot(prefix)
    (prefix / SITE / "__pycache__").mkdir()
    (prefix / SITE / "__pycache__/demo.cpython-311.pyc").touch()
    seen = examine(prefix, before)
    assert (bool(seen.diff), seen.diff.bytecode, seen.compiled) == (
        False,
        1,
        (f"{SITE}/__pycache__/demo.cpython-311.pyc",),
    )


def test_a_package_left_with_bytecode_only_is_an_empty_directory(prefix: Path) -> None:
    def leave(root: Path) -> None:
        (root / SITE / "gone/__pycache__").mkdir(parents=True)
        (root / SITE / "gone/__pycache__/x.cpython-311.pyc").touch()

    assert files_after(prefix, leave) == ((f"{SITE}/gone/",), (), ())


def test_a_touched_file_differs_only_where_its_content_is_not_known(prefix: Path) -> None:
    before = take_snapshot(prefix)
    digests = digests_of(prefix)
    os.utime(prefix / SITE / "demo.py", ns=(5, 5))
    assert compare(prefix, before).files.changed == (f"{SITE}/demo.py",)
    seen = examine(prefix, before, digests=lambda: digests)
    assert (bool(seen.diff), seen.touched) == (False, (f"{SITE}/demo.py",))


def test_digests_are_asked_for_only_when_a_time_differs(prefix: Path) -> None:
    def never() -> Digests:
        raise AssertionError

    before = take_snapshot(prefix)
    (prefix / "new").touch()
    (prefix / "bin/demo").chmod(0o700)
    assert compare(prefix, before, digests=never)


def test_verifying_finds_an_edit_that_keeps_size_and_time(prefix: Path) -> None:
    module = prefix / SITE / "demo.py"
    before, digests, status = take_snapshot(prefix), digests_of(prefix), module.stat()
    module.write_text("VALUE = 7\n")
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not compare(prefix, before, digests=lambda: digests)
    assert compare(prefix, before, digests=lambda: digests, verify_files=True).files.changed == (f"{SITE}/demo.py",)


def test_verifying_tells_each_file_once(prefix: Path) -> None:
    before, digests = take_snapshot(prefix), digests_of(prefix)
    (prefix / SITE / "demo.py").write_text("VALUE = 10000\n")
    (prefix / "pyvenv.cfg").unlink()
    (prefix / "bin/demo").unlink()
    (prefix / "bin/demo").symlink_to("nowhere")
    diff = compare(prefix, before, digests=lambda: digests, verify_files=True)
    assert diff.files == ((), ("pyvenv.cfg",), ("bin/demo", f"{SITE}/demo.py"))


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_directory_that_cannot_be_read_is_told_by_its_mode(prefix: Path, mode: int) -> None:
    package = prefix / SITE / "pkg"
    before = take_snapshot(prefix)
    package.chmod(mode)
    try:
        assert where_permissions_count(lambda: compare(prefix, before).files == ((), (), (f"{SITE}/pkg/",)))
    finally:
        package.chmod(0o755)


def test_an_environment_that_is_gone_lacks_every_file(prefix: Path) -> None:
    before = take_snapshot(prefix)
    prefix.rename(prefix.with_name("moved"))
    diff = compare(prefix, before)
    assert diff.files.added == diff.files.changed == ()
    assert {"include/", "pyvenv.cfg", "lib64", f"{SITE}/demo.py"} <= set(diff.files.removed)
    assert diff.distributions.removed == {"demo": "1.0"}


def test_distributions_are_told_by_their_metadata(prefix: Path) -> None:
    before = take_snapshot(prefix)
    site = prefix / SITE
    (site / "demo-1.0.dist-info").rename(site / "demo-1.1.dist-info")
    (site / "Other_Thing-2.0.dist-info").mkdir()
    (site / "Other_Thing-2.0.dist-info/METADATA").touch()
    (site / "old-3-py3.11.egg-info").mkdir()
    diff = compare(prefix, before)
    assert diff.distributions == ({"old": "3", "other-thing": "2.0"}, {}, {"demo": ("1.0", "1.1")})
    assert diff.lines()[:3] == [" ~ demo==1.0 -> 1.1", " + old==3", " + other-thing==2.0"]


def test_a_diff_travels_as_json_values(prefix: Path) -> None:
    before = take_snapshot(prefix)
    (prefix / SITE / "demo-1.0.dist-info").rename(prefix / SITE / "demo-1.1.dist-info")
    (prefix / "new").touch()
    diff = compare(prefix, before)
    assert Diff.from_dict(diff.as_dict()) == diff
    assert diff.as_dict()["distributions"] == {"added": {}, "removed": {}, "changed": {"demo": ["1.0", "1.1"]}}


def test_lines_say_how_many_are_left_out(prefix: Path) -> None:
    before = take_snapshot(prefix)
    for number in range(5):
        (prefix / f"new{number}").touch()
    assert compare(prefix, before).lines(limit=2) == [" + new0", " + new1", "   ... and 3 more files"]


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ([], ["share/logs/a.log", "share/logs/deep/b.log", "trace.txt"]),
        (["share/logs"], ["trace.txt"]),
        (["share/logs/"], ["trace.txt"]),
        (["*.log"], ["trace.txt"]),
        (["share/**", "*.txt"], []),
        (["logs"], ["share/logs/a.log", "share/logs/deep/b.log", "trace.txt"]),
    ],
)
def test_ignored_globs_are_below_the_prefix(prefix: Path, ignore: list[str], left: list[str]) -> None:
    before = take_snapshot(prefix)
    (prefix / "share/logs/deep").mkdir(parents=True)
    for path in ("share/logs/a.log", "share/logs/deep/b.log", "trace.txt"):
        (prefix / path).touch()
    assert list(compare(prefix, before, ignore=ignore).files.added) == left


def test_a_distribution_whose_metadata_is_ignored_does_not_count(prefix: Path) -> None:
    before = take_snapshot(prefix)
    (prefix / SITE / "tool-1.0.dist-info").mkdir()
    assert compare(prefix, before).distributions.added == {"tool": "1.0"}
    assert not compare(prefix, before, ignore=["*/tool-*.dist-info"])


REWRITTEN = f"{SITE}/__pycache__/demo.cpython-311-pytest-9.2.0.pyc"


def write_rewritten(prefix: Path, *, by_hash: bool = False, size: int | None = None, flags: int = 0) -> None:
    """Write what pytest would for demo.py, as far as its header goes (since 9.2 by hash)."""
    status = (prefix / MODULE).stat()
    numbers = (flags, int(status.st_mtime), status.st_size if size is None else size)
    header = b"".join(number.to_bytes(4, "little") for number in numbers)
    if by_hash:
        header = b"\3\0\0\0" + source_hash((prefix / MODULE).read_bytes())
    (prefix / REWRITTEN).parent.mkdir(exist_ok=True)
    (prefix / REWRITTEN).write_bytes(MAGIC_NUMBER + header + b"code")


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("by_hash", [False, True])
def test_what_pytest_wrote_for_an_unchanged_source_is_swept(prefix: Path, *, told: bool, by_hash: bool) -> None:
    before = take_snapshot(prefix)
    write_rewritten(prefix, by_hash=by_hash)
    diff = compare(prefix, before)
    assert diff.files.added == (REWRITTEN,)
    swept = sweep_rewritten(prefix, before, diff.files.added if told else None)
    assert (swept, bool(diff.less(swept)), bool(compare(prefix, before))) == ((REWRITTEN,), False, False)


@pytest.mark.parametrize("spoil", ["size", "flags", "source", "source of a hash", "no source", "short"])
def test_what_does_not_fit_its_source_stays_and_counts(prefix: Path, spoil: str) -> None:
    before = take_snapshot(prefix)
    if spoil == "source":
        (prefix / MODULE).write_text("VALUE = 3\n")
    write_rewritten(prefix, by_hash="hash" in spoil, size=1 if spoil == "size" else None, flags=int(spoil == "flags"))
    if spoil == "source of a hash":
        (prefix / MODULE).write_text("VALUE = 3\n")
    if spoil == "no source":
        (prefix / MODULE).unlink()
    if spoil == "short":
        (prefix / REWRITTEN).write_bytes(b"")
    assert sweep_rewritten(prefix, before) == ()
    assert REWRITTEN in compare(prefix, before).files.added


def test_pytest_itself_writes_what_is_swept(prefix: Path) -> None:
    """Without it every session whose lock has a pytest plugin would end with drift."""
    site = prefix / SITE
    (site / "demo.py").write_text("import pytest\n\n@pytest.fixture\ndef nothing():\n    assert True\n")
    before = take_snapshot(prefix)
    environ = {**os.environ, "PYTHONPATH": str(site), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "demo",
        "-p",
        "no:cacheprovider",
        "--co",
        str(prefix / "bin"),
    ]
    subprocess.run(command, env=environ, capture_output=True, check=False, cwd=prefix)
    diff = compare(prefix, before)
    assert [path for path in diff.files.added if "-pytest-" in path]
    assert not diff.less(sweep_rewritten(prefix, before, diff.files.added))


def test_a_snapshot_is_read_back_as_written(prefix: Path, tmp_path: Path) -> None:
    snapshot = take_snapshot(prefix)
    save_snapshot(snapshot, tmp_path / "s")
    assert load_snapshot(tmp_path / "s") == snapshot


@pytest.mark.parametrize("spoil", [b"", b"something else entirely", None])
def test_a_damaged_snapshot_is_refused(prefix: Path, tmp_path: Path, spoil: bytes | None) -> None:
    path = tmp_path / "s"
    save_snapshot(take_snapshot(prefix), path)
    path.write_bytes(path.read_bytes()[:-3] if spoil is None else spoil)
    with pytest.raises(ValueError, match="is damaged"):
        load_snapshot(path)


def test_the_module_needs_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules); import pytest_envsync.diff\n"
        "print(*sorted({n.partition('.')[0] for n in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["pytest_envsync"]


def test_no_name_of_a_file_leaves_its_line_or_speaks_to_the_terminal() -> None:
    names = ("a\nb", "c\x1b[31mred", "d\x9b", "caf\udce9", "\u00e9\u2603 and\u2028more")
    shown = [" + a\\nb", " + c\\x1b[31mred", " + caf\\udce9", " + d\\x9b", " + \u00e9\u2603 and\\u2028more"]
    assert Diff(files=FileChanges(tuple(sorted(names)), (), ())).lines() == shown
