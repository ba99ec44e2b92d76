"""Pages and files are asked for as often as needed and no oftener."""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clients import client, filenames
from factories import make_wheel, sha256
from index_server import JSON_TYPE, IndexServer
from pytest_envsync.errors import FetchError, OfflineError, StoreError
from pytest_envsync.wheels.index.indexes import Index, parse_index
from pytest_envsync.wheels.index.page_cache import PageCache


@pytest.fixture
def demo(index: IndexServer, wheels: Path) -> Path:
    """A wheel that the index has."""
    wheel = make_wheel(wheels)
    index.add(wheel, requires_python=">=3.8")
    return wheel


@pytest.mark.parametrize("form", ["json", "html", "negotiate"])
def test_a_page_is_read_in_either_format(index: IndexServer, demo: Path, form: str) -> None:
    index.format = form
    with client() as asking:
        page = asking.page(index.url, "demo")
    assert page is not None
    (file,) = page.files()
    assert (file.filename, file.url) == (demo.name, f"{index.base}/files/{demo.name}")
    assert (file.digests[0].value, file.requires_python, file.index_url) == (sha256(demo), ">=3.8", index.url)
    assert index.requests[0].headers["accept"].startswith(JSON_TYPE)


def test_an_unknown_project_is_none(index: IndexServer) -> None:
    with client() as asking:
        assert asking.page(index.url, "demo") is None
    index.fail("/simple/", statuses=[410, 403])
    with client() as asking:
        with pytest.raises(FetchError, match="410 Gone") as caught:
            asking.page(index.url, "demo")
        assert caught.value.exit_status == 2
        assert asking.page(Index(index.url, missing=frozenset({403})), "other") is None


@pytest.mark.parametrize(("status", "ends"), [(400, 2), (401, 2), (403, 2), (404, 1), (410, 2)])
def test_a_file_that_is_not_there_is_told_apart_from_a_server_that_fails(
    index: IndexServer, tmp_path: Path, status: int, ends: int
) -> None:
    index.fail("/files/", statuses=[status])
    with client() as asking, pytest.raises(FetchError) as caught:
        asking.download(f"{index.base}/files/demo-1.0-py3-none-any.whl", tmp_path / "demo")
    assert (caught.value.status, caught.value.exit_status) == (status, ends)


def test_an_address_of_another_kind_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    with client() as asking, pytest.raises(FetchError, match="is no valid address"):
        asking.download(f"ftp://example.org{tmp_path}/here", tmp_path / "demo")


def test_an_index_needs_no_slash_at_its_end(index: IndexServer, demo: Path) -> None:
    with client() as asking:
        assert filenames(asking, index.url.rstrip("/")) == [demo.name]


