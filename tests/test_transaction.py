"""All or nothing: a sync that fails, is interrupted or is killed leaves the old environment or the new one."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pytest_envsync.environment.journal import JOURNAL_NAME, recover
from pytest_envsync.environment.transaction import apply_plan
from pytest_envsync.errors import EnvsyncError, InstallError, StoreError, WheelError
from pytest_envsync.plan import Plan
from sites import Ready, Site, State, contents, in_child, tree

POSIX = pytest.mark.skipif(os.name == "nt", reason="needs fork and signals")


class Stop(Exception):  # noqa: N818 - a stop is no fault
    """Raised by a step."""


class Sets(NamedTuple):
    """Wheels in a store: what is installed at first, and what is wanted then."""

    cache_dir: Path
    old: list[Ready]
    new: list[Ready]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    """Packages with modules, data, scripts, a namespace, plain modules; bytecode is added when they are installed."""
    site = Site(tmp_path_factory.mktemp("sets"))
    beta = site.wheel("beta", "1.0", files={"ns/beta.py": "b", "beta.py": "b", "shared/both.py": "of beta"})
    old = [
        site.wheel(
            "alpha",
            "1.0",
            files={"alpha/__init__.py": "V = 1", "alpha/old.py": "", "alpha/deep/er/x.txt": "x", "ns/alpha.py": "1"},
            entry_points={"console_scripts": {"alpha": "alpha:main"}},
            data={"data/share/alpha/old.txt": "old", "scripts/tool": "#!python\nold\n"},
        ),
        beta,
        site.wheel("gone", "1.0", files={"gone/__init__.py": "", "gone/sub/y.py": "y", "ns/gone.py": ""}),
    ]
    new = [
        site.wheel(
            "alpha",
            "2.0",
            files={"alpha/__init__.py": "V = 2", "alpha/new.py": "", "alpha/deep/z.txt": "z", "ns/alpha.py": "2"},
            entry_points={"console_scripts": {"alpha": "alpha:run"}},
            data={"data/share/alpha/new.txt": "new", "scripts/tool": "#!python\nnew\n"},
        ),
        beta,
        site.wheel("coming", "1.0", files={"coming/__init__.py": "", "stray.py": "of coming", "a/b/c/d.py": "d"}),
    ]
    return Sets(site.root / "cache", old, new)


def prepare(root: Path, sets: Sets) -> Site:
    """Return a site that holds the old set and things of the user's."""
    site = Site(root, cache_dir=sets.cache_dir)
    site.sync(*sets.old)
    (site.site_packages / "stray.py").write_text("of the user, overwritten by coming")
    (site.site_packages / "mine.txt").write_text("of the user")
    (site.site_packages / "gone" / "notes.txt").write_text("of the user, keeps the directory")
    for place, name in [("alpha", "__init__"), ("gone", "__init__"), ("", "beta"), ("", "stray"), ("ns", "alpha")]:
        cache = site.site_packages / place / "__pycache__"
        cache.mkdir(exist_ok=True)
        (cache / f"{name}.{site.target.cache_tag}.pyc").write_bytes(b"compiled")
    return site


def without_records(states: dict[str, State]) -> dict[str, tuple[str, int, bytes]]:
    return {path: state for path, state in contents(states).items() if not path.endswith("/RECORD")}


def act(site: Site, new: list[Ready], step: Callable[[str], None]) -> Callable[[], object]:
    wheels = {ready.candidate.name: ready for ready in new}
    plan = site.plan(*new)
    return lambda: apply_plan(plan, wheels, target=site.target, store=site.store, durable=False, step=step)


def steps_of(root: Path, sets: Sets) -> list[str]:
    """The steps of the sync from the old set to the new one."""
    steps: list[str] = []
    act(prepare(root, sets), sets.new, steps.append)()
    return steps


def nothing(word: str) -> None:
    """A step that does nothing."""


