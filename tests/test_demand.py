"""What the inputs ask of one name comes together, or contradicts itself before anything is fetched."""

from __future__ import annotations

import pytest

from pytest_envsync.errors import EnvsyncError, InputError, SelectionError
from pytest_envsync.hashes import Digest, HashPolicy
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    Origin,
    Requirements,
    Source,
    SpecifiedRequirement,
    VcsSource,
)
from pytest_envsync.wheels.choice.demand import Demand, MissingHashError, merge_requirements

ONE, TWO, THREE = (Digest("sha256", digit * 64) for digit in "123")
WEAK = Digest("md5", "0" * 32)


def line(
    name: str | None = "demo",
    specifier: str = "",
    *digests: Digest,
    source: Source | None = None,
    marker: str | None = None,
    number: int = 1,
) -> SpecifiedRequirement:
    asked = source or IndexSource(specifier)
    text = f"{name}{specifier}" if source is None else f"{name} @ {source}"
    return SpecifiedRequirement(
        name=name, source=asked, text=text, digests=digests, marker=marker, origin=Origin("reqs.txt", number)
    )


def merge(
    *entries: SpecifiedRequirement,
    constraints: tuple[SpecifiedRequirement, ...] = (),
    overrides: tuple[SpecifiedRequirement, ...] = (),
    excludes: tuple[str, ...] = (),
    policy: HashPolicy = HashPolicy.VERIFY,
) -> tuple[Demand, ...]:
    requirements = Requirements(entries=entries, constraints=constraints, overrides=overrides, excludes=excludes)
    return merge_requirements(requirements, is_active=lambda marker: marker != "false", policy=policy)


def test_repeated_lines_join_specifiers_and_hashes() -> None:
    (demand,) = merge(line("demo", ">=1", ONE), line("demo", "<2", TWO, number=2))
    assert (demand.specifier, demand.digests) == (">=1,<2", (ONE, TWO))
    assert demand.source == IndexSource(">=1,<2")
    assert str(demand.origin) == "reqs.txt:1"


def test_of_repeated_pins_the_last_hashes_count() -> None:
    (demand,) = merge(line("demo", "==1", ONE), line("demo", "==1", TWO, number=2), line("demo", "==1", number=3))
    assert demand.digests == (TWO,)


def test_false_markers_excludes_and_unrelated_constraints_do_not_count() -> None:
    demands = merge(
        line("demo", "==1"),
        line("demo", "==2", marker="false"),
        line("gone"),
        line("other"),
        constraints=(line("demo", ">3", marker="false"), line("unrelated", "==9")),
        excludes=("Gone",),
    )
    assert [(demand.name, demand.specifier) for demand in demands] == [("demo", "==1"), ("other", "")]


def test_an_override_replaces_what_is_asked() -> None:
    (demand,) = merge(line("demo", "==1"), overrides=(line("demo", ">=2"),))
    assert demand.specifier == ">=2"


def test_constraints_narrow_but_add_no_name() -> None:
    (demand,) = merge(line("demo", ">=1"), constraints=(line("demo", "<2"), line("extra", "==1")))
    assert (demand.name, demand.specifier) == ("demo", ">=1,<2")


def test_an_address_in_a_constraint_is_where_the_project_comes_from() -> None:
    source = ArchiveSource("https://example.org/demo-1.0-py3-none-any.whl")
    (demand,) = merge(line("demo", ">=1"), constraints=(line(source=source),))
    assert (demand.source, demand.specifier, demand.is_direct) == (source, ">=1", True)


def test_an_editable_tree_in_a_constraint_is_ignored() -> None:
    (demand,) = merge(line("demo"), constraints=(line(source=DirectorySource("/src/demo", editable=True)),))
    assert demand.source == IndexSource()


def test_one_address_in_two_spellings_is_one_source_and_its_hashes_are_merged() -> None:
    first = line("demo", "", ONE, source=ArchiveSource("https://u:p@example.org/demo-1.0.tar.gz"))
    second = line("demo", "", Digest("sha512", "4" * 128), source=ArchiveSource("https://example.org/demo-1.0.tar.gz"))
    (demand,) = merge(first, second)
    assert [digest.algorithm for digest in demand.digests] == ["sha256", "sha512"]


def test_one_repository_given_twice_is_one_source() -> None:
    first = line(source=VcsSource("git", "https://u:p@example.org/demo.git", "v1"))
    (demand,) = merge(first, line(source=VcsSource("git", "https://example.org/demo", "v1")))
    assert demand.source == first.source


def test_hashes_that_are_not_checked_are_not_even_read() -> None:
    entry = line("demo", "", ONE, TWO, source=ArchiveSource("https://example.org/demo-1.0.tar.gz"))
    assert merge(entry, policy=HashPolicy.NONE)[0].digests == ()


def test_a_tree_without_a_name_stands_for_itself() -> None:
    trees = [line(None, source=DirectorySource(f"/src/{name}")) for name in ("a", "b")]
    assert [demand.source for demand in merge(*trees, trees[0])] == [tree.source for tree in trees]


