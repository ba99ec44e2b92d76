"""What goes with a distribution, in every form it may have been installed in, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envsync.environment.disk import Disk, find_renames, is_compiled_from
from pytest_envsync.environment.uninstall import standing_directories
from pytest_envsync.errors import InstallError
from sites import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def write(site: Site, files: dict[str, str]) -> None:
    """Write files below site-packages."""
    for path, text in files.items():
        place = site.site_packages / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def below(site: Site) -> list[str]:
    """All files and empty directories below site-packages."""
    found = (path for path in site.site_packages.rglob("*") if not path.is_dir() or not any(path.iterdir()))
    return sorted(path.relative_to(site.site_packages).as_posix() for path in found)


def dist_info(site: Site, name: str, *rows: str, **files: str) -> str:
    """Write a dist-info as another installer leaves it: *rows* of its RECORD, without any RECORD for none."""
    entry = f"{name}-1.0.dist-info"
    write(site, {f"{entry}/METADATA": f"Name: {name}\nVersion: 1.0\n"})
    write(site, {f"{entry}/{filename.replace('__', '.')}": text for filename, text in files.items()})
    if rows:
        write(site, {f"{entry}/RECORD": "\n".join(rows) + "\n"})
    return entry


def test_whatever_record_names_goes_and_nothing_else(site: Site) -> None:
    write(site, {"pkg/a.py": "", "pkg/sub/b.py": "", "pkg/data.txt": "", "other.py": "", "mod.py": "", "kept/x.py": ""})
    (site.bin / "tool").write_text("x")
    dist_info(site, "demo", "pkg/a.py,,", "pkg/sub/b.py,,", "mod.py,,", "../../../bin/tool,,", "missing/x.py,,")
    changes = site.sync()
    assert str(changes) == " - demo==1.0"
    assert below(site) == ["kept/x.py", "other.py", "pkg/data.txt"]
    assert not (site.bin / "tool").exists()


def test_bytecode_and_directories_left_empty_go_too(site: Site) -> None:
    write(
        site,
        {
            "pkg/__init__.py": "",
            "pkg/__pycache__/__init__.cpython-311.pyc": "",
            "pkg/__pycache__/gone_long_ago.cpython-39.pyc": "",
            "pkg/sub/__pycache__/x.cpython-311.opt-2.pyc": "",
            "pkg/sub/x.py": "",
            "__pycache__/mod.cpython-311.pyc": "",
            "__pycache__/stays.cpython-311.pyc": "",
            "mod.py": "",
            "stays.py": "",
        },
    )
    dist_info(site, "demo", "pkg/__init__.py,,", "pkg/sub/x.py,,", "mod.py,,")
    site.sync()
    assert below(site) == ["__pycache__/stays.cpython-311.pyc", "stays.py"]


def test_a_directory_that_holds_something_of_the_users_stays_with_that_alone(site: Site) -> None:
    write(
        site,
        {
            "pkg/__init__.py": "",
            "pkg/mine.py": "",
            "pkg/__pycache__/__init__.cpython-311.pyc": "",
            "pkg/__pycache__/mine.cpython-311.pyc": "",
            "pkg/__pycache__/of_nothing.cpython-311.pyc": "",
            "pkg/__pycache__/mine.nbi": "",
            "pkg/deep/x.py": "",
        },
    )
    (site.site_packages / "pkg" / "empty").mkdir()
    dist_info(site, "demo", "pkg/__init__.py,,", "pkg/deep/x.py,,")
    site.sync()
    cached = ["pkg/__pycache__/mine.cpython-311.pyc", "pkg/__pycache__/mine.nbi"]
    assert below(site) == [*cached, "pkg/empty", "pkg/mine.py"]


def test_directories_outside_of_site_packages_go_when_they_are_empty(site: Site) -> None:
    ready = site.wheel(data={"data/share/doc/demo/x.txt": "", "headers/x.h": ""})
    site.sync(ready)
    site.sync()
    assert not (site.prefix / "share").exists()
    assert not (site.prefix / "include" / "site").exists()
    assert site.bin.is_dir()
    assert site.site_packages.is_dir()


def test_outside_of_virtual_environments_empty_directories_are_the_systems(site: Site) -> None:
    site.target = site.target.at(
        python=site.target.python, prefix=site.target.prefix, paths=site.target.paths, is_virtual=False
    )
    ready = site.wheel(files={"pkg/x.py": ""}, data={"data/share/man/man1/x.1": ""})
    site.sync(ready)
    site.sync()
    assert (site.prefix / "share" / "man" / "man1").is_dir()
    assert site.files() == []
    assert below(site) == []


def test_a_directory_in_record_goes_as_a_whole(site: Site) -> None:
    write(site, {"pkg/a.py": "", "pkg/sub/generated.txt": "", "mod.py": ""})
    (site.site_packages / "pkg" / "empty").mkdir()
    dist_info(site, "demo", "pkg/,,", "mod.py,,")
    site.sync()
    assert below(site) == []


def test_rows_that_leave_the_environment_are_left_alone_with_one_warning(site: Site, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    write(site, {"mod.py": "", "in/side.py": ""})
    up = "../" * 4
    dist_info(
        site,
        "demo",
        f"{up}outside.txt,,",
        f"{up}elsewhere.txt,,",
        "mod.py,,",
        "in/../in/side.py,,",
        "..,,",
        "/abs.py,,",
    )
    (site.site_packages / "abs.py").write_text("a leading slash does not count")
    (warning,) = site.sync().warnings
    assert warning.startswith(f"`demo` lists `{up}outside.txt` and 2 more in its RECORD, which escapes")
    assert outside.read_text() == "mine"
    assert below(site) == []
    assert site.site_packages.is_dir()


def test_what_is_reached_through_a_link_is_not_touched(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "x.py").write_text("mine")
    (site.site_packages / "pkg").symlink_to(source)
    dist_info(site, "demo", "pkg/x.py,,")
    site.sync()
    assert below(site) == []
    assert (source / "x.py").read_text() == "mine"


def test_lib64_may_be_a_link(site: Site) -> None:
    (site.prefix / "lib64").symlink_to("lib")
    write(site, {"x.py": ""})
    dist_info(site, "demo", f"../../../lib64/python{site.target.minor}/site-packages/x.py,,")
    site.sync()
    assert below(site) == []
    assert (site.prefix / "lib64").is_symlink()


def test_a_record_without_itself_and_with_odd_rows(site: Site) -> None:
    write(site, {"a,b.py": "", 'q"t.py': "", "ü.py": "", "sp ace.py": ""})
    entry = dist_info(site, "demo", '"a,b.py",,', '"q""t.py",,', "ü.py,sha256=x,0", "sp ace.py,,", "")
    write(site, {f"{entry}/direct_url.json.orig": "somebody else's", f"{entry}/licenses/MIT": ""})
    site.sync()
    assert below(site) == []


@pytest.mark.parametrize("row", ["a.py", "a.py,b,c,d", 'a"b,"c', "a.py,,many"])
def test_a_record_that_cannot_be_understood_is_an_error(site: Site, row: str) -> None:
    dist_info(site, "demo", "mod.py,,", row)
    before = site.tree()
    with pytest.raises(InstallError, match="cannot be understood") as caught:
        site.sync()
    assert caught.value.hint is not None
    assert caught.value.exit_status == 2
    assert site.tree() == before


def test_without_record_the_wheel_in_the_store_tells(site: Site) -> None:
    ready = site.wheel(
        files={"pkg/__init__.py": "", "pkg/x/y.txt": ""}, data={"data/share/demo.txt": "", "scripts/s": ""}
    )
    site.sync(ready)
    (site.site_packages / "demo-1.0.dist-info" / "RECORD").unlink()
    site.sync()
    assert site.files() == []


def test_without_record_top_level_tells(site: Site) -> None:
    write(site, {"pkg/a.py": "", "pkg/__pycache__/a.cpython-311.pyc": "", "mod.py": "", "native.so": "", "ns/x.py": ""})
    dist_info(site, "demo", top_level__txt="pkg\nmod\nns\nnot-a-module\n\n", namespace_packages__txt="ns\n")
    changes = site.sync()
    assert changes.warnings == ("`demo` names `not-a-module` in its top_level.txt, which is no module",)
    assert below(site) == ["native.so", "ns/x.py"]


def test_without_record_files_of_others_stay(site: Site) -> None:
    other = site.wheel("other", files={"pkg/other.py": ""})
    site.sync(other)
    write(site, {"pkg/demo.py": ""})
    dist_info(site, "demo", top_level__txt="pkg\n")
    site.sync(other)
    assert below(site)[-1] == "pkg/other.py"
    assert "pkg/demo.py" not in below(site)


def test_without_any_knowledge_it_is_an_error_and_everything_stays(site: Site) -> None:
    site.sync(site.wheel("other"))
    write(site, {"pkg/a.py": ""})
    dist_info(site, "broken")
    before = site.tree()
    with pytest.raises(InstallError, match=r"cannot be removed: .* has no RECORD, so nobody knows") as caught:
        site.sync()
    assert caught.value.exit_status == 2
    assert site.tree() == before


def test_an_egg_with_top_level(site: Site) -> None:
    write(
        site,
        {"egg-1.0.egg-info/top_level.txt": "egg\n", "egg-1.0.egg-info/PKG-INFO": "", "egg/x.py": "", "mine.py": ""},
    )
    site.sync()
    assert below(site) == ["mine.py"]


def test_an_egg_with_a_list_of_files(site: Site) -> None:
    (site.bin / "egg").write_text("")
    listed = "../egg/x.py\nPKG-INFO\ninstalled-files.txt\n../../../../bin/egg\n../../../../../outside\n"
    write(
        site,
        {"egg-1.0.egg-info/installed-files.txt": listed, "egg-1.0.egg-info/PKG-INFO": "", "egg/x.py": "", "egg/y": ""},
    )
    site.sync()
    assert below(site) == ["egg/y"]
    assert not (site.bin / "egg").exists()


def test_an_egg_that_tells_nothing_is_an_error(site: Site) -> None:
    write(site, {"egg-1.0.egg-info/PKG-INFO": ""})
    with pytest.raises(InstallError, match=r"has no top_level\.txt"):
        site.sync()
    assert below(site) == ["egg-1.0.egg-info/PKG-INFO"]


def test_what_distutils_installed_is_an_error_before_anything_is_removed(site: Site) -> None:
    site.sync(site.wheel("aaa"))
    write(site, {"old-1.0-py3.11.egg-info": "Version: 1.0\n"})
    before = site.tree()
    with pytest.raises(InstallError, match="installed by distutils") as caught:
        site.sync()
    assert caught.value.exit_status == 2
    assert site.tree() == before


def test_a_develop_install_loses_its_link_and_its_line(site: Site, tmp_path: Path) -> None:
    sources = []
    for name in ("one", "two", "three"):
        source = tmp_path / f"{name} source"
        write(site, {f"{name}.egg-link": f"{source}\n."})
        (source / f"{name}.egg-info").mkdir(parents=True)
        (source / f"{name}.egg-info" / "PKG-INFO").write_text("Version: 1.0\n")
        sources.append(str(source))
    pth = site.site_packages / "easy-install.pth"
    pth.write_text("\n".join([*sources, "/elsewhere"]) + "\n")
    three = site.wheel("three", "2.0", files={"three.py": ""})
    site.sync(three)
    assert pth.read_text() == "/elsewhere\n"
    assert site.below() == ["easy-install.pth", "three.py"]
    assert all(Path(source).is_dir() for source in sources)


def test_a_develop_install_without_a_line_loses_its_link(site: Site, tmp_path: Path) -> None:
    (tmp_path / "one.egg-info").mkdir()
    (tmp_path / "one.egg-info" / "PKG-INFO").write_text("Version: 1.0\n")
    write(site, {"one.egg-link": str(tmp_path)})
    site.sync()
    assert below(site) == []


def test_two_distributions_of_one_name_both_go(site: Site) -> None:
    write(site, {"demo.py": "new", "old_demo.py": "old"})
    dist_info(site, "demo", "demo.py,,")
    write(site, {"demo-0.9.dist-info/RECORD": "old_demo.py,,\ndemo.py,,\n"})
    ready = site.wheel()
    changes = site.sync(ready)
    assert str(changes).splitlines() == [" - demo==0.9", " ~ demo==1.0"]
    assert site.below() == ["demo.py"]
    assert site.versions == {"demo": "1.0"}


@pytest.mark.parametrize(
    ("compiled", "sources", "belongs"),
    [
        ("x.cpython-311.pyc", {"x.py"}, True),
        ("x.cpython-311.opt-1.pyc", {"x.py"}, True),
        ("x.cpython-311-pytest-9.0.pyc", {"x.py"}, True),
        ("x.y.cpython-311.pyc", {"x.y.py"}, True),
        ("xy.cpython-311.pyc", {"x.py"}, False),
        ("x.cpython-311.pyc", {"x.txt"}, False),
        ("x.cpython-311.pyc.123", {"x.py"}, False),
        (".pyc", {".py"}, False),
    ],
)
def test_which_bytecode_belongs_to_which_module(compiled: str, sources: set[str], *, belongs: bool) -> None:
    assert is_compiled_from(compiled, sources) is belongs


def test_one_rename_takes_a_whole_package_away(tmp_path: Path) -> None:
    root = str(tmp_path)
    files = {f"{root}/site/pkg{p}/sub{s}/m{m}.py" for p in range(2) for s in range(3) for m in range(5)}
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).touch()
    standing = standing_directories({"purelib": f"{root}/site"})
    assert find_renames(Disk(standing, [root]), files, set(), set()) == [f"{root}/site/pkg0", f"{root}/site/pkg1"]
    Path(f"{root}/site/pkg1/sub2/mine").touch()
    assert find_renames(Disk(standing, [root]), files, set(), set()) == [
        f"{root}/site/pkg0",
        f"{root}/site/pkg1/sub0",
        f"{root}/site/pkg1/sub1",
        *(f"{root}/site/pkg1/sub2/m{m}.py" for m in range(5)),
    ]
    assert find_renames(Disk(standing, [root]), {f"{root}/site/nothing/here"}, set(), set()) == []