def dying(number: int) -> Callable[[str], None]:
    """A step function that kills its process before step *number*, as the kernel would."""
    steps = count()

    def step(word: str) -> None:
        if next(steps) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def test_the_new_set_is_there_and_what_is_the_users_stays(tmp_path: Path, sets: Sets) -> None:
    site, new = prepare(tmp_path, sets), sets.new
    changes = site.sync(*new)
    assert str(changes).splitlines() == [
        " - alpha==1.0",
        " + alpha==2.0",
        " + coming==1.0",
        " - gone==1.0",
    ]
    assert site.versions == {"alpha": "2.0", "beta": "1.0", "coming": "1.0"}
    cache = f"__pycache__/beta.{site.target.cache_tag}.pyc"
    assert site.below() == [
        cache,
        "a/b/c/d.py",
        "alpha/__init__.py",
        "alpha/deep/z.txt",
        "alpha/new.py",
        "beta.py",
        "coming/__init__.py",
        "gone/notes.txt",
        "mine.txt",
        "ns/alpha.py",
        "ns/beta.py",
        "shared/both.py",
        "stray.py",
    ]
    assert (site.site_packages / "stray.py").read_text() == "of coming"
    assert (site.prefix / "share/alpha/new.txt").read_text() == "new"
    assert not (site.prefix / "share/alpha/old.txt").exists()
    assert (site.bin / "tool").read_bytes().endswith(b"\nnew\n")
    assert not (site.prefix / JOURNAL_NAME).exists()


def test_a_second_sync_does_nothing(tmp_path: Path, sets: Sets) -> None:
    site, new = prepare(tmp_path, sets), sets.new
    site.sync(*new)
    before = site.tree()
    assert not site.sync(*new)
    assert site.tree() == before


@POSIX
def test_a_kill_at_any_step_leaves_the_old_environment_or_the_new_one(tmp_path: Path, sets: Sets) -> None:
    steps = steps_of(tmp_path / "steps", sets)
    done = prepare(tmp_path / "after", sets)
    done.sync(*sets.new)
    after = without_records(done.tree())
    committed = steps.index("mark committed")
    for number, step in enumerate(steps):
        site = prepare(tmp_path / str(number), sets)
        before = site.tree()
        assert in_child(act(site, sets.new, dying(number))) == -signal.SIGKILL
        recovered = recover(site.target)
        now = renamed(after, tmp_path / "after", site.root)
        if number <= committed:
            assert recovered is None or recovered.outcome == "undone"
            assert site.tree() == before, f"killed before `{step}`"
        else:
            assert recovered is None or recovered.outcome == "finished"
            assert without_records(site.tree()) == now, f"killed before `{step}`"
        site.sync(*sets.new)
        assert without_records(site.tree()) == now


def renamed(states: dict[str, tuple[str, int, bytes]], before: Path, now: Path) -> dict[str, tuple[str, int, bytes]]:
    """The same tree in another place: scripts name their interpreter."""
    old, new = os.fsencode(before), os.fsencode(now)
    return {path: (kind, mode, content.replace(old, new)) for path, (kind, mode, content) in states.items()}


@POSIX
@pytest.mark.parametrize("word", ["set aside", "mark adding", "mark committed", "delete"])
def test_a_kill_while_recovering_is_recovered_from_as_well(tmp_path: Path, word: str, sets: Sets) -> None:
    steps = steps_of(tmp_path / "steps", sets)
    first = max(number for number, step in enumerate(steps) if step.startswith(word))
    for number in count():
        site, new = prepare(tmp_path / str(number), sets), sets.new
        before = site.tree()
        assert in_child(act(site, new, dying(first))) == -signal.SIGKILL
        status = in_child(partial(recover, site.target, dying(number)))
        recovered = recover(site.target)
        if word == "delete":
            assert site.versions == {"alpha": "2.0", "beta": "1.0", "coming": "1.0"}
        else:
            assert site.tree() == before
        assert not (site.prefix / JOURNAL_NAME).exists()
        if status == 0:
            assert recovered is None
            assert number > 3
            return


@POSIX
def test_a_kill_while_an_empty_environment_is_filled_leaves_it_empty(tmp_path: Path, sets: Sets) -> None:
    steps: list[str] = []
    act(Site(tmp_path / "steps", cache_dir=sets.cache_dir), sets.old, steps.append)()
    for number in range(0, steps.index("mark committed") + 1, 2):
        site = Site(tmp_path / str(number), cache_dir=sets.cache_dir)
        before = site.tree()
        assert in_child(act(site, sets.old, dying(number))) == -signal.SIGKILL
        recover(site.target)
        assert site.tree() == before
        site.sync(*sets.old)
        assert site.versions == {"alpha": "1.0", "beta": "1.0", "gone": "1.0"}