def test_a_wheel_without_a_name_is_counted_under_the_name_of_its_file() -> None:
    source = ArchiveSource("file:///w/Demo-1.0-py3-none-any.whl")
    (demand,) = merge(line(None, source=source), line("demo", ">=1"))
    assert (demand.name, demand.source, demand.specifier) == ("demo", source, ">=1")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ((line("demo", "==1"), line("demo", "==2", number=2)), "pin different versions"),
        ((line("demo", "==1+a"), line("demo", "==1+b", number=2)), "pin different versions"),
        (
            (line(source=ArchiveSource("https://a.example.org/d.whl")), line(source=DirectorySource("/d"), number=2)),
            "give different addresses",
        ),
        ((line(source=IndexSource("", "one")), line(source=IndexSource("", "two"), number=2)), "ask different indexes"),
    ],
)
def test_lines_that_exclude_each_other_are_both_named(entries: tuple[SpecifiedRequirement, ...], reason: str) -> None:
    with pytest.raises(SelectionError, match=reason) as caught:
        merge(*entries)
    assert "reqs.txt:1" in str(caught.value)
    assert "reqs.txt:2" in str(caught.value)
    assert caught.value.exit_status == 1


def test_pins_that_differ_in_a_local_part_agree() -> None:
    (demand,) = merge(line("demo", "==1.0"), line("demo", "==1+cpu"))
    assert demand.specifier == "==1.0,==1+cpu"


@pytest.mark.parametrize(
    ("asked", "constrained", "expected"),
    [
        ((ONE, TWO), (TWO, THREE), (TWO,)),
        ((), (TWO,), (TWO,)),
        ((ONE,), (), (ONE,)),
    ],
)
def test_hashes_of_pinned_constraints_narrow_or_stand_in(
    asked: tuple[Digest, ...], constrained: tuple[Digest, ...], expected: tuple[Digest, ...]
) -> None:
    (demand,) = merge(line("demo", "==1", *asked), constraints=(line("demo", "==1", *constrained),))
    assert demand.digests == expected


def test_hashes_without_overlap_are_an_input_error_in_every_checking_mode() -> None:
    with pytest.raises(InputError, match="no overlapping hashes") as caught:
        merge(line("demo", "==1", ONE), constraints=(line("demo", "==1", TWO),))
    assert caught.value.exit_status == 2
    (demand,) = merge(line("demo", "==1", ONE), constraints=(line("demo", "==1", TWO),), policy=HashPolicy.NONE)
    assert demand.digests == ()


ARCHIVE = ArchiveSource("https://example.org/demo-1.0.tar.gz")


@pytest.mark.parametrize(
    ("entry", "policy", "reason", "status"),
    [
        (line("demo", ">=1", ONE), HashPolicy.REQUIRE, "pinned with `==`", 2),
        (line("demo", "==1.*", ONE), HashPolicy.REQUIRE, "pinned with `==`", 2),
        (line("demo", "", ONE), HashPolicy.REQUIRE, "pinned with `==`", 2),
        (line("demo", "==1,>0", ONE), HashPolicy.REQUIRE, "pinned with `==`", 2),
        (line("demo", "==1", WEAK), HashPolicy.REQUIRE, "insecure", 2),
        (line("demo", "==1"), HashPolicy.REQUIRE, "none was given", 2),
        (line(source=ARCHIVE), HashPolicy.REQUIRE, "none was given", 2),
        (line(source=DirectorySource("/d")), HashPolicy.REQUIRE, "none was given", 2),
        (line("demo", "", ONE, source=DirectorySource("/d")), HashPolicy.VERIFY, "local directories", 1),
        (line("demo", "", ONE, source=VcsSource("git", "https://example.org/r")), HashPolicy.VERIFY, "Git", 1),
        (line(source=VcsSource("git", "https://example.org/r")), HashPolicy.REQUIRE, "none was given", 2),
        (line("demo", "", ONE, TWO, source=ARCHIVE), HashPolicy.VERIFY, "conflicting hashes", 2),
    ],
)
def test_what_a_hash_policy_forbids(entry: SpecifiedRequirement, policy: HashPolicy, reason: str, status: int) -> None:
    with pytest.raises(EnvsyncError, match=reason) as caught:
        merge(entry, policy=policy)
    assert caught.value.exit_status == status
    assert "reqs.txt:1" in str(caught.value)


def test_required_hashes_drop_insecure_ones_and_take_those_of_constraints() -> None:
    (demand,) = merge(line("demo", "==1", WEAK, ONE), policy=HashPolicy.REQUIRE)
    assert demand.digests == (ONE,)
    (demand,) = merge(
        line("demo", "==1"), constraints=(line("demo", "==1", TWO),), policy=HashPolicy.REQUIRE
    )  # fmt: skip
    assert demand.digests == (TWO,)


def test_required_hashes_want_constraints_pinned_too() -> None:
    with pytest.raises(InputError, match="pinned with `==`"):
        merge(line("demo", "==1", ONE), constraints=(line("other", ">=1"),), policy=HashPolicy.REQUIRE)


def test_a_missing_hash_carries_its_requirement() -> None:
    with pytest.raises(MissingHashError) as caught:
        merge(line("demo", "==1"), policy=HashPolicy.REQUIRE)
    assert caught.value.requirement.name == "demo"


def test_secrets_of_addresses_are_not_shown() -> None:
    source = ArchiveSource("https://user:secret@example.org/demo-1.0.tar.gz")
    entry = SpecifiedRequirement(name="demo", source=source, text=f"demo @ {source.url}")
    (demand,) = merge(entry)
    assert "secret" not in demand.shown
