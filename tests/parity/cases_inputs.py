"""Cases on what is given as SRC_FILE: §1.1 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, case

PROJECT = """\
[project]
name = "proj"
version = "1.0"
dependencies = ["aaa==1.0"]
[project.optional-dependencies]
more = ["bbb"]
most = ["ccc"]
[dependency-groups]
dev = ["ddd", { include-group = "docs" }]
docs = ["pre"]
"""
SCRIPT = '# /// script\n# dependencies = ["aaa==1.0"]\n# ///\nprint()\n'

CASES: list[Case] = [
    case("pins", "aaa==1.0\nbbb==1.0\n", then=(Step(),)),
    *(
        case(f"nothing-and-no-environment-{number}", "", args, venv="none", status=status, environ={"PATH": "/nowhere"})
        for number, (args, status) in enumerate((
            ("r.txt", 0), ("-", 0), ("--check r.txt", 0), ("--output-format json r.txt", 0), ("-p nope r.txt", 0), ("--system r.txt", 0),
            ("--allow-empty-requirements r.txt", 2), ("r.txt nope.txt", 2),
        ))
    ),
    case("false-marker-and-no-environment", "aaa; python_version < '3'\n", venv="none", status=2),
    case("several-files", "aaa==1.0\n", "r.txt more.txt", files={"more.txt": "bbb\n"}),
    case("the-same-file-twice", "aaa==1.0\n", "r.txt r.txt"),
    case("other-extension", args="x.lock", files={"x.lock": "aaa==1.0\n"}),
    case("in-extension", args="x.in", files={"x.in": "aaa==1.0\n"}),
    case("no-extension", args="plain", files={"plain": "aaa==1.0\n"}),
    case("no-extension-with-a-script", args="plain", files={"plain": SCRIPT}),
    case("stdin", args="-", stdin="aaa==1.0\n"),
    case("stdin-with-a-script", args="-", stdin=SCRIPT),
    case("stdin-with-nothing", args="-", installed="aaa-1.0"),
    *(
        case(f"script-tags-{number}-{kind}", None, kind, files={"x.py": text, "plain": text}, stdin=text if kind == "-" else "", status=status[kind == "x.py"])
        for number, (text, *status) in enumerate((
            (SCRIPT.replace("# ///\n", ""), 2, 2), (SCRIPT.replace("# ///\n", "# ///  \n"), 2, 2), (SCRIPT.replace("script\n", "script \n").replace("print()\n", ""), 0, 2),
            ("aaa==1.0\n# /// script\n# x\n", 2, 2), ("# /// script", 2, 2),
        ))
        for kind in ("x.py", "plain", "-")
    ),
    case("script", args="x.py", files={"x.py": SCRIPT}),
    case("script-pyw", args="x.pyw", files={"x.pyw": SCRIPT}),
    case("script-without-metadata", args="x.py", files={"x.py": "print()\n"}, status=2, says="inline script metadata"),
    case("script-with-broken-metadata", args="x.py", files={"x.py": "# /// script\n# dependencies = [\n# ///\n"}, status=2),
    case("script-with-two-blocks", args="x.py", files={"x.py": SCRIPT + SCRIPT}, status=2),
    case("script-never-closed", args="x.py", files={"x.py": "# /// script\n# dependencies = []\n"}, status=2),
    case(
        "script-for-a-later-python",
        args="x.py",
        files={"x.py": '# /// script\n# requires-python = ">=3.99"\n# dependencies = ["aaa"]\n# ///\n'},
        status=2,
        reference=0,
        says="3.99",
        differs="requires-python of a script is honoured",
    ),
    case(
        "script-with-an-index",
        args="x.py",
        index=False,
        files={"x.py": '# /// script\n# dependencies = ["aaa"]\n# [tool.uv]\n# index-url = "@INDEX@"\n# ///\n'},
    ),
    case(
        "script-with-constraints",
        args="x.py",
        files={
            "x.py": '# /// script\n# dependencies = ["aaa"]\n# [tool.uv]\n# constraint-dependencies = ["aaa<2"]\n# ///\n'
        },
    ),
    case(
        "script-with-overrides",
        args="x.py",
        files={
            "x.py": '# /// script\n# dependencies = ["aaa==2.0"]\n# [tool.uv]\n# override-dependencies = ["aaa<2"]\n# ///\n'
        },
    ),
    case(
        "script-with-exclusions",
        args="x.py",
        files={
            "x.py": '# /// script\n# dependencies = ["aaa", "bbb"]\n# [tool.uv]\n# exclude-dependencies = ["aaa"]\n# ///\n'
        },
    ),
    case(
        "script-with-find-links",
        args="x.py",
        files={
            "x.py": '# /// script\n# dependencies = ["aaa"]\n# [tool.uv]\n# no-index = true\n# find-links = ["@WHEELS@"]\n# ///\n'
        },
    ),
    case("project", args="pyproject.toml", files={"pyproject.toml": PROJECT}),
    case("project-elsewhere", args="sub/pyproject.toml", files={"sub/pyproject.toml": PROJECT}),
    case("project-missing", args="pyproject.toml", status=2),
    case("project-without-a-name", args="pyproject.toml", files={"pyproject.toml": "[project]\nversion='1'\n"}, status=2),
    case("project-that-is-no-toml", args="pyproject.toml", files={"pyproject.toml": "[project\n"}, status=2),
    case("project-with-a-bad-dependency", args="pyproject.toml", files={"pyproject.toml": PROJECT.replace("aaa==1.0", "aaa=1")}, status=2),
    case("setup-py-missing", args="setup.py", status=2),
    case("setup-cfg-missing", args="setup.cfg", status=2),
    case("conda", args="environment.yml", files={"environment.yml": "name: x\n"}, status=2, says="onda"),
    case("other-toml", args="foo.toml", files={"foo.toml": ""}, status=2),
    case("other-toml-in-capitals", args="foo.TOML", files={"foo.TOML": ""}, status=2),
    case("pylock-with-two-names", args="pylock.a.b.toml", files={"pylock.a.b.toml": ""}, status=2),
    case("pylock-as-an-extension", args="a.b.pylock.toml", files={"a.b.pylock.toml": ""}, status=2),
    case("pylock-without-its-name", args="pylock..toml", files={"pylock..toml": ""}, status=2),
    case("missing-file", args="nope.txt", status=2, says="nope.txt"),
    case("directory", args=".", status=2),
    case("nothing-given", args="", status=2),
    case("nothing-given-but-a-group", args="--group dev", files={"pyproject.toml": PROJECT}, status=2),
    case("remote", args="@BASE@/remote.txt"),
    case("remote-script", args="@BASE@/script.py"),
    case("remote-pylock", args="@BASE@/pylock.toml"),
    case("remote-missing", args="@BASE@/nope.txt", status=2),
    case("remote-while-offline", args="--offline @BASE@/remote.txt", status=2),
    case("file-address", "aaa==1.0\n", "file://@HERE@/r.txt"),
    case("empty", "", installed="aaa-1.0"),
    case("empty-but-for-comments", "# nothing\n\n", installed="aaa-1.0"),
    case("empty-and-allowed", "", "--allow-empty-requirements r.txt", installed="aaa-1.0"),
    case("empty-and-forbidden-again", "", "--allow-empty-requirements --no-allow-empty-requirements r.txt", installed="aaa-1.0"),
    case("empty-and-check", "", "--check r.txt", installed="aaa-1.0"),
    case("empty-as-json", "", "--output-format json r.txt", installed="aaa-1.0"),
    case("empty-for-this-platform", 'bbb; sys_platform == "win32"\n', installed="aaa-1.0"),
    case("empty-and-a-group", "", "r.txt --group dev", files={"pyproject.toml": PROJECT}, installed="aaa-1.0"),
    case("one-of-two-files-empty", "", "r.txt more.txt", files={"more.txt": "aaa\n"}),
    case("two-index-addresses", "-i @INDEX@\naaa\n", "r.txt more.txt", index=False, files={"more.txt": "-i @SECOND@\n"}, status=2),
    case("the-same-index-twice", "-i @INDEX@\naaa\n", "r.txt more.txt", index=False, files={"more.txt": "-i @INDEX@\nbbb\n"}),
    case("extra", args="--extra more pyproject.toml", files={"pyproject.toml": PROJECT}),
    case("extras-with-a-comma", args="--extra more,most pyproject.toml", files={"pyproject.toml": PROJECT}),
    case("extras-in-turn", args="--extra more --extra MOST pyproject.toml", files={"pyproject.toml": PROJECT}),
    case("all-extras", args="--all-extras pyproject.toml", files={"pyproject.toml": PROJECT}),
    case("no-extras-after-all", args="--all-extras --no-all-extras pyproject.toml", files={"pyproject.toml": PROJECT}),
    case("extra-unknown", args="--extra nope pyproject.toml", files={"pyproject.toml": PROJECT}, status=2, says="nope"),
    case("extra-of-requirements", "aaa\n", "--extra more r.txt", status=2, says="extra"),
    case("all-extras-of-requirements", "aaa\n", "--all-extras r.txt", status=2),
    case("extra-and-all-extras", args="--extra more --all-extras pyproject.toml", files={"pyproject.toml": PROJECT}, status=2),
    case("group", "aaa\n", "r.txt --group dev", files={"pyproject.toml": PROJECT}),
    case("groups", "aaa\n", "r.txt --group dev --group docs", files={"pyproject.toml": PROJECT}),
    case("group-of-a-path", "aaa\n", "r.txt --group sub/pyproject.toml:docs", files={"sub/pyproject.toml": PROJECT}),
    case("group-beside-the-file", args="sub/pyproject.toml --group docs", files={"sub/pyproject.toml": PROJECT}, status=2),
    case("group-of-another-name", "aaa\n", "r.txt --group sub/x.toml:docs", files={"sub/x.toml": PROJECT}, status=2),
    case("group-without-a-project", "aaa\n", "r.txt --group dev", status=2),
    case("group-unknown", "aaa\n", "r.txt --group nope", files={"pyproject.toml": PROJECT}, status=2, says="nope"),
    case("group-that-includes-itself", "aaa\n", "r.txt --group a", files={"pyproject.toml": '[dependency-groups]\na = [{include-group = "a"}]\n'}, status=2),
    case("group-that-includes-nothing-known", "aaa\n", "r.txt --group a", files={"pyproject.toml": '[dependency-groups]\na = [{include-group = "b"}]\n'}, status=2),
    case("group-of-the-project-option", "aaa\n", "r.txt --project sub --group docs", files={"sub/pyproject.toml": PROJECT}),
]  # fmt: skip
