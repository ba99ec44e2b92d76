"""Cases on the reference's own files, ``uv.toml`` and ``[tool.uv]``: §1.3 and §7 of the reference's behaviour."""

from __future__ import annotations

from typing import Any

from case import Case, Step, Text, case
from cases_sources import tree

PROJECT = '[project]\nname = "proj"\nversion = "1.0"\ndependencies = ["aaa"]\n'
MINE = '[tool.uv.sources]\naaa = { index = "mine" }\n'


def said(name: str, text: str, lines: str | None = "aaa\n", args: str = "r.txt", **more: Any) -> Case:
    """Return a case with *text* in ``uv.toml``."""
    files: dict[str, Text] = {"uv.toml": text, **more.pop("files", {})}
    return case(name, lines, args, files=files, **more)


def index(address: str, more: str) -> str:
    return f'[[index]]\nurl = "{address}"\n{more}\n'


def build(name: str, text: str, lines: str = "./p\n", **more: Any) -> Case:
    """Return a case with a source tree in ``p``."""
    return said(name, text, lines, files=dict(tree("p")), **more)


def project(name: str, text: str, args: str = "pyproject.toml", **more: Any) -> Case:
    """Return a case that syncs the dependencies of a project with *text* behind them."""
    files: dict[str, Text] = {"pyproject.toml": PROJECT + text, **more.pop("files", {})}
    return case(name, None, args, files=files, **more)