@pytest.mark.parametrize("error", [Stop(), KeyboardInterrupt(), OSError(errno.EIO, "broken", "somewhere")])
def test_an_error_at_any_step_is_undone_at_once(tmp_path: Path, error: BaseException, sets: Sets) -> None:
    steps = steps_of(tmp_path / "steps", sets)
    committed = next(number for number, step in enumerate(steps) if step == "mark committed")
    for number in range(0, committed + 1, 2):
        site, new = prepare(tmp_path / str(number), sets), sets.new
        before = site.tree()
        counted = count()

        def step(word: str, counted: Iterator[int] = counted, number: int = number) -> None:
            if next(counted) == number:
                raise error

        with pytest.raises((type(error), InstallError)):
            act(site, new, step)()
        assert site.tree() == before, f"stopped before `{steps[number]}`"


def test_an_error_after_the_commit_is_only_a_warning(tmp_path: Path, sets: Sets) -> None:
    site, new = prepare(tmp_path, sets), sets.new

    def step(word: str) -> None:
        if word.startswith("delete"):
            raise OSError(errno.EIO, "broken", word)

    wheels = {ready.candidate.name: ready for ready in new}
    changes = apply_plan(site.plan(*new), wheels, target=site.target, store=site.store, step=step)
    assert "cannot be deleted" in changes.warnings[-1]
    assert site.versions == {"alpha": "2.0", "beta": "1.0", "coming": "1.0"}
    recovered = recover(site.target)
    assert recovered is not None
    assert recovered.outcome == "finished"
    assert not (site.prefix / JOURNAL_NAME).exists()


def test_an_undo_that_fails_says_so_and_is_done_by_the_next_run(tmp_path: Path, sets: Sets) -> None:
    site, new = prepare(tmp_path, sets), sets.new
    before = site.tree()

    def step(word: str) -> None:
        if word == "mark committed" or word.startswith("restore"):
            raise OSError(errno.EIO, "broken", word)

    with pytest.raises(InstallError, match="undoing it failed too") as caught:
        act(site, new, step)()
    assert caught.value.hint is not None
    assert JOURNAL_NAME in caught.value.hint
    recovered = recover(site.target)
    assert recovered is not None
    assert recovered.outcome == "undone"
    assert site.tree() == before


def test_a_wheel_that_is_missing_from_the_store_changes_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.sync(site.wheel("demo", "1.0"))
    before = site.tree()
    new = [site.wheel("demo", "2.0"), site.wheel("other")]
    Path(new[1].wheel.tree, "other.py").unlink()
    with pytest.raises(StoreError, match=r"missing from the store") as caught:
        site.sync(*new)
    assert caught.value.hint is not None
    assert site.tree() == before


@pytest.mark.parametrize(
    ("wheel", "error", "text"),
    [
        ({"entry_points": {"console_scripts": {"Python3": "demo:main"}}}, InstallError, "reserved"),
        ({"data": {"scripts/python3.11": "#!python\n"}}, InstallError, "reserved"),
        ({"entry_points": {"console_scripts": {"../x": "demo:main"}}}, InstallError, "no file name"),
        ({"entry_points": {"console_scripts": {"x": "demo"}}}, WheelError, "expected MODULE:OBJECT"),
        ({"data": {"nonsense/x": ""}}, WheelError, "no known place"),
        ({"data": {"scripts/deep/x": ""}}, WheelError, "is in a directory"),
    ],
)
def test_what_is_wrong_with_a_wheel_is_found_before_the_first_removal(
    tmp_path: Path, wheel: dict[str, Any], error: type[EnvsyncError], text: str
) -> None:
    site = Site(tmp_path)
    site.sync(site.wheel("other"))
    before = site.tree()
    with pytest.raises(error, match=text) as caught:
        site.sync(site.wheel("demo", **wheel))
    assert caught.value.exit_status == 2
    assert site.tree() == before


