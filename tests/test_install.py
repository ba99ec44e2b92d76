"""What a wheel becomes when it is installed: places, scripts, metadata, RECORD."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from factories import record_line
from pytest_envsync.distributions import Candidate
from pytest_envsync.environment.bytecode import compile_site_packages
from pytest_envsync.environment.install import expected_files
from pytest_envsync.environment.interpreter import query
from pytest_envsync.environment.layout import Provenance, format_note, provenance_of
from pytest_envsync.environment.scripts import check_script_name, first_line, generate_commands, wrapper
from pytest_envsync.environment.verify import verify_installed
from pytest_envsync.errors import InstallError
from pytest_envsync.hashes import Digest
from pytest_envsync.record import EntryPoint, parse_record
from pytest_envsync.requirements import ArchiveSource, DirectorySource, IndexSource, Source, VcsSource
from sites import Ready, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def record(site: Site, dist_info: str = "demo-1.0.dist-info") -> list[str]:
    return [entry.path for entry in parse_record((site.site_packages / dist_info / "RECORD").read_text())]


def test_each_scheme_has_its_place(site: Site) -> None:
    ready = site.wheel(
        "My_pkg.x",
        files={"demo/__init__.py": "", "top.py": ""},
        data={
            "purelib/pure.py": "",
            "platlib/plat/x.py": "",
            "headers/sub/x.h": "h",
            "scripts/run.sh": "#!/bin/sh\n",
            "data/share/x/y.txt": "y",
        },
    )
    site.sync(ready)
    minor = site.target.minor
    assert [path for path in site.files() if "dist-info" not in path] == [
        "bin/run.sh",
        f"include/site/python{minor}/my-pkg-x/sub/x.h",
        f"lib/python{minor}/site-packages/demo/__init__.py",
        f"lib/python{minor}/site-packages/plat/x.py",
        f"lib/python{minor}/site-packages/pure.py",
        f"lib/python{minor}/site-packages/top.py",
        "share/x/y.txt",
    ]
    assert record(site, "My_pkg.x-1.0.dist-info") == [
        "../../../bin/run.sh",
        f"../../../include/site/python{minor}/my-pkg-x/sub/x.h",
        "../../../share/x/y.txt",
        "My_pkg.x-1.0.dist-info/INSTALLER",
        "My_pkg.x-1.0.dist-info/METADATA",
        "My_pkg.x-1.0.dist-info/RECORD",
        "My_pkg.x-1.0.dist-info/REQUESTED",
        "My_pkg.x-1.0.dist-info/WHEEL",
        "My_pkg.x-1.0.dist-info/envsync.json",
        "demo/__init__.py",
        "plat/x.py",
        "pure.py",
        "top.py",
    ]


def test_every_row_of_record_tells_the_truth(site: Site) -> None:
    site.sync(
        site.wheel(
            entry_points={"console_scripts": {"demo": "demo:main"}},
            data={"scripts/old": "#!python -x\nprint()\n", "data/a/c.txt": "data"},
            files={"demo/__init__.py": "x = 1\n", "demo/sp ace.txt": "s"},
        )
    )
    rows = parse_record((site.site_packages / "demo-1.0.dist-info" / "RECORD").read_text())
    for entry in rows:
        if entry.path == "demo-1.0.dist-info/RECORD":
            assert entry[1:] == ("", None)
            continue
        content = (site.site_packages / entry.path).read_bytes()
        assert record_line(entry.path, content).endswith(f",{entry.hash},{entry.size}\n")
    files = {os.path.normpath(site.site_packages / entry.path) for entry in rows}
    assert files == {str(site.prefix / path) for path in site.files()}


def test_paths_that_record_has_to_quote(site: Site) -> None:
    ready = site.wheel(
        files={'demo/quo"te.txt': "q", "demo/a,b.txt": "c"},
        data={"data/a,b/c.txt": "comma", "purelib/x,y.py": "comma"},
        record=b'"demo/a,b.txt",,1\n',
    )
    site.sync(ready)
    rows = record(site)
    assert {'demo/quo"te.txt', "demo/a,b.txt", "../../../a,b/c.txt", "x,y.py"} <= set(rows)
    assert rows == sorted(rows)
    site.sync()
    assert site.files() == []


def test_platform_wheels_go_to_platlib(site: Site, tmp_path: Path) -> None:
    site.target = site.target.at(
        python=site.target.python,
        prefix=site.target.prefix,
        paths={**site.target.paths, "platlib": str(tmp_path / "plat")},
        is_virtual=True,
    )
    site.sync(site.wheel("pure"), site.wheel("plat", purelib=False, data={"purelib/x.py": ""}))
    assert site.below() == ["pure.py", "x.py"]
    assert (tmp_path / "plat" / "plat.py").is_file()
    assert site.versions == {"pure": "1.0", "plat": "1.0"}
    site.sync()
    assert site.below() == []
    assert list((tmp_path / "plat").iterdir()) == []


def test_installer_metadata(site: Site) -> None:
    ready = site.wheel()
    site.sync(ready)
    info = site.site_packages / "demo-1.0.dist-info"
    assert (info / "INSTALLER").read_bytes() == b"envsync"
    assert (info / "REQUESTED").read_bytes() == b""
    assert json.loads((info / "envsync.json").read_text()) == {"sha256": ready.wheel.sha256}
    assert not (info / "direct_url.json").exists()
    assert site.installed[0].sha256 == ready.wheel.sha256
    site.sync(ready, reinstall=True, installer_metadata=False)
    assert sorted(path.name for path in info.iterdir()) == ["METADATA", "RECORD", "WHEEL"]
    assert record(site) == [
        "demo-1.0.dist-info/METADATA",
        "demo-1.0.dist-info/RECORD",
        "demo-1.0.dist-info/WHEEL",
        "demo.py",
    ]


def test_metadata_that_a_wheel_brings_of_itself_is_replaced(site: Site) -> None:
    files = {"demo.py": "", "demo-1.0.dist-info/INSTALLER": "pip\n", "demo-1.0.dist-info/direct_url.json": "{}"}
    site.sync(site.wheel(files=files, requested=ArchiveSource("https://host/demo.whl")))
    info = site.site_packages / "demo-1.0.dist-info"
    assert (info / "INSTALLER").read_bytes() == b"envsync"
    assert site.installed[0].direct_url == {"url": "https://host/demo.whl", "archive_info": {}}
    assert len(record(site)) == len(set(record(site)))


SETTINGS = {"config_settings": {"a": "b"}}
NOTE = {"timestamp": {"secs_since_epoch": 1, "nanos_since_epoch": 2}}


@pytest.mark.parametrize(
    ("source", "more", "provenance"),
    [
        (IndexSource(), {}, Provenance()),
        (IndexSource(), {"kind": "sdist", "digests": (Digest("sha256", "a" * 64),)},
         Provenance(build_info={}, built_from=("sha256:" + "a" * 64,))),
        (DirectorySource("/s", editable=True), {"kind": "tree", "cache_info": NOTE},
         Provenance({"url": "file:///s", "dir_info": {"editable": True}}, NOTE, {})),
        (ArchiveSource("file:///w.whl", path="/w.whl"), {"cache_info": NOTE},
         Provenance({"url": "file:///w.whl", "archive_info": {}}, NOTE)),
        (VcsSource("git", "https://h/r", commit_id="c"), {"kind": "tree", "build_info": SETTINGS},
         Provenance({"url": "https://h/r", "vcs_info": {"vcs": "git", "commit_id": "c"}}, None, SETTINGS)),
    ],
)  # fmt: skip
def test_what_is_noted_of_a_candidate_is_read_back(
    site: Site, source: Source, more: dict[str, Any], provenance: Provenance
) -> None:
    ready = site.wheel()
    candidate = Candidate(**{"name": "demo", "version": "1.0", "kind": "wheel", "requested": source, **more})
    assert provenance_of(candidate) == provenance
    site.sync(Ready(candidate, ready.wheel))
    found = site.installed[0]
    noted = Provenance(found.direct_url, found.cache_info, found.build_info, found.built_from)
    assert (noted, found.sha256) == (provenance, ready.wheel.sha256)
    assert site.plan(Ready(candidate, ready.wheel)).is_empty
    assert json.loads(format_note("x", provenance))["sha256"] == "x"


def test_scripts_run(tmp_path: Path, make_venv: Any) -> None:
    site = Site(tmp_path, "unused")
    prefix = make_venv("a venv")
    site.target = query(str(prefix / "bin" / "python"), None)
    ready = site.wheel(
        files={"demo.py": "import sys\nclass K:\n    @staticmethod\n    def main(): print(sys.argv[1:]); return 3\n"},
        entry_points={"console_scripts": {"demo": "demo:K.main [extra]"}, "gui_scripts": {"demo-gui": "demo:K.main"}},
        data={
            "scripts/tool": "#!python\nimport demo, sys\nprint('tool', sys.prefix)\n",
            "scripts/sh": "#!/bin/sh\necho sh\n",
        },
    )
    site.sync(ready)

    def run(name: str, *arguments: str) -> tuple[int, str]:
        result = subprocess.run([prefix / "bin" / name, *arguments], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout.strip()

    assert run("demo", "x y") == (3, "['x y']")
    assert run("demo-gui") == (3, "[]")
    assert run("tool") == (0, f"tool {prefix}")
    assert run("sh") == (0, "sh")
    assert b"\n'''exec' '" in (prefix / "bin" / "demo").read_bytes()


@pytest.mark.parametrize(
    ("python", "line"),
    [
        ("/env/bin/python", b"#!/env/bin/python\n"),
        ("/" + "x" * 124, b"#!/" + b"x" * 124 + b"\n"),
        ("/" + "x" * 125, b"#!/bin/sh\n'''exec' '/" + b"x" * 125 + b"' \"$0\" \"$@\"\n' '''\n"),
        ("/a b/python", b"#!/bin/sh\n'''exec' '/a b/python' \"$0\" \"$@\"\n' '''\n"),
    ],
)
def test_the_first_line_of_a_script(python: str, line: bytes) -> None:
    assert first_line(python) == line


def test_a_long_path_with_quotes_still_runs(tmp_path: Path) -> None:
    place = tmp_path / "it's a long path" / ("x" * 100)
    place.mkdir(parents=True)
    (place / "python").symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_bytes(first_line(str(place / "python")) + b"print('ran')\n")
    script.chmod(0o755)
    assert subprocess.run([script], capture_output=True, text=True, check=True).stdout == "ran\n"


@pytest.mark.parametrize(
    "name",
    ["python", "Python3", "PYTHON3.12", "python3.13t", "pythonw", "pythonw3.9", "pypy", "pypy2", "pypy3", "graalpy",
     "python.exe", "python3.py", "python3.exe"],
)  # fmt: skip
def test_names_of_interpreters_are_reserved(name: str) -> None:
    with pytest.raises(InstallError, match="reserved"):
        check_script_name(name, "demo")


@pytest.mark.parametrize(
    ("member", "said"),
    [("bin/python", "reserved"), ("bin/python3.exe", "reserved"), ("pyvenv.cfg", "environment's own"),
     (".lock", "environment's own")],
)  # fmt: skip
def test_data_replaces_neither_the_interpreter_nor_the_settings(site: Site, member: str, said: str) -> None:
    before = site.tree()
    with pytest.raises(InstallError, match=said):
        site.sync(site.wheel(data={f"data/{member}": "x"}))
    assert site.tree() == before


@pytest.mark.parametrize("name", ["pythonic", "python4", "python-config", "python3-config", "ipython", "pypy4", "py"])
def test_other_names_are_not(name: str) -> None:
    assert check_script_name(name, "demo") is None


@pytest.mark.parametrize("name", ["activate", "activate.fish", "activate_this.py", "Activate.ps1"])
def test_replacing_an_activation_script_is_a_warning(site: Site, name: str) -> None:
    changes = site.sync(site.wheel(data={f"scripts/{name}": "x"}))
    assert changes.warnings == (f"`demo` brings a script named `{name}`, which replaces the environment's own",)
    assert (site.bin / name).read_text() == "x"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../b", "a\\b", "a\0b"])
def test_a_script_is_a_plain_file_name(name: str) -> None:
    with pytest.raises(InstallError, match="no file name"):
        check_script_name(name, "demo")


def test_pip_gets_the_command_of_its_interpreter() -> None:
    names = ("pip", "pip3", "pip3.12", "pip3.x", "pip3.256")
    points = tuple(EntryPoint(name, "pip", "main") for name in names)
    options: dict[str, Any] = {"python": "/p", "minor": "3.11", "machine": "x86_64"}
    found = generate_commands({"console_scripts": points}, **options)
    assert sorted(found) == ["pip", "pip3", "pip3.11", "pip3.256", "pip3.x"]
    assert sorted(generate_commands({"gui_scripts": points}, **options)) == sorted(names)


@pytest.mark.parametrize(
    ("called", "seen"),
    [
        ("tool", "tool"),
        ("tool.exe", "tool"),
        ("tool-script.pyw", "tool"),
        ("tool.exe-script.pyw", "tool.exe"),
        ("a.py", "a.py"),
    ],
)
def test_a_command_is_called_by_its_plain_name(tmp_path: Path, called: str, seen: str) -> None:
    (tmp_path / "shown.py").write_text("import sys\ndef main():\n    print(sys.argv[0])\n    return 3\n")
    path = tmp_path / called
    path.write_bytes(wrapper(EntryPoint("tool", "shown", "main"), sys.executable))
    ended = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (3, f"{tmp_path / seen}\n")


def test_an_entry_point_wins_over_a_data_script_of_its_name(site: Site) -> None:
    ready = site.wheel(
        entry_points={"console_scripts": {"demo": "demo:main"}},
        data={"scripts/demo": "#!python\nold\n", "scripts/demo-script.py": "old", "scripts/demo.exe": "old"},
    )
    site.sync(ready)
    assert [path for path in site.files() if path.startswith("bin/")] == ["bin/demo"]
    assert "from demo import main" in (site.bin / "demo").read_text()
    assert record(site).count("../../../bin/demo") == 1
    assert "../../../bin/demo.exe" not in record(site)


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_data_scripts_can_be_run_whatever_their_mode_in_the_wheel(site: Site, mode: str) -> None:
    ready = site.wheel(
        data={"scripts/plain": "#!/bin/sh\n", "scripts/executable": "#!/bin/sh\n"},
        modes={"demo-1.0.data/scripts/executable": 0o755},
    )
    site.sync(ready, link_mode=mode)
    assert os.access(site.bin / "plain", os.X_OK)
    assert os.access(site.bin / "executable", os.X_OK)
    assert not os.access(Path(ready.wheel.tree, "demo-1.0.data/scripts/plain"), os.X_OK) or os.geteuid() == 0
    assert Path(ready.wheel.tree, "demo-1.0.data/scripts/plain").stat().st_mode & 0o111 == 0


@pytest.mark.parametrize("mode", ["hardlink", "copy", "symlink"])
def test_link_modes_give_the_same_environment(tmp_path: Path, mode: str) -> None:
    site = Site(tmp_path / mode)
    files = {"demo/__init__.py": "x = 1\n", "demo/run.sh": "#!/bin/sh\n"}
    site.sync(site.wheel(files=files, modes={"demo/run.sh": 0o755}), link_mode=mode)
    module = site.site_packages / "demo" / "__init__.py"
    assert module.is_symlink() is (mode == "symlink")
    assert os.access(site.site_packages / "demo" / "run.sh", os.X_OK)
    assert bool(module.stat().st_mode & 0o200) is (mode == "copy")
    for name in ("INSTALLER", "REQUESTED", "RECORD", "envsync.json"):
        assert not (site.site_packages / "demo-1.0.dist-info" / name).is_symlink()
    site.sync()
    assert site.files() == []
    assert Path(site.store.wheels).is_dir()


def test_of_two_that_bring_one_file_the_later_name_wins(site: Site) -> None:
    beta = site.wheel("beta", files={"shared/x.py": "beta", "shared/same.py": "same", "beta.py": ""})
    alpha = site.wheel("alpha", files={"shared/x.py": "alpha", "shared/same.py": "same", "alpha.py": ""})
    place = f"lib/python{site.target.minor}/site-packages/shared/x.py"
    for wanted in ([beta, alpha], [alpha, beta]):
        changes = site.sync(*wanted)
        assert changes.warnings == (f"`alpha` and `beta` both bring `{place}`; those of `beta` count",)
        assert (site.prefix / place).read_text() == "beta"
        site.sync()
        assert site.files() == []


@pytest.mark.parametrize("order", [("alpha", "beta"), ("beta", "alpha")])
def test_it_wins_whichever_came_first(site: Site, order: tuple[str, str]) -> None:
    ready = {name: site.wheel(name, files={"shared/x.py": name, f"{name}.py": ""}) for name in order}
    site.sync(ready[order[0]])
    changes = site.sync(ready[order[0]], ready[order[1]])
    assert len(changes.warnings) == 1
    assert changes.warnings[0].endswith("those of `beta` count")
    assert (site.site_packages / "shared" / "x.py").read_text() == "beta"
    assert site.sync(*ready.values(), reinstall=True).warnings == changes.warnings
    assert (site.site_packages / "shared" / "x.py").read_text() == "beta"


@pytest.mark.parametrize(("goes", "stays"), [("alpha", "beta"), ("beta", "alpha")])
def test_removing_one_gives_the_file_of_the_other_back(site: Site, goes: str, stays: str) -> None:
    ready = {name: site.wheel(name, files={"shared/x.py": name, f"{name}.py": ""}) for name in ("alpha", "beta")}
    site.sync(*ready.values())
    changes = site.sync(ready[stays])
    assert changes.warnings == ()
    assert (site.site_packages / "shared" / "x.py").read_text() == stays
    assert site.versions == {stays: "1.0"}
    assert site.below() == [f"{stays}.py", "shared/x.py"]
    assert not verify_installed(
        site.installed, {stays: ready[stays].candidate}, target=site.target, store=site.store
    ), goes


@pytest.mark.parametrize("digest", ["", "sha512=whatever"])
def test_a_claim_without_a_comparable_hash_contradicts_nobody(site: Site, digest: str) -> None:
    alpha = site.wheel("alpha", files={"x.py": "alpha"})
    beta = site.wheel("beta", files={"x.py": "beta"})
    site.sync(beta)
    place = site.site_packages / "beta-1.0.dist-info" / "RECORD"
    rows = [f"x.py,{digest},4" if row.startswith("x.py") else row for row in place.read_text().splitlines()]
    place.write_text("\n".join(rows) + "\n")
    assert site.sync(alpha, beta).warnings == ()
    assert site.sync(beta).warnings == ()
    assert (site.site_packages / "x.py").read_text() == "beta"


def test_what_the_store_does_not_have_cannot_be_given_back(site: Site) -> None:
    alpha = site.wheel("alpha", files={"x.py": "alpha"})
    beta = site.wheel("beta", files={"x.py": "beta"})
    site.sync(alpha, beta)
    site.store.remove(alpha.wheel.sha256)
    changes = site.sync(alpha)
    assert "--reinstall-package alpha brings it back" in changes.warnings[0]
    assert (site.site_packages / "x.py").read_text() == "beta"
    assert site.versions == {"alpha": "1.0"}


def compiled(site: Site, ready: Ready, place: str) -> Path:
    """Put bytecode for a module into the store and return where an environment has it."""
    from importlib.util import MAGIC_NUMBER

    module = Path(ready.wheel.tree, place)
    status = module.stat()
    header = MAGIC_NUMBER + b"".join(
        number.to_bytes(4, "little") for number in (0, int(status.st_mtime), status.st_size)
    )
    relative = f"{Path(place).parent}/__pycache__/{module.stem}.{site.target.cache_tag}.pyc".removeprefix("./")
    found = site.root / "made" / "__pycache__" / f"{ready.wheel.name}-{module.stem}.pyc"
    found.parent.mkdir(parents=True, exist_ok=True)
    found.write_bytes(header + ready.wheel.name.encode())
    assert site.store.adopt_bytecode(ready.wheel, site.target.cache_tag, {relative: found}, magic=MAGIC_NUMBER) == 1
    return site.site_packages / relative


def test_bytecode_of_the_store_comes_along(site: Site) -> None:
    ready = site.wheel(files={"demo/__init__.py": "x = 1", "top.py": "y = 2"}, data={"purelib/more.py": "z = 3"})
    package, top = compiled(site, ready, "demo/__init__.py"), compiled(site, ready, "top.py")
    site.sync(ready)
    assert package.is_file()
    assert top.is_file()
    assert package.read_bytes().endswith(b"demo")
    assert not [path for path in record(site) if path.endswith(".pyc")]
    site.sync()
    assert site.files() == []
    assert list(site.site_packages.iterdir()) == []
    site.sync(ready, bytecode=False)
    assert not package.exists()


def test_bytecode_of_a_module_that_lost_does_not_stay_beside_the_winner(site: Site) -> None:
    """Times and sizes are equal, so it would count as compiled from the winner's source."""
    alpha = site.wheel("alpha", files={"shared/x.py": "1", "shared/y.py": ""})
    beta = site.wheel("beta", files={"shared/x.py": "2"})
    place = compiled(site, alpha, "shared/x.py")
    other = compiled(site, alpha, "shared/y.py")
    site.sync(alpha, beta)
    assert not place.exists()
    assert other.exists()
    site.sync(alpha)
    assert (site.site_packages / "shared/x.py").read_text() == "1"
    site.sync(beta)
    site.sync(alpha, beta)
    assert not place.exists()