def test_a_fresh_page_is_used_without_asking(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    for _ in range(2):
        with client(cache_dir) as asking:
            assert filenames(asking, index.url) == [demo.name]
    assert len(index.requests) == 1


def test_a_kept_page_needs_no_httpx(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    with client(cache_dir) as asking:
        asking.page(index.url, "demo")
    code = f"""
import sys
from pathlib import Path
HEAVY = ("httpx", "packaging", "ssl", "subprocess")
from pytest_envsync.options import SyncOptions
from pytest_envsync.wheels.index.client import Client
page = Client(Path({str(cache_dir)!r}), SyncOptions(), {{}}).page({index.url!r}, "demo")
print(page.files_of("1")[0].filename, [name for name in HEAVY if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == f"{demo.name} []"


def test_an_old_page_is_asked_for_again_by_its_etag(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    index.cache_control = "max-age=0"
    for _ in range(2):
        with client(cache_dir) as asking:
            assert filenames(asking, index.url) == [demo.name]
    assert "if-none-match" not in index.requests[0].headers
    assert "if-none-match" in index.requests[1].headers


def test_a_page_that_proved_unchanged_counts_again(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    index.cache_control = "max-age=0"
    with client(cache_dir) as asking:
        asking.page(index.url, "demo")
    index.cache_control = "max-age=600"
    for _ in range(2):
        with client(cache_dir) as asking:
            assert filenames(asking, index.url) == [demo.name]
    assert len(index.requests) == 2


def test_a_page_that_changed_is_replaced(index: IndexServer, demo: Path, wheels: Path, cache_dir: Path) -> None:
    index.cache_control = "no-cache"
    with client(cache_dir) as asking:
        asking.page(index.url, "demo")
    new = make_wheel(wheels, version="2.0")
    index.add(new)
    with client(cache_dir) as asking:
        assert filenames(asking, index.url) == [demo.name, new.name]


def test_a_page_without_validators_is_fetched_anew_but_serves_offline(
    index: IndexServer, demo: Path, cache_dir: Path
) -> None:
    index.cache_control, index.etags = None, False
    for _ in range(2):
        with client(cache_dir) as asking:
            asking.page(index.url, "demo")
    assert [sorted(request.headers.keys() & {"if-none-match", "if-modified-since"}) for request in index.requests] == [
        [],
        [],
    ]
    with client(cache_dir, offline=True) as asking:
        assert filenames(asking, index.url) == [demo.name]
    assert len(index.requests) == 2


@pytest.mark.parametrize(("cache_control", "kept"), [("no-store", 0), ("private, max-age=5", 1)])
def test_what_may_not_be_kept_is_not(
    index: IndexServer, demo: Path, cache_dir: Path, cache_control: str, kept: int
) -> None:
    index.cache_control = cache_control
    with client(cache_dir) as asking:
        asking.page(index.url, "demo")
    assert len(list(cache_dir.rglob("*.page"))) == kept


def test_refresh_asks_again_and_says_so(index: IndexServer, demo: Path, wheels: Path, cache_dir: Path) -> None:
    index.add(make_wheel(wheels, "other"))
    with client(cache_dir) as asking:
        asking.page(index.url, "demo")
        asking.page(index.url, "other")
    with client(cache_dir, refresh_package=("Demo",)) as asking:
        for _ in range(2):
            asking.page(index.url, "demo")
            asking.page(index.url, "other")
    assert index.paths()[2:] == ["/simple/demo/"]
    assert index.requests[2].headers["cache-control"] == "no-cache"
    with client(cache_dir, refresh=True) as asking:
        asking.page(index.url, "other")
    assert index.paths()[3:] == ["/simple/other/"]


def test_offline_asks_nobody(index: IndexServer, demo: Path, cache_dir: Path, tmp_path: Path) -> None:
    with client(cache_dir, offline=True) as asking:
        for act in (
            lambda: asking.page(index.with_credentials("u", "secret"), "demo"),
            lambda: asking.read(f"{index.base}/reqs.txt"),
            lambda: asking.download(f"{index.base}/files/{demo.name}", tmp_path / "x"),
            lambda: asking.listing(f"{index.base}/links.html"),
        ):
            with pytest.raises(OfflineError, match="network was disabled") as caught:
                act()
            assert "secret" not in str(caught.value)
    assert index.requests == []


def test_damaged_pages_of_the_cache_are_fetched_again(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    with client(cache_dir) as asking:
        asking.page(index.url, "demo")
    (kept,) = cache_dir.rglob("*.page")
    for damage in (b"", b"{}\n", b"nonsense", kept.read_bytes()[:-3]):
        kept.write_bytes(damage)
        with client(cache_dir) as asking:
            assert filenames(asking, index.url) == [demo.name]
    assert len(index.requests) == 5


def test_a_cache_that_cannot_be_written_is_done_without(index: IndexServer, demo: Path, tmp_path: Path) -> None:
    occupied = tmp_path / "cache"
    occupied.mkdir()
    (occupied / "index").write_text("a file where a directory should be")
    with client(occupied) as asking:
        assert filenames(asking, index.url) == [demo.name]


def _ask_often(cache_dir: Path, url: str, failures: multiprocessing.Queue[str]) -> None:
    for _ in range(20):
        with client(cache_dir) as asking:
            found = filenames(asking, url)
        if found != ["demo-1.0-py3-none-any.whl"]:
            failures.put(repr(found))


def test_a_page_that_vanishes_while_it_is_used_is_no_error(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    index.cache_control = "max-age=0"
    with client(cache_dir) as asking:
        asking.page(index.url, "demo")
    kept = PageCache(cache_dir / "index")
    page = kept.get(f"{index.url}demo/")
    assert page is not None
    kept.drop(f"{index.url}demo/")
    kept.renew(f"{index.url}demo/", page, born=1.0, lifetime=page.lifetime)
    assert kept.get(f"{index.url}demo/") is None


def test_a_listing_is_never_taken_for_a_page(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    with client(cache_dir) as asking:
        asking.listing(f"{index.url}demo/")
        page = asking.page(index.url, "demo")
    assert page is not None
    assert [file.filename for file in page.files_of("1")] == [demo.name]


def test_several_processes_share_a_cache(index: IndexServer, demo: Path, cache_dir: Path) -> None:
    index.cache_control = "max-age=0"
    context = multiprocessing.get_context("spawn")
    failures: multiprocessing.Queue[str] = context.Queue()
    processes = [context.Process(target=_ask_often, args=(cache_dir, index.url, failures)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert failures.empty()
    assert len([path for path in cache_dir.rglob("*") if path.is_file()]) == 1


def test_threads_share_a_client(index: IndexServer, wheels: Path, cache_dir: Path) -> None:
    names = [f"demo{number}" for number in range(20)]
    for name in names:
        index.add(make_wheel(wheels, name))
    with client(cache_dir) as asking, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: filenames(asking, index.url, name), names))
    assert found == [[f"{name}-1.0-py3-none-any.whl"] for name in names]


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"hello", "text/plain", "content type `text/plain`"),
        (b"{", JSON_TYPE, "not valid JSON"),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', JSON_TYPE, "version 1.x"),
    ],
)
def test_what_is_no_page_is_told(index: IndexServer, body: bytes, content_type: str, reason: str) -> None:
    index.raw("/simple/demo/", body, content_type)
    with client() as asking, pytest.raises(FetchError, match=reason) as caught:
        asking.page(index.with_credentials("user", "secret"), "demo")
    assert "secret" not in str(caught.value)
    assert "/simple/" in (caught.value.hint or "")


def test_a_page_may_be_packed(index: IndexServer, demo: Path) -> None:
    index.raw("/simple/demo/", gzip.compress(index.json_page("demo")), JSON_TYPE, **{"Content-Encoding": "gzip"})
    with client() as asking:
        assert filenames(asking, index.url) == [demo.name]


def test_a_page_that_was_moved_is_followed_and_read_from_where_it_is(index: IndexServer, demo: Path) -> None:
    index.redirect("/old/demo/", "/simple/demo/")
    with client() as asking:
        page = asking.page(f"{index.base}/old/", "demo")
    assert page is not None
    assert page.files()[0].url == f"{index.base}/files/{demo.name}"


def test_a_circle_of_moves_ends(index: IndexServer) -> None:
    index.redirect("/simple/demo/", "/simple/demo/")
    with client() as asking, pytest.raises(FetchError, match="leads on more than"):
        asking.page(index.url, "demo")


def test_a_move_to_nowhere_is_told(index: IndexServer) -> None:
    index.redirect("/simple/demo/", "http://user:secret@[::1/")
    with client() as asking, pytest.raises(FetchError, match="leads to no valid address") as caught:
        asking.page(index.url, "demo")
    assert "secret" not in str(caught.value)


def test_a_move_to_a_file_of_this_machine_is_not_followed(index: IndexServer) -> None:
    index.redirect("/simple/demo/", "file:///etc/passwd")
    with client() as asking, pytest.raises(FetchError, match="not followed"):
        asking.page(index.url, "demo")


# Local indexes and listings.


def test_a_local_index_is_a_tree_of_pages(tmp_path: Path, wheels: Path) -> None:
    wheel = make_wheel(wheels)
    page = tmp_path / "simple" / "demo" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../wheels/{wheel.name}#sha256={sha256(wheel)}">x</a>')
    with client(tmp_path / "cache") as asking:
        for index in (parse_index(str(tmp_path / "simple")), Index((tmp_path / "simple").as_uri())):
            found = asking.page(index, "demo")
            assert found is not None
            (file,) = found.files()
            assert (file.url, file.index_url) == (wheel.as_uri(), (tmp_path / "simple").as_uri())
            assert asking.page(index, "other") is None
        assert asking.page(Index((tmp_path / "nowhere").as_uri()), "demo") is None


def test_a_local_page_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "demo" / "index.html").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text('<meta name="pypi:repository-version" content="2.0">')
    with client() as asking:
        with pytest.raises(FetchError, match="cannot be read"):
            asking.page(str(tmp_path), "demo")
        with pytest.raises(FetchError, match=r"no index page: .*version 1\.x"):
            asking.page(str(tmp_path), "other")


def test_a_flat_directory_is_no_index(wheels: Path) -> None:
    make_wheel(wheels)
    with client() as asking:
        assert asking.page(str(wheels), "demo") is None


def test_listings_are_directories_pages_and_single_files(index: IndexServer, wheels: Path, tmp_path: Path) -> None:
    wheel = make_wheel(wheels)
    (wheels / "readme.txt").write_text("no release")
    (wheels / "below").mkdir()
    make_wheel(wheels / "below", "hidden")
    page = tmp_path / "links.html"
    page.write_text(f'<a href="wheels/{wheel.name}" data-requires-python="&gt;=3.8">x</a>')
    remote = index.raw("/links", f'<a href="files/{wheel.name}#sha256={sha256(wheel)}">x</a>'.encode(), "text/html")
    with client() as asking:
        assert [file.url for file in asking.listing(wheels.as_uri())] == [wheel.as_uri()]
        (linked,) = asking.listing(page.as_uri())
        assert (linked.url, linked.requires_python, linked.index_url) == (wheel.as_uri(), ">=3.8", "")
        (found,) = asking.listing(remote)
        assert (found.url, found.digests[0].value) == (f"{index.base}/files/{wheel.name}", sha256(wheel))
        assert [file.filename for file in asking.listing(wheel.as_uri())] == [wheel.name]
        assert [file.filename for file in asking.listing(f"{index.base}/x/{wheel.name}?a=b")] == [wheel.name]


def test_a_listing_that_is_not_there_is_an_error(index: IndexServer, tmp_path: Path) -> None:
    with client() as asking:
        for place in (f"{index.base}/nothing", (tmp_path / "nothing").as_uri()):
            with pytest.raises(FetchError) as caught:
                asking.listing(place)
            assert caught.value.exit_status == 2


# Files.


def test_a_download_is_digested_in_every_way_that_is_asked_for(index: IndexServer, demo: Path, tmp_path: Path) -> None:
    with client() as asking:
        digests = asking.download(
            f"{index.base}/files/{demo.name}", tmp_path / "got", algorithms=["md5", "blake2b", "sha512"]
        )
    content = demo.read_bytes()
    assert digests == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "sha512": hashlib.sha512(content).hexdigest(),
        "blake2b": hashlib.blake2b(content, digest_size=32).hexdigest(),
    }


@pytest.mark.parametrize("size", [3, 10_000_000])
def test_another_size_than_the_one_expected_is_told(index: IndexServer, demo: Path, tmp_path: Path, size: int) -> None:
    for url in (f"{index.base}/files/{demo.name}", demo.as_uri()):
        with client() as asking, pytest.raises(FetchError, match=f"expected {size} bytes, found") as caught:
            asking.download(url, tmp_path / "got", size=size)
        assert caught.value.exit_status == 1


def test_files_of_this_machine_are_copied(demo: Path, tmp_path: Path) -> None:
    with client() as asking:
        assert asking.download(demo.as_uri(), tmp_path / "got", size=demo.stat().st_size) == {"sha256": sha256(demo)}
        with pytest.raises(FetchError, match="cannot be read"):
            asking.download((tmp_path / "nothing").as_uri(), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == demo.read_bytes()


def test_a_file_is_taken_as_it_is_even_if_a_server_calls_it_packed(index: IndexServer, tmp_path: Path) -> None:
    content = gzip.compress(b"an sdist is packed by itself")
    url = index.raw("/demo-1.0.tar.gz", content, "application/x-tar", **{"Content-Encoding": "gzip"})
    with client() as asking:
        asking.download(url, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == content
    assert index.requests[0].headers["accept-encoding"] == "identity"


def test_a_file_that_has_gone_is_told(index: IndexServer, tmp_path: Path) -> None:
    with client() as asking, pytest.raises(FetchError, match="404 Not Found") as caught:
        asking.download(f"{index.base}/files/demo.whl", tmp_path / "got")
    assert (caught.value.exit_status, caught.value.status) == (1, 404)


def test_a_destination_that_cannot_be_written_is_told(index: IndexServer, demo: Path, tmp_path: Path) -> None:
    with client() as asking, pytest.raises(StoreError, match="cannot be written"):
        asking.download(f"{index.base}/files/{demo.name}", tmp_path / "nowhere" / "got")


def test_a_file_is_told_from_a_newer_one_without_fetching_it(index: IndexServer, demo: Path, tmp_path: Path) -> None:
    url = f"{index.base}/files/{demo.name}"
    dated = index.raw("/dated", b"12345", "text/plain", **{"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"})
    with client() as asking:
        assert asking.validator(url) is None
        index.ranges = True
        assert asking.validator(url) == f'"{sha256(demo)[:16]}"'
        assert asking.validator(dated) == "Thu, 01 Jan 2015 00:00:00 GMT 5"
        assert asking.validator(f"{index.base}/nothing") is None
    assert {request.headers["range"] for request in index.requests} == {"bytes=0-0"}
    with client(offline=True) as asking:
        assert asking.validator(url) == ""


def test_who_counts_bytes_may_call_a_download_off(index: IndexServer, demo: Path, tmp_path: Path) -> None:
    class Enough(Exception):  # noqa: N818 - it is no error of ours
        pass

    def stop(count: int) -> None:
        raise Enough

    with client() as asking, pytest.raises(Enough):
        asking.download(f"{index.base}/files/{demo.name}", tmp_path / "got", on_bytes=stop)
    assert len(index.requests) == 1


def test_text_files_are_read(index: IndexServer, tmp_path: Path) -> None:
    url = index.raw("/reqs.txt", b"demo==1.0\n", "text/plain")
    (tmp_path / "a b.txt").write_text("x")
    with client() as asking:
        assert asking.read(url) == b"demo==1.0\n"
        assert asking.read((tmp_path / "a b.txt").as_uri()) == b"x"
        for missing in (f"{index.base}/nothing.txt", (tmp_path / "nothing").as_uri()):
            with pytest.raises(FetchError) as caught:
                asking.read(missing)
            assert caught.value.exit_status == 2
