"""Cases in which a second reading of the reference found differences: choices, configuration, groups, odd wheels."""

from __future__ import annotations

from case import Case, Step, case

LISTED = "--no-index -f @WHEELS@ r.txt"
PROJECT = '[project]\nname = "x"\nversion = "1"\n'
STATED = f'{PROJECT}dependencies = ["aaa"]\n'
SOURCES = "[tool.uv.sources]\n"


def group(name: str, content: str, args: str = "--group g r.txt", status: int = 0) -> Case:
    """Return a case of a group beside a requirements file."""
    return case(f"group-{name}", "aaa\n", args, files={"pyproject.toml": content}, status=status)


def project(name: str, content: str, args: str = "pyproject.toml", status: int = 0) -> Case:
    """Return a case of a project."""
    return case(f"project-{name}", args=args, files={"pyproject.toml": content}, status=status)


CASES: list[Case] = [
    *(
        case(f"final-before-pre-release-{number}", f"{line}\n", files={"c.txt": f"{constraint}\n"}, args="-c c.txt r.txt")
        for number, (line, constraint) in enumerate((
            ("pre>=1.1a1", ""), ("pre>=1.0.dev1", ""), ("pre<2.0rc2", ""), ("pre<=2.0b1", ""), ("pre!=2.0b1", ""), ("pre>=1.0\npre>=1.0a1", ""),
            ("pre", "pre>=1.0a1"), ("pre", "pre>=1.1a1"), ("pre", "pre==2.0b1"), ("pre>1.0", ""), ("pre>=1.0a1,!=1.0", ""), ("pre==2.*", ""),
        ))
    ),
    case("torch-backend-without-indexes", "aaa\n", f"--torch-backend cpu {LISTED}"),
    case("torch-itself-without-indexes", "torch\n", f"--torch-backend cpu {LISTED}", status=1),
    case("torch-itself-by-a-variable", "torch\n", LISTED, environ={"UV_TORCH_BACKEND": "cpu"}, status=1),
    case("no-configuration-but-a-file", "aaa\n", "--no-config --config-file u.toml r.txt", files={"u.toml": "compile-bytecode = true\n"}),
    case("no-configuration-but-a-file-by-a-variable", "aaa\n", files={"u.toml": "compile-bytecode = true\n", "uv.toml": "nonsense = 1\n"}, environ={"UV_NO_CONFIG": "1", "UV_CONFIG_FILE": "u.toml"}),
    group("of-uv", '[tool.uv]\ndev-dependencies = ["ccc"]\n', "--group dev r.txt"),
    group("of-both", '[dependency-groups]\nDev = ["Foo.Bar_Baz"]\n[tool.uv]\ndev-dependencies = ["ccc"]\n', "--group dev r.txt"),
    *(
        group(name, f'[dependency-groups]\ng = ["ccc"]\nh = ["pre", {{ include-group = "g" }}]\n{more}\n', f"--group {asked} r.txt", status=status)
        for name, asked, more, status in (
            ("for-another-python", "g", '[tool.uv.dependency-groups]\nG = { requires-python = ">=3.99" }', 0), ("for-this-python", "g", '[tool.uv.dependency-groups]\ng = { requires-python = ">=3.8" }', 0),
            ("that-includes-another-python", "h", '[tool.uv.dependency-groups]\ng = { requires-python = ">=3.99" }', 0), ("included-for-another-python", "h", '[tool.uv.dependency-groups]\nh = { requires-python = ">=3.99" }', 0),
            ("rule-of-nobody", "g", '[tool.uv.dependency-groups]\nnope = { requires-python = ">=3.8" }', 2), ("rule-of-no-specifier", "g", '[tool.uv.dependency-groups]\ng = { requires-python = "x" }', 2),
            ("rule-that-is-a-text", "g", '[tool.uv.dependency-groups]\ng = "x"', 2), ("without-a-name", "''", "", 2), ("of-blanks", "' '", "", 2), ("beside-a-malformed-one", "g", 'other = ["not valid ==="]', 2),
            ("beside-an-unknown-inclusion", "g", 'other = [{ include-group = "zz" }]', 2), ("beside-a-cycle", "g", 'other = [{ include-group = "other" }]', 2), ("beside-a-name-that-is-none", "g", '"o o" = []', 2),
            ("beside-malformed-development", "g", '[tool.uv]\ndev-dependencies = ["bad ==="]', 2), ("beside-development-that-is-a-text", "g", '[tool.uv]\ndev-dependencies = "x"', 2), ("that-includes-development", "h", '[tool.uv]\ndev-dependencies = ["ccc"]', 0),
            ("beside-a-relative-address", "g", f'{SOURCES}zzz = {{ url = "x" }}', 2), ("beside-an-unknown-field", "g", f'{SOURCES}zzz = {{ path = "x", foo = 1 }}', 2), ("beside-a-source-of-no-kind", "g", f"{SOURCES}zzz = {{}}", 2),
            ("beside-a-source-for-no-group", "g", f'{SOURCES}zzz = {{ path = "x", group = "q" }}', 2), ("beside-a-source-for-another-name", "g", f'{SOURCES}zzz = {{ path = "x", group = "g" }}', 2),
            ("beside-a-source-with-a-wrong-marker", "g", f'{SOURCES}zzz = {{ path = "x", marker = "bad" }}', 2), ("of-a-misnamed-project", "g", '[project]\nname = "x y"\nversion = "1"', 2),
            ("of-a-project-without-a-version", "g", '[project]\nname = "x"', 2), ("of-a-project-of-no-version", "g", '[project]\nname = "x"\nversion = "not"', 2),
        )
    ),
    case("group-elsewhere-beside-a-bad-source", "aaa\n", "--group sub/pyproject.toml:g r.txt", files={"sub/pyproject.toml": f'[dependency-groups]\ng = ["ccc"]\n{SOURCES}aaa = {{ url = "x" }}\n'}, status=2),
    *(
        project(f"that-names-itself-{number}", f"{PROJECT}dependencies = [{line}, 'aaa']\n[project.optional-dependencies]\nz = ['ccc']\ny = ['pre']\n", status=status)
        for number, (line, status) in enumerate((
            ("'x[z]'", 0), ("'X'", 0), ("'x[nope]'", 0), ("'x[z]>=5'", 1), ("'x[z,y]'", 0), ('"x[z]; sys_platform == \'nowhere\'"', 0), ('"x>=5; sys_platform == \'nowhere\'"', 0),
        ))
    ),
    case("project-that-names-itself-with-a-specifier", args="pyproject.toml", files={"pyproject.toml": f"{PROJECT}dependencies = ['x<5', 'aaa']\n"}, reference=1, differs="the project itself has the version: no index is asked for a stranger's"),
    project("that-names-itself-in-an-extra", f"{STATED}[project.optional-dependencies]\nz = ['ccc']\ny = ['x[z]; sys_platform == \"nowhere\"']\n", "--extra y pyproject.toml"),
    *(
        project(name, content, status=status)
        for name, content, status in (
            ("of-no-version", f'{PROJECT.replace("1", "not a version")}dependencies = ["aaa"]\n', 2), ("misnamed", f'{PROJECT.replace("x", "x y")}dependencies = ["aaa"]\n', 2), ("without-a-name", f'{PROJECT.replace("x", "")}dependencies = ["aaa"]\n', 2),
            ("for-no-python", f'{STATED}requires-python = "zz"\n', 2), ("with-a-misnamed-extra", f'{STATED}[project.optional-dependencies]\n"a b" = []\n', 2), ("source-with-an-unknown-field", f'{STATED}{SOURCES}aaa = {{ url = "@INDEX@/x.whl", foo = 1 }}\n', 2),
            ("source-for-an-unknown-extra", f'{STATED}{SOURCES}aaa = {{ url = "@INDEX@/x.whl", extra = "q" }}\n', 2), ("source-for-an-extra-without-it", f'{STATED}optional-dependencies = {{ q = [] }}\n{SOURCES}aaa = {{ url = "@INDEX@/x.whl", extra = "q" }}\n', 2),
            ("source-for-an-unknown-group", f'{STATED}{SOURCES}aaa = {{ url = "@INDEX@/x.whl", group = "q" }}\n', 2), ("beside-a-malformed-group", f'{STATED}[dependency-groups]\ng = ["bad ==="]\n', 2),
        )
    ),
    project("index-without-indexes", f'{STATED}{SOURCES}aaa = {{ index = "q" }}\n[[tool.uv.index]]\nname = "q"\nurl = "@INDEX@"\n', "--no-index -f @WHEELS@ pyproject.toml", status=1),
    case("address-of-nobody", "aaa @ http://127.0.0.1:9/aaa-1.0-py3-none-any.whl\n", environ={"UV_HTTP_RETRIES": "0"}, status=2),
    case("pin-twice-with-another-hash-last", f"aaa==1.0 --hash=sha256:@SHA256:aaa-1.0@\naaa==1.0 --hash=sha256:{'0' * 64}\n", status=1),
    case("pin-twice-with-its-hash-last", f"aaa==1.0 --hash=sha256:{'0' * 64}\naaa==1.0 --hash=sha256:@SHA256:aaa-1.0@\n"),
    case("pin-twice-with-one-hash", "aaa==1.0 --hash=sha256:@SHA256:aaa-1.0@\naaa==1.0\n"),
    case("entry-points-without-a-section", "@ODD@/nosection-1.0-py3-none-any.whl\n", status=2, differs="nothing of it is left behind"),
    case("entry-points-with-an-open-header", "@ODD@/openheader-1.0-py3-none-any.whl\n", status=2, differs="nothing of it is left behind"),
    case("wheel-without-a-version-of-its-format", "@ODD@/noformat-1.0-py3-none-any.whl\n", status=2),
    case("wheel-under-another-name", "@ODD@/renamed-1.0-py3-none-any.whl\n", then=(Step(files={"r.txt": "@ODD@/renamed-1.0+l-py3-none-any.whl\n"}),)),
    *(
        case(f"time-limit-{number}", "aaa\n", LISTED, environ={variable: text}, status=status)
        for number, (variable, text, status) in enumerate((
            ("UV_HTTP_TIMEOUT", "abc", 2), ("UV_HTTP_TIMEOUT", "1.5", 2), ("UV_HTTP_TIMEOUT", "-1", 2), ("UV_HTTP_TIMEOUT", "0", 0), ("UV_HTTP_TIMEOUT", "", 0),
            ("UV_REQUEST_TIMEOUT", "abc", 2), ("HTTP_TIMEOUT", "abc", 2), ("UV_HTTP_CONNECT_TIMEOUT", "abc", 2),
        ))
    ),
    *(
        case(f"packages-of-a-variable-{number}", "aaa\n", LISTED, environ={variable: text}, status=status)
        for number, (variable, text, status) in enumerate((
            ("UV_NO_BUILD_PACKAGE", "aaa,bbb", 2), ("UV_NO_BUILD_PACKAGE", "aaa bbb", 0), ("UV_NO_BINARY_PACKAGE", "aaa,bbb", 2), ("UV_NO_BINARY_PACKAGE", "aaa", 0),
        ))
    ),
    *(
        case(f"publish-address-{number}", "aaa\n", LISTED, files={"uv.toml": f"publish-url = {text}\n"}, status=status)
        for number, (text, status) in enumerate((('"x"', 2), ("3", 2), ('"https://x/y"', 0)))
    ),
    *(
        case(f"white-space-{number}", text, status=status)
        for number, (text, status) in enumerate((("aaa\n\x0cccc\n", 2), ("aaa\n\x0c\nccc\n", 2), ("aaa\n \x0b \n", 2), ("\xa0\naaa\n", 2), ("aaa\x0c# c\n", 2), ("--no-index#c\naaa; os_name == 'x'\n", 0), ("--pre#c\naaa\n", 0), ("\x0caaa\n", 2), ("aaa\x0c\nccc\n", 0), ("aaa\n\x0bccc\n", 2), ("aaa\n\t ccc\n", 0), ("aaa\n \t\nccc\n", 0)))
    ),
    case("constraints-in-a-script", "aaa\n", "-c s.py r.txt", files={"s.py": "# /// script\n# dependencies = ['aaa<2']\n# ///\n"}),
    case("constraints-in-a-setup-file", "aaa\n", "-c setup.py r.txt", files={"setup.py": "aaa<2\n"}, status=2),
    case("project-by-address", args="@INDEX@/pyproject.toml", status=2, says="Remote `pyproject.toml` inputs are not supported"),
]  # fmt: skip
