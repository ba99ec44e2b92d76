"""The order of settings, what each place may say, and where each value came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_envsync.errors import UsageError
from pytest_envsync.requirements import Requirements
from pytest_envsync.settings.arguments import ALL, scan
from pytest_envsync.settings.declared import find_declared, read_declared
from pytest_envsync.settings.merge import Said, Settings, resolve_settings, session_settings
from pytest_envsync.wheels.index.indexes import effective_indexes


def settings(
    *argv: str, cwd: Path, environ: Mapping[str, str] | None = None, ini: Said | None = None, session: bool = False
) -> Settings:
    """The settings of a command line, with nothing of this machine."""
    values = scan(argv, ALL)[0].values
    clean = {"PIP_CONFIG_FILE": os.devnull, **(environ or {})}
    return resolve_settings(values, ini=ini, cwd=str(cwd), environ=clean, session=session)


PROJECT = """
[tool.envsync]
index-url = "https://own.example/simple"
[tool.uv]
index-url = "https://uv.example/simple"
[tool.uv.pip]
index-url = "https://uvpip.example/simple"
"""

STRENGTH = [
    ("command line", "https://line.example/simple"),
    ("ENVSYNC_INDEX_URL", "https://var.example/simple"),
    ("pytest ini", "https://ini.example/simple"),
    ("[tool.envsync]", "https://own.example/simple"),
    ("UV_INDEX_URL", "https://uvvar.example/simple"),
    ("[tool.uv.pip]", "https://uvpip.example/simple"),
    ("[tool.uv]", "https://uv.example/simple"),
    ("PIP_INDEX_URL", "https://pip.example/simple"),
]


@pytest.mark.parametrize("strongest", range(len(STRENGTH)))
def test_the_stronger_place_hides_the_weaker_ones(tmp_path: Path, strongest: int) -> None:
    present = dict(STRENGTH[strongest:])
    lines = []
    for table in ("[tool.envsync]", "[tool.uv]", "[tool.uv.pip]"):
        if table in present:
            lines += [table, f'index-url = "{present[table]}"']
    (tmp_path / "pyproject.toml").write_text("\n".join(lines))
    argv = ["--index-url", present["command line"]] if "command line" in present else []
    ini = Said(given={"index_url": present["pytest ini"]}) if "pytest ini" in present else None
    found = settings(
        *argv,
        cwd=tmp_path,
        environ={name: url for name, url in present.items() if name.isupper() or "_" in name},
        ini=ini,
    )
    place, url = STRENGTH[strongest]
    assert found.options.index_url == url
    assert place == "command line" or place in found.origins["index_url"]


def test_lists_of_files_stand_behind_the_list_of_the_moment(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.envsync]\nfind-links = ["own"]\n[tool.uv]\nfind-links = ["uv"]\n[tool.uv.pip]\nfind-links = ["pip"]\n'
    )
    environ = {"UV_FIND_LINKS": "variable", "ENVSYNC_FIND_LINKS": "ours", "PIP_FIND_LINKS": "/pip"}
    below = [str(tmp_path / name) for name in ("own", "pip", "uv")]
    assert settings("-f", "line", cwd=tmp_path, environ=environ).options.find_links == ("line", "own", "pip", "uv")
    inner = tmp_path / "inner"
    inner.mkdir()
    assert settings("-f", "line", cwd=inner, environ=environ).options.find_links == ("line", *below)
    assert settings(cwd=inner, environ=environ).options.find_links == ("ours", *below)
    del environ["ENVSYNC_FIND_LINKS"]
    assert settings(cwd=inner, environ=environ).options.find_links == (below[0], "variable", *below[1:])


def test_pip_counts_where_nothing_else_speaks(tmp_path: Path) -> None:
    environ = {"PIP_INDEX_URL": "https://p/", "PIP_EXTRA_INDEX_URL": "https://a/ https://b/", "PIP_CERT": "c.pem"}
    options = settings("--extra-index-url", "https://x/", cwd=tmp_path, environ=environ).options
    assert (options.index_url, options.extra_index_urls, options.cert) == ("https://p/", ("https://x/",), "c.pem")
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        assert settings(cwd=tmp_path, environ={**environ, variable: "d"}).options.cert is None
    found = settings("--system-certs", cwd=tmp_path, environ=environ)
    assert (found.options.cert, found.origins.get("cert")) == (None, None)


def test_further_indexes_of_pip_are_asked_as_pip_asks_them(tmp_path: Path) -> None:
    environ = {"PIP_EXTRA_INDEX_URL": "https://a/"}
    found = settings(cwd=tmp_path, environ=environ)
    assert found.options.index_strategy == "unsafe-best-match"
    assert "PIP_EXTRA_INDEX_URL" in found.origins["index_strategy"]
    assert (
        settings("--extra-index-url", "https://x/", cwd=tmp_path, environ=environ).options.index_strategy
        == "first-index"
    )
    chosen = {**environ, "UV_INDEX_STRATEGY": "unsafe-first-match"}
    assert settings(cwd=tmp_path, environ=chosen).options.index_strategy == "unsafe-first-match"


def test_pip_files_in_their_order(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text(
        "[global]\nindex-url = https://user/\nextra-index-url =\n  https://one/\n  https://two/\n[install]\ncert = x\n"
    )
    last = tmp_path / "last.conf"
    last.write_text("[install]\nindex_url = https://last/\nno-index = yes\n")
    found = settings(
        cwd=tmp_path, environ={"HOME": str(home), "PIP_CONFIG_FILE": str(last), "XDG_CONFIG_DIRS": "/nope"}
    )
    assert found.options.index_url == "https://last/"
    assert found.options.extra_index_urls == ("https://one/", "https://two/")
    assert (found.options.cert, found.options.no_index) == ("x", True)
    assert found.origins["index_url"] == str(last)
    assert str(last) in found.looked_at


def test_a_damaged_pip_file_is_not_ours_to_complain_about(tmp_path: Path) -> None:
    damaged = tmp_path / "pip.conf"
    damaged.write_text("index-url = x")
    assert settings(cwd=tmp_path, environ={"PIP_CONFIG_FILE": str(damaged)}).options.index_url is None


@pytest.mark.parametrize(
    ("argv", "environ", "table", "expected"),
    [
        (["--index-url", "a"], {"UV_DEFAULT_INDEX": "b"}, "", ("a", None)),
        (["--default-index", "a"], {"UV_INDEX_URL": "b"}, "", (None, "a")),
        ([], {"PIP_INDEX_URL": "b"}, 'default-index = "https://a/"', (None, "https://a/")),
        (["-i", "a", "--default-index", "b"], {}, "", ("a", "b")),
    ],
)
def test_only_the_strongest_place_names_the_default_index(
    tmp_path: Path, argv: list[str], environ: dict[str, str], table: str, expected: tuple[str | None, str | None]
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.envsync]\n{table}\n")
    options = settings(*argv, cwd=tmp_path, environ=environ).options
    assert (options.index_url, options.default_index) == expected


def test_sessions_take_no_place_from_uv(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.uv]\nlink-mode = "copy"\noffline = true\n[tool.uv.pip]\nsystem = true\ntarget = "t"\nprefix = "p"\n'
    )
    environ = {"UV_PYTHON": "3.9", "UV_SYSTEM_PYTHON": "1", "UV_LINK_MODE": "symlink", "UV_INDEX_URL": "https://i/"}
    plain = settings(cwd=tmp_path, environ=environ).options
    assert (plain.python, plain.system, plain.link_mode, plain.target) == ("3.9", True, "symlink", "t")
    session = settings(cwd=tmp_path, environ=environ, session=True).options
    assert (session.python, session.system, session.link_mode, session.target, session.prefix) == (
        None, False, None, None, None,
    )  # fmt: skip
    assert (session.index_url, session.offline) == ("https://i/", True)
    own = settings(cwd=tmp_path, environ={"ENVSYNC_LINK_MODE": "copy"}, session=True).options
    assert own.link_mode == "copy"


def test_the_cache_of_uv_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('cache-dir = "theirs"\n')
    assert settings(cwd=tmp_path, environ={"UV_CACHE_DIR": "theirs"}).options.cache_dir is None
    assert settings(cwd=tmp_path, environ={"ENVSYNC_CACHE_DIR": "ours"}).options.cache_dir == "ours"


def test_the_project_is_looked_for_in_the_parents(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "uv.toml").write_text("offline = true\n")
    (tmp_path / "pyproject.toml").write_text("[tool.envsync]\nstrict = true\n")
    (tmp_path / "a" / "pyproject.toml").write_text('[project]\nname = "x"\n')
    options = settings(cwd=inner).options
    assert (options.offline, options.strict) == (True, True)
    (tmp_path / "a" / "pyproject.toml").write_text('[tool.uv]\nlink-mode = "copy"\n')
    options = settings(cwd=inner).options
    assert (options.offline, options.link_mode) == (False, "copy")


def test_uv_toml_hides_the_table_beside_it(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text("offline = true\n")
    (tmp_path / "pyproject.toml").write_text('[tool.uv]\nlink-mode = "copy"\n')
    assert settings(cwd=tmp_path).options.link_mode is None


def test_user_and_machine_files_follow_the_project(tmp_path: Path) -> None:
    for name, text in (("user", 'link-mode = "copy"\nno-binary-package = ["u"]'), ("machine", "offline = true")):
        (tmp_path / name / "uv").mkdir(parents=True)
        (tmp_path / name / "uv" / "uv.toml").write_text(text)
    (tmp_path / "uv.toml").write_text('link-mode = "clone"\nno-binary-package = ["p"]\n')
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "user"), "XDG_CONFIG_DIRS": str(tmp_path / "machine")}
    options = settings(cwd=tmp_path, environ=environ).options
    assert (options.link_mode, options.offline, options.no_binary) == ("clone", True, ("p", "u"))


def test_no_config_and_config_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "other.toml").write_text('index-url = "https://other/"\n')
    pip = {"PIP_INDEX_URL": "https://pip/"}
    assert settings("--no-config", cwd=tmp_path, environ=pip).options.index_url is None
    assert settings(cwd=tmp_path, environ={"UV_NO_CONFIG": "1"}).options.index_url is None
    assert settings("--config-file", "other.toml", cwd=tmp_path).options.index_url == "https://other/"
    assert settings("--project", str(tmp_path), cwd=Path("/")).options.index_url == "https://own.example/simple"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--config-file", "nope.toml"], "nope.toml` cannot be read"),
        (["--project", "nope"], "project directory `nope` does not exist"),
        (["--config-file", "bad.toml"], "is not valid TOML"),
        (["--config-file", "type.toml"], "`index-url`: expected a text, found True"),
    ],
)
def test_what_cannot_be_read_is_an_error(tmp_path: Path, argv: list[str], message: str) -> None:
    (tmp_path / "bad.toml").write_text("x = [")
    (tmp_path / "type.toml").write_text("index-url = true")
    with pytest.raises(UsageError) as caught:
        settings(*argv, cwd=tmp_path)
    assert message in str(caught.value)


def test_mistakes_in_a_shared_file_are_warnings(tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text("[tool.uv]\nindex-url = 1.5j\n")
    assert "not valid TOML" in settings(cwd=tmp_path).warnings[0]
    project.write_text('[tool.uv]\nunknown = 1\noffline = "x"\nlink-mode = "copy"\n')
    found = settings(cwd=tmp_path)
    assert ["`unknown`" in found.warnings[0], "`offline`" in found.warnings[1]] == [True, True]
    assert len(found.warnings) == 2
    assert found.options.link_mode == "copy"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("offlin = true", "unknown key `offlin`", "did you mean `offline`?"),
        ("dry-run = true", "unknown key `dry-run`", None),
        ('offline = "yes"', "`offline`: expected true or false", None),
        ("environments = 1", "`environments` must be a table", None),
        ('link-mode = "move"', "invalid value `move`", "possible values: clone, copy, hardlink, symlink"),
    ],
)
def test_mistakes_in_our_own_table_are_errors(tmp_path: Path, text: str, message: str, hint: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.envsync]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        settings(cwd=tmp_path)
    assert message in str(caught.value)
    assert hint is None or caught.value.hint == hint


def test_our_own_table_takes_every_spelling_of_a_key(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.envsync]\nno-verify-hashes = true\nauto-prune = false\nconstraints = 'c.txt'\n"
        "index = ['https://i/', {name = 'n', url = 'https://n/'}]\nconfig-settings = {a = '1'}\n"
    )
    found = settings(cwd=tmp_path)
    assert found.options.verify_hashes is False
    assert found.options.constraints == ("c.txt",)
    assert found.options.index == ("https://i/", "n=https://n/")
    assert found.options.config_settings == ("a=1",)
    assert found.command["auto_prune"] is False


def test_index_tables_of_uv(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(
        """
        [[index]]
        name = "first"
        url = "https://first/"
        [[index]]
        url = "./local"
        [[index]]
        name = "hidden"
        url = "https://hidden/"
        explicit = true
        [[index]]
        url = "https://default/"
        default = true
        [[index]]
        url = "https://flat/"
        format = "flat"
        """
    )
    inner = tmp_path / "inner"
    inner.mkdir()
    options = settings(cwd=inner).options
    assert options.index == (
        "first=https://first/", str(tmp_path / "./local"), "hidden=https://hidden/", "https://flat/"
    )  # fmt: skip
    assert options.default_index == "https://default/"
    asked = effective_indexes(Requirements(), options)
    assert [index.url for index in asked] == [
        "https://first/", f"file://{tmp_path}/local", "https://flat/", "https://default/"
    ]  # fmt: skip
    assert [index.rule.flat for index in asked] == [False, False, True, False]


def test_an_explicit_index_is_asked_when_the_command_line_names_it(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('[[index]]\nname = "a"\nurl = "https://a/"\nexplicit = true\n')
    named = effective_indexes(Requirements(), settings("--index", "https://a", cwd=tmp_path).options)
    assert next(index.url for index in named) == "https://a"


def test_the_rules_of_an_index_hold_for_its_address_alone(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(
        '[[index]]\nurl = "https://u:secret@a/simple/"\nauthenticate = "always"\nignore-error-codes = [403, 500]\n'
        'exclude-newer = "30 days"\n[[index]]\nurl = "https://b"\nexclude-newer = false\n'
    )
    options = settings(cwd=tmp_path).options
    first, second, _ = effective_indexes(Requirements(), options)
    assert (first.missing, first.rule.authenticate) == (frozenset({403, 500}), "always")
    assert (first.rule.exclude_newer, second.rule.exclude_newer) == ("30 days", "false")
    assert "secret" not in "".join(options.index_rules)


@pytest.mark.parametrize(
    "line",
    [
        'index = "https://a"', 'index = ["https://a"]', "index = [{}]", "index = [{ url = 1 }]",
        'index = [{ url = "https://a", name = 1 }]', 'index = [{ url = "https://a", default = 1 }]',
        'index = [{ url = "https://a", format = "x" }]', 'index = [{ url = "https://a", authenticate = true }]',
        'index = [{ url = "https://a", ignore-error-codes = [99] }]',
        'index = [{ url = "https://a", ignore-error-codes = [true] }]',
        'index = [{ url = "https://a", exclude-newer = 1 }]', 'index = [{ url = "https://a", explicit = true }]',
        'find-links = "x"', "pip = 1", "workspace = {}", "nonsense = 1", "pip.index = []", "pip.nonsense = 1",
    ],
)  # fmt: skip
def test_what_a_uv_toml_cannot_say(tmp_path: Path, line: str) -> None:
    (tmp_path / "uv.toml").write_text(f"{line}\n")
    with pytest.raises(UsageError, match=r"uv\.toml"):
        settings(cwd=tmp_path)


def test_variables_that_files_of_uv_stand_for(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('concurrent-downloads = 3\nno-proxy = ["a", "b"]\n')
    assert settings(cwd=tmp_path).environ["ENVSYNC_NO_PROXY"] == "a,b"
    assert settings(cwd=tmp_path).environ["UV_CONCURRENT_DOWNLOADS"] == "3"
    assert settings(cwd=tmp_path, environ={"UV_CONCURRENT_DOWNLOADS": "9"}).environ["UV_CONCURRENT_DOWNLOADS"] == "9"
    assert settings("--no-installer-metadata", cwd=tmp_path).environ["UV_NO_INSTALLER_METADATA"] == "1"


def test_none_clears_what_weaker_places_say(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('no-binary-package = ["a"]\n')
    assert settings("--no-binary", "b", cwd=tmp_path).options.no_binary == ("b", "a")
    assert settings("--no-binary", ":none:", cwd=tmp_path).options.no_binary == (":none:",)


def test_a_refresh_that_is_offline_is_refused_wherever_it_was_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--offline"):
        settings("--refresh", cwd=tmp_path, environ={"UV_OFFLINE": "1"})


def test_session_settings_by_name_and_by_argument(tmp_path: Path) -> None:
    found = session_settings(
        ["--require-hashes", "-f", "a"],
        {"extra": ["x"], "groups": "g", "index_url": None, "find_links": ["b"]},
        ini=Said(arguments=["--no-index"], given={"extras": ["ini"]}, base=str(tmp_path)),
        cwd=str(tmp_path / "elsewhere"),
        environ={"PIP_CONFIG_FILE": os.devnull, "ENVSYNC_PROJECT": str(tmp_path)},
    )
    options = found.options
    assert (options.require_hashes, options.extras, options.groups) == (True, ("x",), ("g",))
    assert (options.find_links, options.no_index) == (("b",), True)
    assert found.origins["no_index"] == "pytest ini"


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        ([], {"indexurl": "x"}, "`indexurl` is no option of a sync"),
        (["requirements.txt"], {}, "`requirements.txt` is no option"),
        (["--nope"], {}, "unexpected option"),
        ([], {"extras": 1}, "`extras`: expected a list of texts"),
    ],
)
def test_wrong_session_settings(tmp_path: Path, arguments: list[str], given: dict[str, object], message: str) -> None:
    if given.get("extras") == 1:
        given = {"extras": object()}
    with pytest.raises(UsageError) as caught:
        session_settings(arguments, given, cwd=str(tmp_path), environ={})
    assert message in str(caught.value)


def test_declared_environments() -> None:
    table = {
        "low": {"files": ["locks/low.txt"], "python": ["3.11", "./py"], "extras": ["x"], "project": ["."]},
        "low-web": "web.txt",
        "high": {"files": "https://h/pylock.toml", "project": "none"},
    }
    declared = read_declared(table, "/base")
    assert declared["low"].files == ("/base/locks/low.txt",)
    assert (declared["low"].python, declared["low"].project) == (("3.11", "/base/py"), ("/base",))
    assert declared["high"].files == ("https://h/pylock.toml",)
    assert declared["high"].project == ("none",)
    assert [row.name for row in find_declared("low*", declared)] == ["low", "low-web"]
    assert [row.name for row in find_declared("low", declared)] == ["low"]
    assert find_declared("nope", declared) == ()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"files": []}, "`files` is missing"),
        ({"file": ["x"]}, "unknown key `file`"),
        ({"files": [1]}, "`files`: expected a text"),
        (1, "expected a table"),
    ],
)
def test_wrong_declarations_name_the_row(row: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_declared({"low": row}, "/base")
    assert message in str(caught.value)
    assert "`low`" in str(caught.value)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), ".venv"),
        (("-p", "3.12"), ".venv"),
        (("-p", "./other"), None),
        (("-p", "other"), None),
        (("--target", "t"), None),
        (("--venv", "mine"), "mine"),
    ],
)
def test_an_environment_that_the_command_names_beats_a_configured_one(
    argv: tuple[str, ...], expected: str | None, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.envsync]\nvenv = ".venv"\n')
    (tmp_path / "other").mkdir()
    found = settings(*argv, cwd=tmp_path).options.venv
    assert (found and Path(found).name) == expected
