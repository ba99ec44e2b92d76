"""What builds need and nobody has a wheel of: settled by what it says of itself, built at once, ended together."""

from __future__ import annotations

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from factories import make_sdist, make_wheel, project_files, setuptools_free_backend
from pytest_envsync.build_environments import IsolatedEnvironments
from pytest_envsync.engine import Engine
from pytest_envsync.environment.interpreter import base_of_running
from pytest_envsync.errors import BuildError
from pytest_envsync.narration import SilentReporter
from pytest_envsync.options import SyncOptions
from source_world import World


@pytest.fixture
def world(tmp_path: Path, clean_surrounding: None) -> World:
    return World(tmp_path)


def sdist(world: World, name: str, version: str = "1.0", *, body: str = "", requires: tuple[str, ...] = ()) -> None:
    """Offer an sdist whose backend ends with *body*."""
    files = {**project_files(name, version), "backend.py": setuptools_free_backend(name, version) + body}
    make_sdist(world.root / "links", name, version, files=files, requires=requires)


def needing(world: World, *tools: str) -> str:
    """A project whose build needs *tools*."""
    tree = world.tree()
    text = (tree / "pyproject.toml").read_text().replace("requires = []", f"requires = {list(tools)}")
    (tree / "pyproject.toml").write_text(text)
    return str(tree)


def meeting(world: World, name: str, others: int) -> str:
    """A backend that builds when *others* have begun as well."""
    return (
        "\n_plain = build_wheel\ndef build_wheel(*a, **k):\n    import pathlib, time\n"
        f"    here = pathlib.Path({str(world.root)!r})\n    (here / '{name}.began').touch()\n"
        f"    while len(list(here.glob('*.began'))) <= {others}:\n        time.sleep(0.01)\n"
        "    return _plain(*a, **k)\n"
    )


def test_tools_are_built_beside_each_other(world: World) -> None:
    for name in ("first", "second"):
        sdist(world, name, body=meeting(world, name, 1))
    environ = {"UV_CONCURRENT_BUILDS": "2", "ENVSYNC_BUILD_TIMEOUT": "60"}
    world.sync(needing(world, "first", "second"), find_links=(str(world.root / "links"),), environ=environ)
    assert world.installed() == {"demo": "1.0"}


def test_one_thread_is_enough_for_tools_of_tools(world: World) -> None:
    sdist(world, "plane")
    for name, tool in (("saw", "plane"), ("file", "plane")):
        files = project_files(name)
        project = str(files["pyproject.toml"]).replace("requires = []", f"requires = ['{tool}']")
        make_sdist(world.root / "links", name, files={**files, "pyproject.toml": project})
    world.sync(
        needing(world, "saw", "file"),
        find_links=(str(world.root / "links"),),
        environ={"UV_CONCURRENT_DOWNLOADS": "1"},
    )
    assert world.installed() == {"demo": "1.0"}
    assert sorted(subject.partition(" ")[0] for subject in world.built) == [
        "demo",
        "file==1.0",
        "plane==1.0",
        "saw==1.0",
    ]


def test_a_tool_is_not_built_to_learn_what_it_needs(world: World) -> None:
    sdist(world, "tool", "1.0", requires=("helper",))
    sdist(world, "tool", "2.0", requires=("nowhere>9",), body="\ndef build_wheel(*a, **k):\n    raise SystemExit(3)\n")
    sdist(world, "helper")
    world.sync(needing(world, "tool"), find_links=(str(world.root / "links"),))
    assert world.installed() == {"demo": "1.0"}
    assert sorted(subject.partition(" ")[0] for subject in world.built) == ["demo", "helper==1.0", "tool==1.0"]


def test_a_tool_that_cannot_be_built_ends_the_others(world: World) -> None:
    sdist(world, "slow", body=meeting(world, "slow", 9))
    fails = meeting(world, "quick", 1).replace("return _plain(*a, **k)", "raise SystemExit(7)")
    sdist(world, "quick", body=fails)
    error = world.refused(
        needing(world, "quick", "slow"),
        find_links=(str(world.root / "links"),),
        environ={"UV_CONCURRENT_BUILDS": "2", "ENVSYNC_BUILD_TIMEOUT": "60"},
    )
    assert "exit status 7" in str(error)
    assert "needed to build" in str(error)