def test_stale_bytecode_of_a_replaced_module_goes_with_it(site: Site) -> None:
    site.sync(site.wheel("demo", "1.0", files={"demo.py": "x = 1"}), site.wheel("other"))
    cache = site.site_packages / "__pycache__"
    cache.mkdir()
    for name in ("demo.cpython-311.pyc", "demo.cpython-312.opt-1.pyc", "other.cpython-311.pyc"):
        (cache / name).write_bytes(b"x")
    site.sync(site.wheel("demo", "2.0", files={"demo.py": "x = 2"}), site.wheel("other"))
    assert [path.name for path in cache.iterdir()] == ["other.cpython-311.pyc"]


def test_what_is_expected_is_what_is_there(site: Site) -> None:
    wheels = [
        site.wheel("alpha", files={"shared/x.py": "alpha"}, entry_points={"console_scripts": {"a": "alpha:main"}}),
        site.wheel("beta", files={"shared/x.py": "beta"}, data={"headers/x.h": "h", "data/etc/x.ini": "i"}),
    ]
    site.sync(*wheels)
    by_name = {ready.candidate.name: ready for ready in wheels}
    expected = expected_files(by_name, target=site.target, store=site.store)
    assert list(expected) == site.files()
    for path, file in expected.items():
        content = (site.prefix / path).read_bytes()
        assert file.path == path
        assert content == (Path(file.source).read_bytes() if file.source is not None else file.content)
        assert file.size == len(content)
        assert (file.source is None) is (file.content is not None) is (file.tree_path is None)
    shared = expected[f"lib/python{site.target.minor}/site-packages/shared/x.py"]
    assert (shared.owner, shared.tree_path) == ("beta", "shared/x.py")


