"""The best file wins; when none fits, the error says which files were there and why each was refused."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from pytest_envsync.distributions import Candidate, File
from pytest_envsync.errors import EnvsyncError, InputError, SelectionError
from pytest_envsync.hashes import Digest, HashPolicy
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    LockedFile,
    LockedPackage,
    Origin,
    Requirements,
    Source,
    VcsSource,
)
from pytest_envsync.target import Target
from pytest_envsync.values import replace
from pytest_envsync.wheels.choice.demand import Demand
from pytest_envsync.wheels.choice.direct import direct_candidate
from pytest_envsync.wheels.choice.pins import choose_pin
from pytest_envsync.wheels.choice.select import (
    SelectionPolicy,
    Selector,
    digest_match,
    hash_policy,
    is_active,
    named_packages,
    select_candidate,
    selection_policy,
)

PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64"]
TAGS = tuple(
    str(tag)
    for tag in (*cpython_tags((3, 11), platforms=PLATFORMS), *compatible_tags((3, 11), "cp311", PLATFORMS))
)  # fmt: skip
TARGET = Target(
    python="/env/bin/python",
    version="3.11.7",
    implementation="cpython",
    cache_tag="cpython-311",
    markers={
        "python_version": "3.11",
        "python_full_version": "3.11.7",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    },
    tags=TAGS,
    paths={},
    prefix="/env",
    base_python="/usr/bin/python",
    base_prefix="/usr",
    is_virtual=True,
    fingerprint="f",
)
ONE, TWO = (Digest("sha256", digit * 64) for digit in "12")
INDEX = "https://example.org/simple/"


def want(
    specifier: str = "", *digests: Digest, name: str = "demo", source: Source | None = None, shown: str = ""
) -> Demand:
    return Demand(
        name=name,
        source=source or IndexSource(specifier),
        shown=shown or f"{name}{specifier}",
        specifier=specifier,
        digests=digests,
        origin=Origin("reqs.txt", 3),
    )


def file(
    filename: str,
    *digests: Digest,
    requires_python: str | None = None,
    yanked: str | None = None,
    upload_time: str | None = None,
    index: str = INDEX,
) -> File:
    return File(filename, f"{INDEX}{filename}", digests, None, requires_python, yanked, upload_time, index)


def chosen(demand: Demand, *files: File | str, policy: SelectionPolicy | None = None) -> str:
    candidate = select_candidate(
        demand, [file(f) if isinstance(f, str) else f for f in files], TARGET, policy or SelectionPolicy()
    )
    assert candidate.file is not None
    return candidate.file.filename


def refused(demand: Demand, *files: File | str, policy: SelectionPolicy | None = None) -> SelectionError:
    with pytest.raises(SelectionError) as caught:
        chosen(demand, *files, policy=policy)
    return caught.value


WHEEL = "demo-{}-py3-none-any.whl"
SDIST = "demo-{}.tar.gz"


@pytest.mark.parametrize(
    ("specifier", "files", "expected"),
    [
        ("==1.0", [WHEEL.format("1.0"), WHEEL.format("1.1")], WHEEL.format("1.0")),
        ("==1.0", [WHEEL.format("1.0.0")], WHEEL.format("1.0.0")),
        ("==1.0", [WHEEL.format("1.0"), WHEEL.format("1.0+cpu")], WHEEL.format("1.0+cpu")),
        ("===1.0", [WHEEL.format("1.0.0"), WHEEL.format("1.0+cpu")], WHEEL.format("1.0.0")),
        ("", [WHEEL.format("1.9"), WHEEL.format("1.10"), WHEEL.format("2.0rc1")], WHEEL.format("1.10")),
        (">=2.0rc1", [WHEEL.format("1.9"), WHEEL.format("2.0rc1")], WHEEL.format("2.0rc1")),
        (">1.9", [WHEEL.format("1.9"), WHEEL.format("2.0rc1")], WHEEL.format("2.0rc1")),
        ("==1.0", [SDIST.format("1.0"), WHEEL.format("1.0")], WHEEL.format("1.0")),
        ("", [SDIST.format("2.0"), WHEEL.format("1.0")], SDIST.format("2.0")),
        ("==1.*", [WHEEL.format("1.5"), WHEEL.format("2.0")], WHEEL.format("1.5")),
        ("~=1.4", [WHEEL.format("1.5"), WHEEL.format("2.0")], WHEEL.format("1.5")),
    ],
)
def test_the_best_version_wins_and_a_wheel_over_a_source_distribution(
    specifier: str, files: list[str], expected: str
) -> None:
    assert chosen(want(specifier), *files) == expected


def test_the_best_tag_wins_then_the_highest_build() -> None:
    names = [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0-cp311-abi3-manylinux_2_17_x86_64.whl",
        "demo-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "demo-1.0-2-cp311-cp311-manylinux_2_28_x86_64.whl",
        "demo-1.0-10-cp311-cp311-manylinux_2_28_x86_64.whl",
        "demo-1.0-11-cp312-cp312-manylinux_2_28_x86_64.whl",
    ]
    while len(names) > 1:
        best = names[-2] if "cp312" in names[-1] else names[-1]
        assert chosen(want("==1.0"), *sorted(names)) == best
        names.remove(best)


@given(
    st.permutations(
        ["cp311-cp311-manylinux_2_28_x86_64", "cp311-abi3-linux_x86_64", "py3-none-any", "py2.py3-none-any"]
    )
)
def test_the_choice_does_not_depend_on_the_order_of_the_files(order: list[str]) -> None:
    ranks = {tag: position for position, tag in enumerate(TAGS)}
    names = [f"demo-1.0-{tag}.whl" for tag in order]
    best = min(names, key=lambda name: min(ranks.get(str(tag), 9999) for tag in parse_wheel_filename(name)[3]))
    got = chosen(want("==1.0"), *names)
    assert got == best or {got, best} == {"demo-1.0-py3-none-any.whl", "demo-1.0-py2.py3-none-any.whl"}


def test_an_advertised_digest_that_is_allowed_is_preferred() -> None:
    wheel, sdist = WHEEL.format("1.0"), SDIST.format("1.0")
    demand = want("==1.0", ONE)
    assert chosen(demand, file(wheel, TWO), file(sdist, ONE)) == sdist
    assert chosen(demand, file(wheel), file(sdist, ONE)) == sdist
    assert chosen(demand, file(wheel), file(sdist)) == wheel
    assert chosen(demand, file(wheel, TWO), file(sdist, TWO)) == wheel  # the download will say so
    specific = "demo-1.0-cp311-cp311-linux_x86_64.whl"
    assert chosen(demand, file(specific, TWO), file(wheel, ONE)) == wheel


def test_digests_of_other_algorithms_tell_nothing() -> None:
    assert digest_match([Digest("md5", "0" * 32)], [ONE]) == 1
    assert digest_match([Digest("md5", "0" * 32), TWO], [ONE]) == 0
    assert digest_match([TWO], []) == 1


def test_equals_are_taken_in_the_order_given() -> None:
    first = file(WHEEL.format("1.0"), index="")
    candidate = select_candidate(want("==1.0"), [first, file(WHEEL.format("1.0"))], TARGET, SelectionPolicy())
    assert candidate.file is first


def test_equals_are_taken_by_their_names_not_as_they_are_listed() -> None:
    plain, both = "demo-1.0-py3-none-any.whl", "demo-1.0-py2.py3-none-any.whl"
    turned = "demo-1.0-py3.py2-none-any.whl"
    for names in ((plain, both), (both, plain)):
        assert chosen(want(), *map(file, names)) == both
        assert chosen(want(), *(file(name, index="") for name in names)) == plain
    assert chosen(want(), file(turned, index=""), file(both, index="")) == both


def test_of_one_version_the_first_index_wins_and_not_the_best_tag() -> None:
    plain, specific = "demo-1.0-py3-none-any.whl", "demo-1.0-cp311-cp311-linux_x86_64.whl"
    first, second = file(plain, index="https://a.test/simple/"), file(specific, index="https://b.test/simple/")
    assert chosen(want(), first, second) == plain
    assert chosen(want(), file(specific, index=""), first, second) == specific
    hashed = file(specific, ONE, index="https://b.test/simple/")
    demand = want("==1.0", ONE)
    assert chosen(demand, file(plain, TWO, index="https://a.test/simple/"), hashed) == specific


def test_requires_python_counts_by_its_lower_bound() -> None:
    new, old = file(WHEEL.format("2.0"), requires_python=">=3.12"), file(WHEEL.format("1.0"), requires_python="<3.9")
    assert chosen(want(), new, old) == old.filename
    error = refused(want("==2.0"), new)
    assert "needs another Python than 3.11.7" in str(error)
    assert ">=3.12" in str(error)


def test_yanked_files_are_for_pins() -> None:
    files = [file(WHEEL.format("1.1"), yanked="broken"), file(WHEEL.format("1.0"))]
    assert chosen(want(">=1.0"), *files) == files[1].filename
    assert chosen(want("==1.1"), *files) == files[0].filename
    assert "yanked" in str(refused(want("==1.1"), file(WHEEL.format("1.1+cpu"), yanked="broken")))
    error = refused(want(">1.0"), *files)
    assert "yanked: demo-1.1-py3-none-any.whl (broken)" in str(error)
    assert "pinned with `==`" in (error.hint or "")


def test_a_cut_off_hides_what_came_later_and_what_has_no_time() -> None:
    policy = SelectionPolicy(cutoff="2024-01-02T00:00:00", cutoffs={"other": None})
    old = file(WHEEL.format("1.0"), upload_time="2024-01-01T23:59:59.5Z")
    late = file(WHEEL.format("1.1"), upload_time="2024-01-02T00:00:00Z")
    timeless, odd = file(WHEEL.format("1.2")), file(WHEEL.format("1.3"), upload_time="someday")
    assert chosen(want(), old, late, timeless, odd, policy=policy) == old.filename
    assert chosen(want(), late, file(WHEEL.format("1.2"), index=""), policy=policy) == WHEEL.format("1.2")
    assert (
        chosen(want(), file("other-1.0.tar.gz").__class__("demo-9.tar.gz", "x"), old, policy=policy) == "demo-9.tar.gz"
    )
    error = refused(want(), late, timeless, policy=policy)
    assert "uploaded after 2024-01-02T00:00:00Z" in str(error)
    assert "no upload time" in str(error)
    assert "--exclude-newer-package demo=false" in (error.hint or "")
    assert chosen(want(name="other"), file("other-1.0.tar.gz"), policy=policy) == "other-1.0.tar.gz"


@pytest.mark.parametrize(
    ("no_binary", "no_build", "expected"),
    [
        ([], [], WHEEL.format("1.0")),
        (["demo"], [], SDIST.format("1.0")),
        ([":all:"], [], SDIST.format("1.0")),
        (["other"], [], WHEEL.format("1.0")),
        ([":all:", ":none:"], [], WHEEL.format("1.0")),
        ([":all:"], ["Demo"], WHEEL.format("1.0")),
        (["demo"], [":all:"], SDIST.format("1.0")),
        (["demo"], ["demo"], None),
        ([":all:"], [":all:"], None),
        (["Demo,x"], [], SDIST.format("1.0")),
    ],
)
def test_no_binary_and_only_binary(no_binary: list[str], no_build: list[str], expected: str | None) -> None:
    policy = SelectionPolicy(no_binary=named_packages(no_binary), no_build=named_packages(no_build))
    files = [WHEEL.format("1.0"), SDIST.format("1.0")]
    if expected is not None:
        assert chosen(want("==1.0"), *files, policy=policy) == expected
    else:
        error = refused(want("==1.0"), *files, policy=policy)
        assert {item.rule for item in error.rejections} == {
            "refused by --no-binary",
            "source distribution, refused by --only-binary",
        }
        assert "both --no-binary and --only-binary" in (error.hint or "")


def test_settings_of_files_and_command_line_come_together() -> None:
    options = SyncOptions(no_binary=("a",), only_binary=("b",), no_build=False)
    policy = selection_policy(Requirements(no_binary=("c",), only_binary=("d",), require_hashes=True), options)
    assert (policy.no_binary, policy.no_build, policy.hashes) == (
        frozenset("ac"),
        frozenset("bd"),
        HashPolicy.REQUIRE,
    )
    assert selection_policy(Requirements(), SyncOptions(no_build=True)).no_build == {":all:"}


@pytest.mark.parametrize(
    ("in_file", "options", "expected"),
    [
        (True, SyncOptions(verify_hashes=False), HashPolicy.REQUIRE),
        (False, SyncOptions(require_hashes=True, verify_hashes=False), HashPolicy.REQUIRE),
        (False, SyncOptions(), HashPolicy.VERIFY),
        (False, SyncOptions(verify_hashes=False), HashPolicy.NONE),
    ],
)
def test_the_strictest_word_on_hashes_counts(in_file: object, options: SyncOptions, expected: HashPolicy) -> None:
    assert hash_policy(Requirements(require_hashes=bool(in_file)), options) is expected


def test_a_marker_is_judged_on_the_target() -> None:
    assert is_active("sys_platform == 'linux' and extra != 'x'", TARGET)
    assert not is_active("extra == 'x'", TARGET)


def test_a_version_that_is_not_there_is_told_with_those_that_are() -> None:
    error = refused(want("==9"), *[WHEEL.format(f"1.{minor}") for minor in range(32)])
    assert str(error).splitlines() == [
        "no version of `demo` meets `==9` (reqs.txt:3)",
        "  another version: "
        + ", ".join(WHEEL.format(version) for version in ("1.31", "1.30", "1.29"))
        + ", and 29 more",
    ]
    newest = ", ".join(f"1.{minor}" for minor in range(31, 1, -1))
    assert error.hint == f"there is `demo` {newest} and 2 older"
    assert len(error.rejections) == 32


def test_every_file_of_the_version_is_told_with_the_reason_against_it() -> None:
    names = [f"demo-1.0-cp{minor}-cp{minor}-manylinux_2_17_x86_64.whl" for minor in range(312, 337)]
    error = refused(
        want("==1.0"), *names, file(SDIST.format("1.0")), policy=SelectionPolicy(no_build=frozenset({"demo"}))
    )
    _, heading, *paragraph, last = str(error).splitlines()
    assert heading == "  made for another Python or platform (25 files):"
    assert [name for line in paragraph for name in line.strip().rstrip(",").split(", ")] == names
    assert last == "  source distribution, refused by --only-binary: demo-1.0.tar.gz"


def test_wheels_for_other_interpreters_are_told_nearest_first() -> None:
    names = [f"demo-1.0-cp{minor}-cp{minor}-manylinux_2_17_x86_64.whl" for minor in (38, 39, 310, 313)]
    error = refused(
        want("==1.0"), *names, file(SDIST.format("1.0")), policy=SelectionPolicy(no_build=frozenset({"demo"}))
    )
    assert str(error).startswith("no file of `demo==1.0` fits CPython 3.11.7 on linux x86_64 (reqs.txt:3)\n")
    assert "made for another Python or platform (4 files):\n    demo-1.0-cp38-cp38-" in str(error)
    assert "source distribution, refused by --only-binary: demo-1.0.tar.gz" in str(error)
    assert "cp310-cp310, cp313-cp313, cp39-cp39, cp38-cp38 (nearest first)" in (error.hint or "")
    assert "take `demo` out of --only-binary" in (error.hint or "")


def test_wheels_for_other_platforms_are_told() -> None:
    error = refused(want("==1.0"), "demo-1.0-cp311-cp311-win_amd64.whl", "demo-1.0-cp311-cp311-macosx_11_0_arm64.whl")
    assert "made for macosx_11_0_arm64, win_amd64" in (error.hint or "")
    assert "no source distribution" in (error.hint or "")


def test_wheels_alone_do_not_help_where_they_are_not_wanted() -> None:
    error = refused(want("==1.0"), WHEEL.format("1.0"), policy=SelectionPolicy(no_binary=frozenset({"demo"})))
    assert "take `demo` out of --no-binary" in (error.hint or "")


def test_formats_of_the_past_are_told() -> None:
    error = refused(want("==1.0"), "demo-1.0.tar.bz2")
    assert "unsupported format: demo-1.0.tar.bz2" in str(error)
    error = refused(want("==1.0"), "demo-1.0.win32-py2.4.exe")
    assert "unsupported format: demo-1.0.win32-py2.4.exe" in str(error)


def test_nothing_at_all_is_told() -> None:
    assert "`demo` was not found, wanted as `demo==1.0`" in str(refused(want("==1.0")))


FILENAMES = st.builds(
    "demo-{}-{}.whl".format,
    st.sampled_from(["1.0", "1.1", "2.0a1", "1!0", "x"]),
    st.sampled_from(["py3-none-any", "cp311-cp311-linux_x86_64", "cp39-cp39-win32", "junk", "a-b-c"]),
) | st.sampled_from(["demo-1.0.tar.gz", "demo-1.zip", "demo", "", "demo-1.0.exe"])


@given(
    st.lists(
        st.builds(
            file,
            FILENAMES,
            requires_python=st.sampled_from([None, ">=3.12", ">=3", "junk", ">=3.*"]),
            yanked=st.sampled_from([None, "", "why"]),
            upload_time=st.sampled_from([None, "2024-01-01T00:00:00Z", "junk"]),
        ),
        max_size=8,
    ),
    st.sampled_from(["", "==1.0", ">=1", "===1.0", "==1.*", "<1", "!=1.0"]),
    st.sampled_from([None, "2024-06-01T00:00:00"]),
)
def test_a_choice_meets_every_rule_or_each_file_has_its_refusal(
    files: list[File], specifier: str, cutoff: str | None
) -> None:
    policy = SelectionPolicy(cutoff=cutoff)
    demand = want(specifier)
    try:
        candidate = select_candidate(demand, files, TARGET, policy)
    except SelectionError as error:
        wanted = [item.filename for item in error.rejections]
        assert set(wanted) <= {item.filename for item in files}
        if str(error).startswith("no version"):
            assert len(wanted) == len(files)
    else:
        assert candidate.file in files
        assert Selector(TARGET, policy).refusal(candidate.file, demand) is None


# Direct sources.


def direct(url: str, *, demand: Demand | None = None, policy: SelectionPolicy | None = None) -> Candidate:
    wanted = demand or want(source=ArchiveSource(url), shown=f"demo @ {url}")
    return direct_candidate(wanted, Selector(TARGET, policy or SelectionPolicy()))


def test_a_wheel_by_address_tells_its_version() -> None:
    candidate = direct("https://example.org/a/Demo-1.0%2Bcpu-py3-none-any.whl")
    assert (candidate.name, candidate.version, candidate.kind, candidate.match_all) == (
        "demo",
        "1.0+cpu",
        "wheel",
        True,
    )
    assert candidate.file is not None
    assert candidate.file.filename == "Demo-1.0+cpu-py3-none-any.whl"


def test_sources_keep_their_version_open() -> None:
    sdist = direct("https://example.org/demo-1.0.tar.gz")
    assert (sdist.name, sdist.version, sdist.kind) == ("demo", None, "sdist")
    for source in (DirectorySource("/src/demo", editable=True), VcsSource("git", "https://example.org/demo")):
        tree = direct("", demand=want(source=source))
        assert (tree.name, tree.version, tree.kind, tree.requested, tree.file) == ("demo", None, "tree", source, None)


def test_an_archive_without_a_name_is_named_by_its_file() -> None:
    for filename in ("demo_tool-1.0-py3-none-any.whl", "demo_tool-1.0.tar.gz"):
        url = f"file:///w/{filename}"
        unnamed = replace(want(source=ArchiveSource(url), shown=url), name=None)
        assert direct(url, demand=unnamed).name == "demo-tool"


@pytest.mark.parametrize(
    ("url", "policy", "reason", "status"),
    [
        ("https://h/demo-1.0-cp39-cp39-win32.whl", SelectionPolicy(), "incompatible", 2),
        ("https://h/demo-1.0-py3-none-any.whl", SelectionPolicy(no_binary=frozenset({"demo"})), "--no-binary", 2),
        ("https://h/demo.whl", SelectionPolicy(), "no wheel name", 2),
        ("https://h/demo-x-py3-none-any.whl", SelectionPolicy(), "no version", 2),
        ("https://h/demo-1.0.tar.bz2", SelectionPolicy(), "neither a wheel nor", 2),
        ("https://h/other-1.0-py3-none-any.whl", SelectionPolicy(), "is of `other`", 1),
        ("https://h/..%2Fdemo-1.0-py3-none-any.whl", SelectionPolicy(), "no wheel name|is of", 1),
    ],
)
def test_archives_that_are_refused(url: str, policy: SelectionPolicy, reason: str, status: int) -> None:
    with pytest.raises(EnvsyncError, match=reason) as caught:
        direct(url, policy=policy)
    assert caught.value.exit_status in {status, 2}
    assert "reqs.txt:3" in str(caught.value)


def test_a_wheel_by_address_must_meet_what_constraints_ask() -> None:
    url = "https://example.org/demo-1.0-py3-none-any.whl"
    with pytest.raises(SelectionError, match="has version"):
        direct(url, demand=want(">=2", source=ArchiveSource(url)))


def test_a_tree_without_a_name_is_told() -> None:
    with pytest.raises(SelectionError, match="known only to its build backend") as caught:
        direct("", demand=replace(want(source=DirectorySource("/src")), name=None))
    assert "NAME @ ADDRESS" in (caught.value.hint or "")


# Lockfiles.


def locked(*wheels: str, sdist: str | None = None, **fields: object) -> LockedPackage:
    values: dict[str, object] = {"name": "demo", "version": "1.0", "origin": Origin("pylock.toml"), **fields}
    return LockedPackage(
        wheels=tuple(
            LockedFile(filename=name, location=f"https://h/{name}", digests=(ONE,), size=7) for name in wheels
        ),
        sdist=LockedFile(filename=sdist, location=f"/w/{sdist}", digests=(TWO,)) if sdist else None,
        **values,  # type: ignore[arg-type]  # fields of the dataclass by name
    )


def pin(package: LockedPackage, policy: SelectionPolicy | None = None) -> Candidate:
    return choose_pin(package, Selector(TARGET, policy or SelectionPolicy()))


def test_the_best_wheel_of_a_lock_is_chosen_and_treated_as_one_of_an_index() -> None:
    names = [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0-cp311-cp311-linux_x86_64.whl",
        "demo-1.0-cp312-cp312-linux_x86_64.whl",
    ]
    candidate = pin(locked(*names, sdist="demo-1.0.tar.gz"))
    assert candidate.file is not None
    assert (candidate.file.filename, candidate.kind, candidate.version) == (names[1], "wheel", "1.0")
    assert (candidate.requested, candidate.digests, candidate.size) == (IndexSource("==1.0"), (ONE,), 7)


def test_a_source_distribution_of_another_name_is_refused_only_where_it_is_taken() -> None:
    for name in ("other-1.0.tar.gz", "v1.0.tar.gz"):
        assert pin(locked(WHEEL.format("1.0"), sdist=name)).kind == "wheel"
    assert pin(locked(sdist="v1.0.tar.gz")).kind == "sdist"
    with pytest.raises(InputError, match=r"`other-1.0.tar.gz` does not match package name `demo`"):
        pin(locked(sdist="other-1.0.tar.gz"))


def test_without_a_fitting_wheel_the_source_distribution_is_taken() -> None:
    candidate = pin(locked("demo-1.0-cp39-cp39-win32.whl", sdist="demo-1.0.tar.gz"))
    assert candidate.file is not None
    assert (candidate.kind, candidate.file.url) == ("sdist", "file:///w/demo-1.0.tar.gz")
    assert (
        pin(locked(WHEEL.format("1.0"), sdist="demo-1.0.tar.gz"), SelectionPolicy(no_binary=frozenset({":all:"}))).kind
        == "sdist"
    )


@pytest.mark.parametrize(
    ("package", "policy", "reason"),
    [
        (locked("demo-1.0-cp39-cp39-win32.whl"), SelectionPolicy(), "no artifact of `demo==1.0`"),
        (locked(WHEEL.format("1.0")), SelectionPolicy(no_binary=frozenset({"demo"})), "--no-binary"),
        (locked(sdist="demo-1.0.tar.gz"), SelectionPolicy(no_build=frozenset({":all:"})), "--only-binary"),
        (
            locked(WHEEL.format("1.0"), sdist="demo-1.0.tar.gz"),
            SelectionPolicy(no_binary=frozenset({"demo"}), no_build=frozenset({"demo"})),
            "no artifact",
        ),
        (locked(WHEEL.format("1.0"), requires_python=">=3.12"), SelectionPolicy(), "needs Python >=3.12"),
        (locked(WHEEL.format("1.0"), requires_python="<3.11"), SelectionPolicy(), "needs Python <3.11"),
        (locked(WHEEL.format("1.1")), SelectionPolicy(), "which its name does not say"),
        (locked("other-1.0-py3-none-any.whl"), SelectionPolicy(), "which its name does not say"),
        (
            locked(source=DirectorySource("/src/demo")),
            SelectionPolicy(hashes=HashPolicy.REQUIRE),
            "cannot have one",
        ),
        (locked(source=DirectorySource("/src/demo")), SelectionPolicy(no_build=frozenset({":all:"})), "--only-binary"),
        (
            locked(source=ArchiveSource("https://h/demo-1.0.tar.gz")),
            SelectionPolicy(hashes=HashPolicy.REQUIRE),
            "has none for",
        ),
    ],
)
def test_packages_of_a_lock_that_cannot_be_used(package: LockedPackage, policy: SelectionPolicy, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        pin(package, policy)
    assert caught.value.exit_status == 2
    assert str(caught.value).startswith("pylock.toml: ")


def test_sources_of_a_lock_are_taken_as_they_are() -> None:
    source = ArchiveSource("https://h/demo-1.0.tar.gz")
    candidate = pin(locked(source=source, digests=(ONE,), size=9))
    assert (candidate.requested, candidate.digests, candidate.size, candidate.version) == (source, (ONE,), 9, "1.0")
    editable = DirectorySource("/src/demo", editable=True)
    assert pin(locked(source=editable), SelectionPolicy(no_build=frozenset({":all:"}))).requested == editable


def test_hashes_of_a_lock_can_be_left_unchecked() -> None:
    assert pin(locked(WHEEL.format("1.0")), SelectionPolicy(hashes=HashPolicy.NONE)).digests == ()


def test_a_plain_pin_needs_no_library() -> None:
    code = """
import sys
from test_select import TARGET, WHEEL, SelectionPolicy, file, select_candidate, want
for name in [name for name in sys.modules if name.partition(".")[0] == "packaging"]:
    del sys.modules[name]
select_candidate(want("==1.0"), [file(WHEEL.format("1.0.0"), requires_python=">=3.8")], TARGET, SelectionPolicy())
print("packaging" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=__file__.rpartition("/")[0]
    )
    assert result.stdout.strip() == "False"