def test_a_wheel_that_is_not_what_was_asked_for_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    ready = site.wheel("demo", "1.0")
    other = site.wheel("other", "1.0")
    newer = site.wheel("demo", "2.0")
    for wrong in (ready._replace(wheel=other.wheel), ready._replace(wheel=newer.wheel)):
        with pytest.raises(InstallError, match="was asked for"):
            site.sync(wrong)
    assert site.files() == []


def test_a_file_of_the_users_where_a_directory_is_needed_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (site.site_packages / "pkg").write_text("a file")
    before = site.tree()
    with pytest.raises(InstallError, match="where a directory is needed"):
        site.sync(site.wheel("demo", files={"pkg/a/b.py": ""}))
    assert site.tree() == before


def test_a_directory_of_the_users_where_a_file_comes_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    (site.site_packages / "demo.py").mkdir()
    before = site.tree()
    with pytest.raises(InstallError, match="where a directory stands"):
        site.sync(site.wheel("demo"))
    assert site.tree() == before


def test_two_wheels_that_want_a_file_and_a_directory_of_one_name_are_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    one, other = site.wheel("one", files={"x": "file"}), site.wheel("other", files={"x/y/z": "below"})
    with pytest.raises(InstallError, match=r"`one` brings a file `.*x` where `other` needs a directory"):
        site.sync(one, other)


def test_a_package_that_becomes_a_module_and_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    package = site.wheel("demo", "1.0", files={"demo/__init__.py": "", "other": "file"})
    module = site.wheel("demo", "2.0", files={"demo": "file", "other/x.py": ""})
    for ready in (package, module, package):
        site.sync(ready)
    assert site.below() == ["demo/__init__.py", "other"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; skipped where nobody may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@POSIX
def test_a_disk_that_is_too_small_is_refused_before_anything_changes(small_disk: Path, tmp_path: Path) -> None:
    site = Site(small_disk, cache_dir=tmp_path / "cache")
    site.root = tmp_path
    site.sync(site.wheel("other"))
    before = site.tree()
    with pytest.raises(InstallError, match="not enough space") as caught:
        site.sync(site.wheel("demo", files={"big.bin": os.urandom(2_000_000)}))
    assert "MB needed" in str(caught.value)
    assert site.tree() == before


@POSIX
def test_a_disk_that_fills_up_meanwhile_is_undone(small_disk: Path, tmp_path: Path) -> None:
    site = Site(small_disk, cache_dir=tmp_path / "cache")
    site.root = tmp_path
    site.sync(site.wheel("other"))
    before = site.tree()
    ready = site.wheel("demo", files={"a.bin": os.urandom(200_000), "b.bin": os.urandom(200_000)})
    filler = small_disk / "filler"

    def fill(word: str) -> None:
        if word.endswith("/b.bin"):
            with pytest.raises(OSError, match="No space"):
                filler.write_bytes(bytes(2_000_000))

    with pytest.raises(InstallError, match="No space left") as caught:
        apply_plan(Plan(install=(ready.candidate,)), {"demo": ready}, target=site.target, store=site.store, step=fill)
    assert caught.value.hint is not None
    assert "nothing was changed" in caught.value.hint
    assert site.tree() == before


@POSIX
def test_an_environment_on_another_file_system_gets_copies_and_one_warning(small_disk: Path, tmp_path: Path) -> None:
    site = Site(small_disk, cache_dir=tmp_path / "cache")
    site.root = tmp_path
    changes = site.sync(site.wheel("demo"), site.wheel("other"))
    assert len([warning for warning in changes.warnings if "files are copied" in warning]) == 1
    assert (site.site_packages / "demo.py").stat().st_nlink == 1
    assert not site.sync(site.wheel("demo"), site.wheel("other"))


def open_to_all(*places: Path) -> None:
    """Let everybody look into these directories."""
    for place in places:
        for directory in (place, *place.parents):
            if (mode := directory.stat().st_mode) & 0o055 != 0o055:
                directory.chmod(mode | 0o055)


@POSIX
def test_an_environment_of_another_user_is_refused(tmp_path: Path, sets: Sets) -> None:
    if os.geteuid() != 0:
        pytest.skip("root is needed to become somebody else")
    site, new = prepare(tmp_path, sets), sets.new
    before = site.tree()
    open_to_all(tmp_path, sets.cache_dir)
    reason = tmp_path / "reason"
    reason.touch()
    reason.chmod(0o666)

    def as_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)
        try:
            act(site, new, nothing)()
        except InstallError as error:
            reason.write_text(f"{error}\n{error.hint}")

    assert in_child(as_nobody) == 0
    assert "cannot be written" in reason.read_text()
    assert "as the user who owns the environment" in reason.read_text()
    assert site.tree() == before