def test_verifying_finds_every_damaged_file(site: Site) -> None:
    digests = {}
    wheels = []
    for name in ("alpha", "beta", "gamma"):
        ready = site.wheel(name, files={f"{name}/__init__.py": "x", f"{name}/y.py": "y"})
        digests[name] = ready.wheel.sha256
        candidate = Candidate(
            name=name,
            version="1.0",
            kind="wheel",
            requested=IndexSource(),
            digests=(Digest("sha256", ready.wheel.sha256), Digest("sha256", "0" * 64)),
        )
        wheels.append(Ready(candidate, ready.wheel))
    site.sync(*wheels, link_mode="copy")
    candidates = {ready.candidate.name: ready.candidate for ready in wheels}

    def faults() -> dict[str, str]:
        return verify_installed(site.installed, candidates, target=site.target, store=site.store)

    assert faults() == {}
    (site.site_packages / "alpha" / "y.py").write_text("Y")
    (site.site_packages / "beta" / "__init__.py").unlink()
    (site.site_packages / "beta" / "y.py").unlink()
    (site.site_packages / "gamma-1.0.dist-info" / "INSTALLER").write_text("else")
    found = faults()
    assert found["alpha"] == f"`{site.site_packages}/alpha/y.py` was changed"
    assert found["beta"].endswith("is missing, and 1 more")
    assert "INSTALLER" in found["gamma"]
    site.store.remove(digests["alpha"])
    assert faults()["alpha"] == f"`{site.site_packages}/alpha/y.py` was changed"


