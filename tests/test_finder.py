"""Names become candidates: by the index strategy, all at once, and without asking where nothing is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clients import client
from factories import make_sdist, make_wheel, sha256
from index_server import IndexServer
from pytest_envsync.distributions import Candidate
from pytest_envsync.errors import EnvsyncError, FetchError, InputError, SelectionError, UsageError
from pytest_envsync.hashes import Digest
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import (
    ArchiveSource,
    IndexSource,
    LockedFile,
    LockedPackage,
    Origin,
    Requirements,
    SpecifiedRequirement,
)
from pytest_envsync.values import replace
from pytest_envsync.wheels.finder import find_candidates
from pytest_envsync.wheels.index.client import Client
from pytest_envsync.wheels.index.project_files import ProjectFiles
from test_select import TARGET

Options = dict[str, Any]


@pytest.fixture
def second() -> Iterator[IndexServer]:
    """Another index."""
    with IndexServer() as server:
        yield server


def line(text: str, *digests: str, marker: str | None = None, index: str | None = None) -> SpecifiedRequirement:
    name = re.split("[=<>]", text)[0]
    return SpecifiedRequirement(
        name=name,
        source=IndexSource(text.removeprefix(name), index),
        text=text,
        marker=marker,
        digests=tuple(Digest("sha256", digest) for digest in digests),
        origin=Origin("reqs.txt", 1),
    )


def find(
    *lines: SpecifiedRequirement | str,
    requirements: Requirements | None = None,
    installed: dict[str, str] | None = None,
    warnings: list[str] | None = None,
    environ: dict[str, str] | None = None,
    cache_dir: Path | None = None,
    **options: Any,
) -> tuple[Candidate, ...]:
    entries = tuple(line(item) if isinstance(item, str) else item for item in lines)
    settings = SyncOptions(**options)
    with client(cache_dir, environ, **options) as asking, ThreadPoolExecutor(4) as pool:
        return find_candidates(
            replace(requirements or Requirements(), entries=entries),
            options=settings,
            target=TARGET,
            client=lambda: asking,
            pool=lambda: pool,
            installed=installed,
            warnings=warnings,
        )


def places(found: tuple[Candidate, ...]) -> dict[str, str]:
    return {candidate.name: candidate.file.url for candidate in found if candidate.file is not None}


def no_client() -> Client:
    raise AssertionError("nothing had to be asked")


def no_pool() -> ThreadPoolExecutor:
    raise AssertionError("nothing had to be asked")


def test_all_names_are_found_and_sorted(index: IndexServer, wheels: Path) -> None:
    names = [f"demo-{letter}" for letter in "qwertyuiop"]
    for name in names:
        index.add(make_wheel(wheels, name, "1.0"))
        index.add(make_wheel(wheels, name, "1.1"))
    found = find(*[line(f"{name}==1.0") for name in names], default_index=index.url)
    assert [candidate.name for candidate in found] == sorted(names)
    assert {candidate.version for candidate in found} == {"1.0"}
    assert sorted(index.paths()) == sorted(f"/simple/{name}/" for name in names)


def test_false_markers_ask_for_nothing(index: IndexServer) -> None:
    assert find(line("demo==1", marker="sys_platform == 'win32'"), default_index=index.url) == ()
    assert index.requests == []


def test_what_is_installed_and_meets_its_demand_asks_nobody() -> None:
    entries = (line("demo==1.0"), line("other>=1"), line("bare"), line("local==2.5"))
    found = find_candidates(
        Requirements(entries=entries),
        options=SyncOptions(),
        target=TARGET,
        client=no_client,
        pool=no_pool,
        installed={"demo": "1.0.0", "other": "3", "bare": "0.1", "local": "2.5+cpu"},
    )
    assert [(candidate.name, candidate.version, candidate.file) for candidate in found] == [
        ("bare", "0.1", None),
        ("demo", "1.0.0", None),
        ("local", "2.5+cpu", None),
        ("other", "3", None),
    ]


@pytest.mark.parametrize("options", [{"reinstall": True}, {"reinstall_package": ("Demo",)}])
def test_what_is_to_be_installed_again_is_looked_for(index: IndexServer, wheels: Path, options: Options) -> None:
    index.add(make_wheel(wheels))
    assert places(find("demo==1.0", installed={"demo": "1.0"}, default_index=index.url, **options))


def test_what_is_installed_and_too_old_is_looked_for(index: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels, version="2.0"))
    (found,) = find("demo>=2", installed={"demo": "1.0"}, default_index=index.url)
    assert found.version == "2.0"


def test_the_first_index_that_knows_a_name_decides(index: IndexServer, second: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels, version="1.0"))
    second.add(make_wheel(wheels, version="2.0"))
    second.add(make_wheel(wheels, "other"))
    options: Options = {"index": (index.url,), "default_index": second.url}
    assert [(c.name, c.version) for c in find("demo", "other", **options)] == [("demo", "1.0"), ("other", "1.0")]
    with pytest.raises(SelectionError) as caught:
        find("demo==2.0", **options)
    assert "knows `demo`, so the indexes behind it were not asked" in (caught.value.hint or "")
    assert "demo-1.0" in str(caught.value)
    assert [(c.name, c.version) for c in find("demo==2.0", index_strategy="unsafe-first-match", **options)] == [
        ("demo", "2.0")
    ]
    assert [c.version for c in find("demo", index_strategy="unsafe-first-match", **options)] == ["1.0"]
    assert [c.version for c in find("demo", index_strategy="unsafe-best-match", **options)] == ["2.0"]


def test_a_hash_says_what_it_is_so_the_next_index_may_have_it(
    index: IndexServer, second: IndexServer, wheels: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    index.add(make_wheel(wheels, version="1.0"))
    index.add(make_wheel(wheels, version="1.1"))
    same_version = make_wheel(tmp_path / "other", version="1.0", files={"demo.py": "other = True"})
    later = make_wheel(tmp_path / "other", version="3.0")
    second.add(same_version)
    second.add(later)
    options: Options = {"index": (index.url,), "default_index": second.url}
    for wheel, version in ((same_version, "1.0"), (later, "3.0")):
        found = find(line(f"demo=={version}", sha256(wheel)), **options)
        assert places(found) == {"demo": f"{second.base}/files/{wheel.name}"}
    # No index has it: the first file is taken, and what was downloaded will be told beside what was asked for.
    found = find(line("demo==1.0", "0" * 64), **options)
    assert places(found) == {"demo": f"{index.base}/files/{same_version.name}"}


def test_a_requirement_may_ask_for_one_index(index: IndexServer, second: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels, version="1.0"))
    second.add(make_wheel(wheels, version="2.0"))
    options: Options = {"index": (index.url, f"own={second.url}"), "find_links": (str(wheels),)}
    (found,) = find(line("demo", index="own"), default_index=index.url, **options)
    assert found.version == "2.0"
    assert found.file is not None
    assert found.file.index_url == second.url


def test_listings_compete_with_indexes_and_win_a_tie(index: IndexServer, wheels: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    old, new = make_wheel(flat, version="1.0"), make_wheel(wheels, version="2.0")
    index.add(new)
    index.add(make_wheel(wheels, version="1.0"))
    options: Options = {"default_index": index.url, "find_links": (str(flat),)}
    assert places(find("demo", **options)) == {"demo": f"{index.base}/files/{new.name}"}
    assert places(find("demo==1.0", **options)) == {"demo": old.as_uri()}
    only = make_wheel(flat, "only")
    assert places(find("only", **options)) == {"only": only.as_uri()}


def test_without_indexes_only_listings_count(index: IndexServer, wheels: Path) -> None:
    wheel, sdist = make_wheel(wheels), make_sdist(wheels, "built")
    options: Options = {"no_index": True, "find_links": (str(wheels),), "index": (index.url,)}
    found = find("demo", "built", **options)
    assert places(found) == {"built": sdist.as_uri(), "demo": wheel.as_uri()}
    assert [candidate.kind for candidate in found] == ["sdist", "wheel"]
    with pytest.raises(SelectionError, match="was not found") as caught:
        find("missing", **options)
    assert "--no-index" in (caught.value.hint or "")
    assert wheels.as_uri() in str(caught.value)
    assert index.requests == []


def test_a_listing_that_is_not_there_is_an_error_even_if_nothing_needs_it(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="find-links"):
        find("demo", installed={"demo": "1"}, find_links=(str(tmp_path / "nothing"),))


def test_a_name_that_nobody_knows_is_told_with_who_was_asked(index: IndexServer, second: IndexServer) -> None:
    with pytest.raises(SelectionError) as caught:
        find("demo==1.0", index=(index.with_credentials("user", "secret"),), default_index=second.url)
    assert str(caught.value).splitlines() == [
        "`demo` was not found, wanted as `demo==1.0` (reqs.txt:1)",
        f"  asked: http://user:****@127.0.0.1:{index.port}/simple/",
        f"  asked: {second.url}",
    ]
    assert caught.value.exit_status == 1


def test_of_several_names_the_first_is_told_and_the_others_are_named(index: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels, "known"))
    with pytest.raises(SelectionError, match="`alpha` was not found") as caught:
        find("zeta==1", "known", "alpha==2", "beta", default_index=index.url)
    assert "nothing was found for `beta`, `zeta==1` either" in (caught.value.hint or "")


def test_an_index_that_is_down_ends_the_search(index: IndexServer) -> None:
    index.fail("/simple/", statuses=[500] * 50)
    with pytest.raises(FetchError, match=r"500 .* \(2 tries"):
        find(*[f"demo{number}" for number in range(9)], default_index=index.url, environ={"UV_HTTP_RETRIES": "1"})


def test_refused_credentials_stop_the_search_unless_all_indexes_count_alike(
    index: IndexServer, second: IndexServer, wheels: Path
) -> None:
    index.require_auth("user", "password")
    second.add(make_wheel(wheels))
    options: Options = {"index": (index.url,), "default_index": second.url}
    with pytest.raises(FetchError, match="401"):
        find("demo", **options)
    assert places(find("demo", index_strategy="unsafe-best-match", **options))


def test_offline_takes_what_the_cache_has(index: IndexServer, wheels: Path, cache_dir: Path) -> None:
    index.add(make_wheel(wheels))
    online = find("demo==1.0", default_index=index.url, cache_dir=cache_dir)
    assert find("demo==1.0", default_index=index.url, cache_dir=cache_dir, offline=True) == online
    with pytest.raises(SelectionError, match="was not found") as caught:
        find("other==1.0", default_index=index.url, cache_dir=cache_dir, offline=True)
    assert "network was disabled" in (caught.value.hint or "")
    assert len(index.requests) == 1


def test_a_yanked_file_that_a_pin_forces_is_told(index: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels), yanked="broken")
    index.add(make_wheel(wheels, "silent"), yanked=True)
    warnings: list[str] = []
    find("demo==1.0", "silent==1.0", default_index=index.url, warnings=warnings)
    assert warnings == ['`demo==1.0` is yanked (reason: "broken")', "`silent==1.0` is yanked"]


def test_exclude_newer_counts_for_all_and_for_each(index: IndexServer, wheels: Path) -> None:
    for name in ("demo", "other"):
        index.add(make_wheel(wheels, name, "1.0"), upload_time="2024-01-01T00:00:00Z")
        index.add(make_wheel(wheels, name, "2.0"), upload_time="2024-06-01T00:00:00Z")
    options: Options = {"default_index": index.url, "exclude_newer": "2024-03-01T00:00:00Z"}
    assert [c.version for c in find("demo", "other", **options)] == ["1.0", "1.0"]
    for value, version in (("false", "2.0"), ("2024-07-01", "2.0"), ("2024-02-01", "1.0")):
        found = find("demo", "other", exclude_newer_package=(f"Other={value}",), **options)
        assert [c.version for c in found] == ["1.0", version]
    with pytest.raises(UsageError, match="yesterday"):
        find("demo", default_index=index.url, exclude_newer="yesterday")


def test_a_missing_hash_is_told_with_the_line_to_paste(index: IndexServer, wheels: Path) -> None:
    wheel, sdist = make_wheel(wheels), make_sdist(wheels)
    index.add(wheel)
    index.add(sdist)
    index.add(make_wheel(wheels, version="2.0"))
    with pytest.raises(InputError, match="hashes are required, and none was given") as caught:
        find("demo==1.0", default_index=index.url, require_hashes=True)
    assert caught.value.hint == (
        "if that is what you want, write\n"
        f"  demo==1.0 --hash=sha256:{sha256(wheel)} --hash=sha256:{sha256(sdist)}"
    )  # fmt: skip
    with pytest.raises(InputError) as caught:
        find("unknown==1.0", default_index=index.url, require_hashes=True)
    assert caught.value.hint == "add `--hash=sha256:...` to the line"


def test_the_line_to_paste_keeps_extras_and_marker_and_knows_local_files(index: IndexServer, wheels: Path) -> None:
    wheel = make_wheel(wheels)
    index.add(wheel)

    def hint(asked: SpecifiedRequirement, **options: Any) -> str | None:
        with pytest.raises(InputError) as caught:
            find(asked, require_hashes=True, **options)
        return caught.value.hint

    told = "if that is what you want, write\n  "
    digest = f"--hash=sha256:{sha256(wheel)}"
    asked = replace(line("demo==1.0", marker="python_version > '3'"), extras=("x", "y"))
    assert hint(asked, default_index=index.url) == f"{told}demo[x,y]==1.0 ; python_version > '3' {digest}"
    assert hint(line("demo==1"), no_index=True, find_links=(str(wheels),)) == f"{told}demo==1.0 {digest}"
    here = replace(asked, source=ArchiveSource(wheel.as_uri()), text=f"demo @ {wheel.as_uri()}")
    assert hint(here) == f"{told}demo @ {wheel.as_uri()} {digest}"
    there = replace(here, source=ArchiveSource(f"{index.base}/files/{wheel.name}"))
    assert hint(there) == f"{told}demo @ {wheel.as_uri()} {digest}"
    assert hint(there, offline=True) == "add `--hash=sha256:...` to the line"
    gone = replace(here, source=ArchiveSource(f"{index.base}/files/gone-1.0-py3-none-any.whl"))
    assert hint(gone) == "add `--hash=sha256:...` to the line"


def test_each_requirement_without_a_hash_is_told_with_its_line(index: IndexServer, wheels: Path) -> None:
    digests = {name: sha256(make_wheel(wheels, name)) for name in ("demo", "more", "other")}
    for name in digests:
        index.add(wheels / f"{name}-1.0-py3-none-any.whl")
    known = replace(line("other==1.0"), digests=(Digest("sha256", digests["other"]),))
    with pytest.raises(InputError) as caught:
        find("more==1.0", known, "unknown==1.0", "demo==1", default_index=index.url, require_hashes=True)
    assert "`more==1.0`" in str(caught.value)
    lines = [f"{name}==1.0 --hash=sha256:{digests[name]}" for name in ("more", "demo")]
    assert caught.value.hint == "\n  ".join(["if that is what you want, write", *lines])


def test_pins_of_a_lock_and_direct_sources_ask_nobody() -> None:
    pin = LockedPackage(
        name="demo",
        version="1.0",
        wheels=(LockedFile(filename="demo-1.0-py3-none-any.whl", location="/w/demo-1.0-py3-none-any.whl"),),
    )
    direct = SpecifiedRequirement(
        name="other", source=ArchiveSource("https://example.org/other-2.0-py3-none-any.whl"), text="other @ ..."
    )
    found = find_candidates(
        Requirements(pins=(pin,), entries=(direct,)),
        options=SyncOptions(),
        target=TARGET,
        client=no_client,
        pool=no_pool,
    )
    assert [(candidate.name, candidate.version) for candidate in found] == [("demo", "1.0"), ("other", "2.0")]


def test_torch_comes_from_the_index_of_its_backend(index: IndexServer, second: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels, "torch"))
    index.add(make_wheel(wheels, "demo"))
    wheel = make_wheel(wheels, "torch", "1.0+cpu")
    second.add(wheel)
    page = second.html_page("torch").replace(b"../../files/", f"{second.base}/files/".encode())
    second.raw("/whl/cpu/torch/", page, "text/html")
    second.fail("/whl/cpu/triton/", statuses=[403])
    environ = {"ENVSYNC_TORCH_INDEX": f"{second.base}/whl/"}
    options: Options = {"default_index": index.url, "torch_backend": "cpu"}
    found = find("torch==1.0", "demo", environ=environ, **options)
    assert [candidate.version for candidate in found] == ["1.0", "1.0+cpu"]
    with pytest.raises(SelectionError, match="`triton` was not found"):
        find("triton", environ=environ, **options)


def test_all_files_of_a_project_for_those_who_choose_themselves(index: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels))
    index.add(make_sdist(wheels))
    options = SyncOptions(default_index=index.url)
    with client() as asking:
        places = ProjectFiles(Requirements(), options=options, client=lambda: asking)
        files = places.all_files("demo")
        assert [file.filename for file in files] == ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"]
        assert places.all_files("no") == ()


def test_errors_carry_the_status_of_their_kind(index: IndexServer, wheels: Path) -> None:
    index.add(make_wheel(wheels, tag="cp39-cp39-win32"))
    cases: list[tuple[str, Options, int]] = [
        ("demo==1.0", {}, 1),
        ("demo==9", {}, 1),
        ("demo>=1", {"require_hashes": True}, 2),
    ]
    for text, options, status in cases:
        with pytest.raises(EnvsyncError) as caught:
            find(text, default_index=index.url, **options)
        assert caught.value.exit_status == status
        assert "reqs.txt:1" in str(caught.value)


def test_a_warm_search_needs_neither_httpx_nor_packaging(index: IndexServer, wheels: Path, cache_dir: Path) -> None:
    index.add(make_wheel(wheels, "demo", "1.0"), requires_python=">=3.8,<4")
    find("demo==1.0", default_index=index.url, cache_dir=cache_dir)
    code = f"""
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from test_finder import TARGET, line
for name in [n for n in sys.modules if n.partition(".")[0] in ("packaging", "httpx", "httpcore")]:
    del sys.modules[name]
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import Requirements
from pytest_envsync.wheels.index.client import Client
from pytest_envsync.wheels.finder import find_candidates
options = SyncOptions(default_index={index.url!r})
requirements = Requirements(entries=(line("demo==1.0", marker="python_version >= '3.8'"),))
with Client(Path({str(cache_dir)!r}), options, {{}}) as client, ThreadPoolExecutor() as pool:
    (found,) = find_candidates(
        requirements, options=options, target=TARGET, client=lambda: client, pool=lambda: pool
    )
print(found.file.filename, [name for name in ("httpx", "packaging", "distlib") if name in sys.modules])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    assert result.stdout.strip() == "demo-1.0-py3-none-any.whl []"
    assert len(index.requests) == 1


@pytest.mark.network
def test_the_public_index_answers(cache_dir: Path, tmp_path: Path) -> None:
    environ = dict(os.environ)
    with client(cache_dir, environ) as asking, ThreadPoolExecutor(4) as pool:
        (found,) = find_candidates(
            Requirements(entries=(line("idna==3.7"),)),
            options=SyncOptions(),
            target=TARGET,
            client=lambda: asking,
            pool=lambda: pool,
        )
        assert found.file is not None
        digests = asking.download(found.file.url, tmp_path / "got")
    assert Digest("sha256", digests["sha256"]) in found.file.digests