def test_what_tells_the_metadata_by_a_build_is_built_once(world: World) -> None:
    count = world.root / "count"
    body = f"\n_plain = build_wheel\ndef build_wheel(*a, **k):\n    open({str(count)!r}, 'a').write('x')\n"
    tree = world.broken(body + "    return _plain(*a, **k)\n")
    project = (tree / "pyproject.toml").read_text().replace('version = "1.0"', 'dynamic = ["version"]')
    (tree / "pyproject.toml").write_text(project)
    (world.root / "constraints.txt").write_text("demo>=1\n")
    outcome = world.sync(str(tree), constraints=("constraints.txt",))
    assert (world.installed(), outcome.prepared, len(world.built)) == ({"demo": "1.0"}, 1, 1)
    assert count.read_text() == "x"


def test_names_that_builds_tell_fail_with_the_error_of_the_one_that_failed(world: World) -> None:
    fails = meeting(world, "quick", 1).replace("return _plain(*a, **k)", "raise SystemExit(7)")
    sdist(world, "quick", body=fails)
    trees = []
    for name, requires in (("patient", []), ("unlucky", ["quick"])):
        body = meeting(world, name, 9).replace("build_wheel", "get_requires_for_build_wheel") if not requires else ""
        tree = world.broken(body.replace("_plain = get_requires_for_build_wheel\n", ""), name)
        (tree / "pyproject.toml").write_text(
            f'[build-system]\nrequires = {requires}\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        trees.append(str(tree))
    error = world.refused(
        *trees,
        find_links=(str(world.root / "links"),),
        environ={"UV_CONCURRENT_BUILDS": "2", "ENVSYNC_BUILD_TIMEOUT": "60"},
    )
    assert "exit status 7" in str(error)


def test_two_that_need_one_tool_prepare_it_once(world: World) -> None:
    asked = world.root / "asked"
    slow = f"\ndef get_requires_for_build_wheel(*a):\n    import time\n    open({str(asked)!r}, 'a').write('x')\n"
    sdist(world, "plane", body=slow + "    time.sleep(0.5)\n    return []\n")
    for name in ("saw", "file"):
        files = project_files(name)
        project = str(files["pyproject.toml"]).replace("requires = []", "requires = ['plane']")
        make_sdist(world.root / "links", name, files={**files, "pyproject.toml": project})
    world.sync(needing(world, "saw", "file"), find_links=(str(world.root / "links"),))
    assert world.installed() == {"demo": "1.0"}
    assert asked.read_text() == "x"


def test_what_is_there_is_not_looked_for(world: World) -> None:
    links = world.root / "links"
    make_wheel(links, "tool", requires=("helper>=1", "more"))
    make_wheel(links, "more")
    options = SyncOptions(no_index=True, find_links=(str(links),))
    with Engine(
        cache_dir=world.cache, options=options, cwd=str(world.root), environ=os.environ, reporter=SilentReporter()
    ) as engine:
        environments = IsolatedEnvironments(engine, base=base_of_running(world.cache), options=options)
        # No index has that version of a working tree.
        assert list(environments.wheels(["tool"], beside={"helper": "1.0+mine"})) == ["more", "tool"]
        with pytest.raises(BuildError, match=r"`helper==0\.9` is there, and `helper>=1` is asked for"):
            environments.wheels(["tool"], beside={"helper": "0.9"})


def test_a_failure_elsewhere_ends_the_download_of_a_tool(world: World) -> None:
    here, cut = world.root / "quick.began", threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "4000")
            self.end_headers()
            here.touch()
            try:
                for _ in range(4000):  # minutes
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            except OSError:
                cut.set()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Dripping)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tool = f"tool @ http://127.0.0.1:{server.server_port}/tool-1.0-py3-none-any.whl"
    fails = meeting(world, "slow", 1).replace("return _plain(*a, **k)", "raise SystemExit(7)")
    try:
        lines = [f"demo @ {needing(world, tool)}", f"quick @ {world.broken(fails, 'quick')}"]
        error = world.refused(*lines, environ={"UV_CONCURRENT_BUILDS": "2"})
    finally:
        server.shutdown()
        server.server_close()
    assert "exit status 7" in str(error)
    assert cut.wait(60)