def test_verifying_judges_the_artifact(site: Site) -> None:
    ready = site.wheel()
    site.sync(ready)

    def fault(**candidate: Any) -> str | None:
        values: dict[str, Any] = {"name": "demo", "version": "1.0", "kind": "wheel", "requested": IndexSource()}
        wanted = {"demo": Candidate(**{**values, **candidate})}
        return verify_installed(site.installed, wanted, target=site.target, store=site.store).get("demo")

    assert fault() is None
    assert fault(digests=(Digest("sha256", ready.wheel.sha256),)) is None
    assert fault(digests=(Digest("md5", "0" * 32),)) is None
    assert fault(digests=(Digest("sha256", "0" * 64),)) == "it was installed from another artifact"
    (site.site_packages / "demo-1.0.dist-info" / "envsync.json").unlink()
    noted = fault(digests=(Digest("sha256", ready.wheel.sha256),))
    assert noted is not None
    assert noted.startswith("nobody noted which artifact it was installed from, and 1 more")
    sdist = Candidate(
        name="demo", version="1.0", kind="sdist", requested=IndexSource(), digests=(Digest("sha256", "a" * 64),)
    )
    site.sync(Ready(sdist, ready.wheel), reinstall=True)
    assert fault(kind="sdist", digests=(Digest("sha256", "a" * 64),)) is None
    assert fault(kind="sdist", digests=(Digest("sha256", "b" * 64),)) == "it was built from another artifact"