CASES: list[Case] = [
    said("explicit", index("@SECOND@", 'name = "mine"\nexplicit = true')),
    said("explicit-without-a-name", index("@SECOND@", "explicit = true"), status=2),
    said("explicit-and-default", index("@INDEX@", 'name = "mine"\ndefault = true\nexplicit = true'), index=False, status=1),
    project("explicit-of-the-project", f'[[tool.uv.index]]\nurl = "@SECOND@"\nname = "mine"\nexplicit = true\n{MINE}'),
    project("source-on-an-index-of-the-option", MINE, "--index mine=@SECOND@ pyproject.toml"),
    project("source-on-an-index-of-the-variable", MINE, environ={"UV_INDEX": "mine=@SECOND@"}),
    project("source-on-an-index-of-a-file", MINE, "sub/pyproject.toml", files={"uv.toml": index("@SECOND@", 'name = "mine"'), "sub/pyproject.toml": PROJECT + MINE}, reference=2, differs="an index that any setting names can be meant by a source"),
    project("source-on-an-index-that-nobody-names", MINE, status=2),
    project("source-on-an-index-with-a-login", '[[tool.uv.index]]\nurl = "@LOCKED@"\nname = "mine"\n[tool.uv.sources]\nshy = { index = "mine" }\n', environ={"UV_INDEX_MINE_USERNAME": "user", "UV_INDEX_MINE_PASSWORD": "secret"}, files={"pyproject.toml": PROJECT.replace("aaa", "shy") + '[[tool.uv.index]]\nurl = "@LOCKED@"\nname = "mine"\nexplicit = true\n[tool.uv.sources]\nshy = { index = "mine" }\n'}),
    said("authenticate-always", index("@INDEX@", 'name = "x"\ndefault = true\nauthenticate = "always"'), index=False, status=2),
    said("authenticate-always-with-a-login", index("@LOCKED@", 'name = "x"\ndefault = true\nauthenticate = "always"'), "shy\n", index=False, environ={"UV_INDEX_X_USERNAME": "user", "UV_INDEX_X_PASSWORD": "secret"}),
    said("authenticate-never", index("@INDEX@", 'name = "x"\ndefault = true\nauthenticate = "never"'), index=False),
    said("authenticate-never-though-there-is-a-login", index("@LOCKED@", 'name = "x"\ndefault = true\nauthenticate = "never"'), "shy\n", index=False, files={"netrc": "machine 127.0.0.1\nlogin user\npassword secret\n"}, environ={"NETRC": "@HERE@/netrc"}, status=1),
    said("authenticate-auto", index("@WITHLOGIN@", 'name = "x"\ndefault = true\nauthenticate = "auto"'), "shy\n", index=False),
    said("authenticate-sometimes", index("@INDEX@", 'authenticate = "sometimes"'), status=2),
    said("ignored-status", index("@LOCKED@", 'name = "x"\nignore-error-codes = [401]')),
    said("another-ignored-status", index("@LOCKED@", 'name = "x"\nignore-error-codes = [403]'), status=1),
    said("ignored-status-that-is-a-text", index("@LOCKED@", 'ignore-error-codes = ["x"]'), status=2),
    said("ignored-status-that-is-none", index("@LOCKED@", "ignore-error-codes = [99]"), status=2),
    said("flat", index("@BASE@/links.html", 'name = "x"\nformat = "flat"'), "yank==1.0\n"),
    said("flat-and-default", index("@BASE@/links.html", 'name = "x"\nformat = "flat"\ndefault = true'), "yank==1.0\n", index=False),
    said("flat-and-a-directory", index("@WHEELS@", 'format = "flat"\ndefault = true'), "aaa\nbbb\n", index=False),
    said("flat-and-explicit", index("@BASE@/links.html", 'name = "x"\nformat = "flat"\nexplicit = true'), "eee\n", status=1),
    said("format-unknown", index("@INDEX@", 'format = "x"'), status=2),
    said("two-defaults", index("@INDEX@", "default = true") + index("@SECOND@", "default = true"), index=False),
    said("an-index-without-an-address", '[[index]]\nname = "x"\n', status=2),
    said("an-index-that-is-a-text", 'index = ["@SECOND@"]\n', status=2),
    said("an-index-with-a-key-of-nobody", index("@INDEX@", "nonsense = 1")),
    said("an-index-with-a-cut-off", index("@INDEX@", 'name = "x"\ndefault = true\nexclude-newer = "2010-01-01"'), index=False, environ={"UV_PREVIEW_FEATURES": "pylock,index-exclude-newer"}),
    *(
        said(f"no-text-{number}", text, status=2, index=False)
        for number, text in enumerate((
            "exclude-newer = 2010-01-01\n", "exclude-newer = 2010-01-01T00:00:00Z\n", "exclude-newer = 3\n", "exclude-newer-package = { aaa = 2010-01-01 }\n",
            "index-url = 3\n", "extra-index-url = [3]\n", "[pip]\npython-version = 3.12\n", index("@INDEX@", "cache-control = { files = 3 }"),
        ))
    ),
    *(
        case(f"no-text-of-the-project-{number}", "aaa\n", files={"pyproject.toml": f"[tool.uv]\n{text}\n"})
        for number, text in enumerate(("index-url = 3", "exclude-newer = 2010-01-01", 'exclude-newer = "yesterday"', 'exclude-newer-package = { aaa = "x" }'))
    ),
    *(
        said(f"what-a-table-says-is-not-meant-by-{way.split()[0]}{number}", index("@INDEX@", f'name = "x"\n{kind}'), args=f"{way} r.txt", index=False, environ={"UV_PREVIEW_FEATURES": "pylock,index-exclude-newer"})
        for number, (kind, way) in enumerate((
            ('default = true\nexclude-newer = "2010-01-01"', "-i @INDEX@"),
            ('exclude-newer = "2010-01-01"', "--default-index y=@INDEX@/"),
            ('exclude-newer = "2010-01-01"', "--index x=@INDEX@"),
            ('exclude-newer = "2010-01-01"', "--extra-index-url @INDEX@"),
            ("explicit = true", "-i @INDEX@"),
            ('default = true\nauthenticate = "always"', "-i @INDEX@"),
        ))
    ),
    said("what-a-table-says-is-not-meant-by-a-variable", index("@INDEX@", 'default = true\nexclude-newer = "2010-01-01"'), index=False, environ={"UV_INDEX_URL": "@INDEX@"}),
    said("what-a-table-says-is-meant-by-a-file", index("@INDEX@", 'default = true\nexclude-newer = "2010-01-01"'), "-i @INDEX@\naaa\n", index=False, environ={"UV_PREVIEW_FEATURES": "pylock,index-exclude-newer"}),
    said("the-first-of-two-tables-counts", index("@INDEX@", "") + index("@INDEX@", 'default = true\nexclude-newer = "2010-01-01"'), index=False),
    said("an-extra-index-of-the-command-line-before-a-table", index("@INDEX@", ""), args="--extra-index-url @SECOND@ r.txt"),
    said("an-extra-index-of-a-variable-before-a-table", index("@INDEX@", ""), environ={"UV_EXTRA_INDEX_URL": "@SECOND@"}),
    said("a-table-before-an-extra-index-of-the-file", 'extra-index-url = ["@SECOND@"]\n' + index("@INDEX@", "")),
    said("an-extra-index-of-a-requirements-file-behind-a-table", index("@INDEX@", ""), "--extra-index-url @SECOND@\naaa\n"),
    said("a-default-table-before-an-index-url", 'index-url = "@INDEX@"\n[pip]\nindex-url = "@INDEX@"\n' + index("@SECOND@", "default = true"), index=False),
    case("an-index-url-before-the-variable-of-the-default", "aaa\n", "-i @SECOND@ r.txt", environ={"UV_DEFAULT_INDEX": "@INDEX@"}, differs="the command line overrules variables, whatever the spelling"),
    said("an-index-without-the-cut-off", 'exclude-newer = "2010-01-01"\n' + index("@INDEX@", 'name = "x"\ndefault = true\nexclude-newer = false'), index=False, environ={"UV_PREVIEW_FEATURES": "pylock,index-exclude-newer"}),
    *(
        build(f"extra-requirements-{name}", f"[extra-build-dependencies]\nproj = [{items}]\n", lines, status=status)
        for name, items, lines, status in (
            ("plain", '"aaa"', "./p\n", 0), ("of-nobody", '"nowhere-to-be-found"', "./p\n", 1), ("as-a-table", '{ requirement = "aaa", match-runtime = false }', "./p\n", 0),
            ("that-match", '{ requirement = "aaa", match-runtime = true }', "./p\naaa==1.0\n", 0),
            ("that-match-nothing", '{ requirement = "aaa", match-runtime = true }', "./p\n", 2),
            ("that-match-a-range", '{ requirement = "aaa>1", match-runtime = true }', "./p\naaa==1.0\n", 2),
        )
    ),
    build("extra-requirements-then-others", '[extra-build-dependencies]\nproj = ["aaa"]\n', then=(Step(), Step(files={"uv.toml": ""}), Step(files={"uv.toml": '[pip.extra-build-dependencies]\nproj = ["bbb"]\n'}))),
    build("extra-requirements-that-match-another", '[extra-build-dependencies]\nproj = [{ requirement = "aaa", match-runtime = true }]\n', "./p\naaa==1.0\n", then=(Step(files={"r.txt": "./p\naaa==2.0\n"}),)),
    build("extra-requirements-that-are-a-text", "[extra-build-dependencies]\nproj = 'aaa'\n", status=2),
    build("extra-variables", "[extra-build-variables]\nproj = { A = '1' }\n", then=(Step(), Step(files={"uv.toml": ""}), Step(files={"uv.toml": "[extra-build-variables]\nproj = { A = '2' }\n"}))),
    build("extra-variables-that-are-numbers", "[extra-build-variables]\nproj = { A = 1 }\n", status=2),
    build("extra-variables-that-are-a-text", "[extra-build-variables]\nproj = 'x'\n", status=2),
    *(
        build(f"stated-metadata-{name}", f"dependency-metadata = [{row}]\n", lines, status=status)
        for name, row, lines, status in (
            ("of-a-directory", "{ name = 'proj', version = '1.0', requires-python = '>=3.99' }", "./p\n", 1),
            ("of-a-wheel", "{ name = 'aaa', version = '1.0', requires-python = '>=3.99' }", "@WHEELS@/aaa-1.0-py3-none-any.whl\n", 1),
            ("of-the-index", "{ name = 'aaa', requires-python = '>=3.99' }", "aaa==1.0\n", 0),
            ("of-another-version", "{ name = 'aaa', version = '7', requires-python = '>=3.99' }", "@WHEELS@/aaa-1.0-py3-none-any.whl\n", 0),
            ("that-allows", "{ name = 'future', version = '1.0', requires-python = '>=3' }", "@WHEELS@/future-1.0-py3-none-any.whl\n", 0),
            ("without-a-name", "{ version = '1.0' }", "aaa\n", 2), ("with-a-key-of-nobody", "{ name = 'aaa', foo = 1 }", "aaa\n", 2),
        )
    ),
    said("unknown-key", "nonsense = 1\n", status=2),
    said("unknown-key-for-pip", "[pip]\nnonsense = 1\n", status=2),
    said("a-key-of-the-top-for-pip", "[pip]\nsystem-certs = true\n", status=2),
    said("an-index-for-pip", '[[pip.index]]\nurl = "@SECOND@"\n', status=2),
    said("unknown-key-and-no-configuration", "nonsense = 1\n", args="--no-config r.txt"),
    said("keys-that-mean-nothing-here", 'python-preference = "system"\npreview = true\ncache-keys = []\n[pip]\nuniversal = true\nno-deps = true\n'),
    *(
        said(f"only-for-projects-{key.partition(' ')[0]}", f"{key}\n", status=2)
        for key in ("workspace = {}", "sources = {}", "managed = true", "dev-dependencies = []", "conflicts = []", "environments = []")
    ),
    said("a-text-for-a-list", 'find-links = "x"\n', status=2),
    said("a-text-for-a-switch", 'offline = "yes"\n', status=2),
    said("required-version", 'required-version = ">=99"\n', reference=2, differs="envsync is not the program whose version is meant"),
    case("unknown-key-of-a-project", "aaa\n", files={"pyproject.toml": "[tool.uv]\nnonsense = 1\n"}),
    case("unknown-key-of-a-project-beside-an-index", "aaa\n", index=False, files={"pyproject.toml": '[tool.uv]\nnonsense = 1\nindex-url = "@INDEX@"\n'}, reference=2, differs="a key that is unknown does not take the others with it: they may name the private index"),
    said("reinstall-package", 'reinstall-package = ["aaa"]\n', installed="aaa-1.0"),
    said("upgrade", "upgrade = true\n", installed="aaa-1.0"),
    said("pre-releases-by-the-file", 'prerelease = "allow"\n', "pre\n"),
    said("the-lowest-by-the-file", 'resolution = "lowest"\n'),
    said("constraints-of-a-workspace", 'constraint-dependencies = ["aaa<2"]\noverride-dependencies = ["aaa<2"]\nexclude-dependencies = ["aaa"]\n'),
]  # fmt: skip