@POSIX
def test_a_directory_that_may_not_be_written_is_refused(tmp_path: Path, sets: Sets) -> None:
    if os.geteuid() != 0:
        pytest.skip("root is needed to become somebody else")
    site, new = prepare(tmp_path, sets), sets.new
    open_to_all(tmp_path, sets.cache_dir)
    for path in [site.prefix, *site.prefix.rglob("*")]:
        os.chown(path, 65534, 65534)
    (site.site_packages / "gone" / "sub").chmod(0o555)
    before = site.tree()
    reason = tmp_path / "reason"
    reason.touch()
    reason.chmod(0o666)

    def as_nobody() -> None:
        os.setgid(65534)
        os.setuid(65534)
        try:
            act(site, new, nothing)()
        except InstallError as error:
            reason.write_text(str(error))

    assert in_child(as_nobody) == 0
    assert reason.read_text().endswith("gone/sub` cannot be written")
    assert site.tree() == before


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Mount a directory as the lower layer of an overlay, as container images do: its directories cannot be renamed."""
    mounted: list[Path] = []

    def mount(lower: Path) -> Path:
        place, upper, work = (tmp_path / f"overlay{len(mounted)}" / name for name in ("merged", "upper", "work"))
        for directory in (place, upper, work):
            directory.mkdir(parents=True)
        options = f"lowerdir={lower},upperdir={upper},workdir={work}"
        result = subprocess.run(
            ["mount", "-t", "overlay", "-o", options, "overlay", str(place)], capture_output=True, check=False
        )
        if result.returncode != 0:
            pytest.skip("mounting an overlay needs root")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@POSIX
def test_directories_of_a_container_image_go_file_by_file(
    tmp_path: Path, overlay: Callable[[Path], Path], sets: Sets
) -> None:
    lower = prepare(tmp_path / "lower", sets)

    def container() -> Site:
        merged = overlay(lower.prefix)
        site = Site(tmp_path / "unused" / merged.parent.name, cache_dir=sets.cache_dir)
        site.prefix = merged
        site.target = site.target.in_virtual_environment(str(merged), python=str(merged / "bin" / "python"))
        return site

    steps: list[str] = []
    site = container()
    act(site, sets.new, steps.append)()
    assert any(step.startswith("move ") for step in steps)
    done = prepare(tmp_path / "done", sets)
    done.sync(*sets.new)
    assert site.tree().keys() == done.tree().keys()
    for number, step in enumerate(steps):
        if step.startswith(("move ", "empty ", "mark adding")):
            site = container()
            before = site.tree()
            assert in_child(act(site, sets.new, dying(number))) == -signal.SIGKILL
            recovered = recover(site.target)
            assert recovered is not None
            assert recovered.outcome == "undone"
            assert site.tree() == before, f"killed before `{step}`"


@POSIX
def test_a_part_of_the_environment_on_another_file_system(small_disk: Path, tmp_path: Path) -> None:
    """Scripts, here, are elsewhere: what goes there is set aside there."""
    site = Site(tmp_path / "root")
    site.bin.joinpath("python").unlink()
    site.bin.rmdir()
    subprocess.run(["mount", "--bind", str(small_disk), str(make_directory(site.bin))], check=True)
    try:
        site.sync(site.wheel("demo", "1.0", entry_points={"console_scripts": {"demo": "demo:old"}}))
        before = site.tree()
        new = site.wheel("demo", "2.0", entry_points={"console_scripts": {"demo": "demo:new"}})

        def die_at_the_end(word: str) -> None:
            if word == "mark committed":
                os.kill(os.getpid(), signal.SIGKILL)

        assert in_child(act(site, [new], die_at_the_end)) == -signal.SIGKILL
        assert len(list(site.bin.iterdir())) == 2
        recovered = recover(site.target)
        assert recovered is not None
        assert site.tree() == before
        site.sync(new)
        assert [path.name for path in site.bin.iterdir()] == ["demo"]
        assert "from demo import new" in (site.bin / "demo").read_text()
    finally:
        subprocess.run(["umount", str(site.bin)], check=True)


def make_directory(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_damaged_journal_is_an_error_that_says_where_everything_is(tmp_path: Path) -> None:
    site = Site(tmp_path)
    journal = site.prefix / JOURNAL_NAME
    journal.mkdir()
    (journal / "journal.json").write_text("{")
    with pytest.raises(InstallError, match="is damaged"):
        recover(site.target)


def test_nothing_to_recover(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert recover(site.target) is None
    (site.prefix / JOURNAL_NAME).mkdir()
    assert recover(site.target) is None
    assert not (site.prefix / JOURNAL_NAME).exists()


def test_nothing_begins_on_top_of_an_interrupted_transaction(tmp_path: Path) -> None:
    site = Site(tmp_path)
    ready = site.wheel()
    (site.prefix / JOURNAL_NAME).mkdir()
    with pytest.raises(InstallError, match="an interrupted sync left"):
        act(site, [ready], nothing)()
    assert site.sync(ready)


def test_what_somebody_put_back_meanwhile_is_no_dead_end(tmp_path: Path) -> None:
    site = Site(tmp_path)
    old = site.wheel(files={"demo.py": "x\n", "pack/__init__.py": "", "pack/a.py": "a\n"})
    site.sync(old)
    before = site.tree()

    def step(word: str) -> None:
        if word == "mark adding":
            os._exit(9)

    assert in_child(act(site, [site.wheel(version="2.0")], step)) == 9
    assert not (site.site_packages / "demo.py").exists()
    (site.site_packages / "demo.py").write_text("put back by hand\n")
    (site.site_packages / "pack").write_text("a file where a directory was\n")
    (site.site_packages / "demo-1.0.dist-info").mkdir()
    (site.site_packages / "demo-1.0.dist-info" / "METADATA").mkdir()
    assert recover(site.target) is not None
    assert contents(site.tree()) == contents(before)


def test_an_interrupted_environment_may_be_moved_before_it_is_recovered(tmp_path: Path, sets: Sets) -> None:
    site, new = prepare(tmp_path, sets), sets.new
    before = site.tree()

    def step(word: str) -> None:
        if word == "mark committed" or word.startswith("take back"):
            raise OSError(errno.EIO, "broken", word)

    with pytest.raises(InstallError):
        act(site, new, step)()
    moved = tmp_path / "moved"
    site.prefix.rename(moved)
    assert recover(site.target.in_virtual_environment(str(moved), python=str(moved / "bin/python"))) is not None
    assert tree(moved) == before


def test_an_empty_plan_touches_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert not apply_plan(Plan(), {}, target=site.target, store=site.store)


def test_a_directory_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    """``--target`` into a new directory: there is no environment, site-packages is the root."""
    site = Site(tmp_path)
    place = tmp_path / "new" / "target"
    paths = {scheme: str(place) for scheme in ("purelib", "platlib", "data")}
    paths |= {"scripts": str(place / "bin"), "headers": str(place / "include")}
    site.target = site.target.at(python="/usr/bin/python3", prefix=str(place), paths=paths, is_virtual=False)
    ready = site.wheel("demo", entry_points={"console_scripts": {"demo": "demo:main"}}, data={"headers/x.h": "h"})
    site.sync(ready)
    assert (place / "demo.py").is_file()
    assert (place / "bin" / "demo").is_file()
    assert (place / "include" / "demo" / "x.h").is_file()
    assert not (place / JOURNAL_NAME).exists()
    assert not site.sync(ready)
    site.sync()
    assert [path for path in place.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(os.name == "nt", reason="needs symbolic links")
def test_a_link_in_the_place_of_the_journal_is_not_followed(tmp_path: Path) -> None:
    """What it led to was removed as a transaction that had not begun."""
    site = Site(tmp_path)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    journal = Path(site.target.prefix) / JOURNAL_NAME
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.symlink_to(precious)
    with pytest.raises(InstallError, match="is no directory of ours"):
        recover(site.target)
    assert (precious / "file").exists()