def test_two_that_share_a_file_are_verified_together(site: Site) -> None:
    wheels = [site.wheel(name, files={"shared.py": name}) for name in ("alpha", "beta")]
    site.sync(*wheels)
    candidates = {ready.candidate.name: ready.candidate for ready in wheels}
    assert verify_installed(site.installed, candidates, target=site.target, store=site.store) == {}


def test_compiling_the_whole_environment(tmp_path: Path, make_venv: Any) -> None:
    site = Site(tmp_path, "unused")
    site.target = query(str(make_venv() / "bin" / "python"), None)
    site.site_packages = Path(site.target.paths["purelib"])
    site.sync(site.wheel(files={"demo/__init__.py": "x = 1", "demo/broken.py": "x = (", "top.py": "y = 2"}))
    (site.site_packages / "linked.py").symlink_to(site.site_packages / "top.py")
    for _ in range(2):
        assert compile_site_packages(site.target, environ=os.environ, jobs=2) == 3
        found = sorted(path.name.partition(".")[0] for path in site.site_packages.rglob("*.pyc"))
        assert found == ["__init__", "top"]
    before = {path: path.stat().st_ino for path in site.site_packages.rglob("*.pyc")}
    environ = {**os.environ, "PYC_INVALIDATION_MODE": "CHECKED_HASH"}
    assert compile_site_packages(site.target, environ=environ, jobs=1) == 3
    for path, inode in before.items():
        assert path.read_bytes()[4] == 3
        assert path.stat().st_ino != inode
    for variable in ("PYC_INVALIDATION_MODE", "UV_COMPILE_BYTECODE_TIMEOUT"):
        with pytest.raises(InstallError, match=variable):
            compile_site_packages(site.target, environ={**os.environ, variable: "nonsense"}, jobs=1)
    assert compile_site_packages(site.target, environ={**os.environ, "UV_COMPILE_BYTECODE_TIMEOUT": "0"}, jobs=1) == 3
    site.sync()
    assert compile_site_packages(site.target, environ=os.environ, jobs=1) == 0


def test_a_module_that_takes_too_long_to_compile_is_an_error(tmp_path: Path, make_venv: Any) -> None:
    site = Site(tmp_path, "unused")
    site.target = query(str(make_venv() / "bin" / "python"), None)
    place = Path(site.target.paths["purelib"]) / "slow.py"
    os.mkfifo(place)  # reading it waits for a writer that never comes
    environ = {**os.environ, "UV_COMPILE_BYTECODE_TIMEOUT": "0.2"}
    with pytest.raises(InstallError, match=r"slow\.py` took more than"):
        compile_site_packages(site.target, environ=environ, jobs=1)


def test_an_interpreter_that_does_not_run_is_an_error(site: Site) -> None:
    site.sync(site.wheel())
    with pytest.raises(InstallError, match="cannot compile"):
        compile_site_packages(site.target, environ=os.environ, jobs=1)
