"""Cases on addresses as they are spelled, and on the places that projects and options name: §1 and §2."""

from __future__ import annotations

from case import Case, case
from cases_sources import tree

CAPITALS = "RFC 3986 gives the letters of a scheme no case; the reference looks for a directory of that name"
TYPED = "a synthetic group can be named: `--group` replaces the default ones, and nothing else keeps them"
WHEEL = "@WHEELS@/aaa-1.0-py3-none-any.whl"
SOURCE = "[project]\nname='x'\nversion='1'\ndependencies=['proj']\n[tool.uv.sources]\nproj={%s}\n"
GROUPS = "[project]\nname='x'\nversion='1'\n[dependency-groups]\ndev=['aaa==1.0']\nd-2=[{include-group='DEV'}]\n"
LOCK = (
    'lock-version = "1.0"\ncreated-by = "x"\n{}[[packages]]\nname = "aaa"\nversion = "1.0"\n'
    "marker = \"'d' in dependency_groups\"\n"
    '[[packages.wheels]]\nurl = "@FILES@/aaa-1.0-py3-none-any.whl"\nhashes = {{sha256 = "@SHA256:aaa-1.0@"}}\n'
)
LOCKED_TREE = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "proj"\n[packages.{}]\n'


def line(name: str, lines: str, *, status: int = 0) -> Case:
    return case(
        f"line-{name}", lines + "\n", files={**tree("p"), **tree("p.git"), "s.txt": "aaa==1.0\n"}, status=status
    )


def named(name: str, place: str, *, status: int = 0, reference: int | None = None, index: bool = False) -> Case:
    differs = CAPITALS if reference is not None else ""
    return case(f"named-{name}", "aaa\n", place, status=status, reference=reference, differs=differs, index=index)


def pinned(name: str, source: str, *, status: int = 0) -> Case:
    return case(
        f"pinned-{name}", None, "pyproject.toml", files={"pyproject.toml": SOURCE % source, **tree("p")}, status=status
    )


def group(name: str, group: str, *, status: int = 0, args: str = "") -> Case:
    files = {"pyproject.toml": GROUPS, "sub/pyproject.toml": "[dependency-groups]\ns=['bbb']\n"}
    return case(f"group-{name}", "ccc\n", f"{args} --group {group} r.txt", files=files, status=status)


def locked(name: str, head: str, *, args: str = "", differs: str = "") -> Case:
    return case(
        f"locked-{name}", None, f"{args} pylock.toml", files={"pylock.toml": LOCK.format(head)}, differs=differs
    )


def vcs(name: str, address: str, *, status: int) -> Case:
    text = LOCKED_TREE.format("vcs") + f'type = "git"\nurl = "{address}"\ncommit-id = "{"a" * 40}"\n'
    return case(f"vcs-{name}", None, "pylock.toml", files={"pylock.toml": text}, status=status)


CASES: list[Case] = [
    line("git-below-the-root", "git+file:./nowhere", status=1),
    line("git-below-the-root-by-name", "proj @ git+file:nowhere@v1", status=1),
    line("git-without-a-path", "git+file:", status=1),
    line("git-without-slashes", "git+https:127.0.0.1:9/x", status=1),
    line("git-of-a-host-alone", "git+https:///127.0.0.1:9", status=1),
    line("git-over-ssh-without-slashes", "git+ssh:x/y", status=1),
    line("git-that-is-a-file-address", "file:///nowhere/x.git", status=2),
    line("git-at-a-path", "proj @ ./p.git", status=1),
    line("git-at-a-path-without-a-name", "./p.git"),
    case("line-cwd", "file:\n", files=tree(".")),
    case("line-cwd-by-name", "proj @ file://\n", files=tree(".")),
    case("line-cwd-editable", "-e file:\n", files=tree(".")),
    line("included-below-the-root", "-r file:./s.txt", status=2),
    line("constraints-below-the-root", "-c file:s.txt\naaa", status=2),
    line("included-of-a-host", "-r file://host@HERE@/s.txt", status=2),
    line("included-of-this-host", "-r file://localhost@HERE@/s.txt"),
    line("listing-below-the-root", "-f file:w\n--no-index\naaa", status=2),
    *(
        case(f"capitals-{number}", text + "\n", files=tree("p"), status=0, reference=1, differs=CAPITALS)
        for number, text in enumerate((f"FILE://{WHEEL}", f"aaa @ File:{WHEEL}", "-e FILE:./p", "HTTP://@HOST@/files/aaa-1.0-py3-none-any.whl"))
    ),
    named("file", "FILE://@HERE@/r.txt", index=True),
    named("file-below-the-root", "file:r.txt", status=2),
    named("index", "-i HTTP://@HOST@/simple/ r.txt", reference=1),
    named("directory-of-an-index", "-i FILE://@HERE@/idx r.txt", status=1),
    named("listing", "-f FILE://@WHEELS@ --no-index r.txt", reference=2),
    named("index-below-the-root", "-i file:idx r.txt", status=1),
    line("whole-tree-as-a-part", "sdonly @ @FILES@/sdonly-1.0.tar.gz#subdirectory=."),
    case("line-whole-directory-as-a-part", "./p#subdirectory=.\n", files=tree("p"), differs="a fragment of a directory says which part of it is meant"),
    case("locked-directory-that-is-missing", None, "pylock.toml", files={"pylock.toml": LOCKED_TREE.format("directory") + 'path = "nowhere"\n'}, status=2),
    pinned("to-its-own-directory", 'path="."', status=1),
    pinned("to-nothing", 'path=""', status=1),
    pinned("to-a-directory", 'path="p"'),
    pinned("to-no-editable", 'path="p",editable=false'),
    pinned("to-what-looks-like-an-address", 'path="file:p"', status=1),
    pinned("to-what-looks-like-a-fragment", 'path="p#egg=x"', status=1),
    pinned("to-a-part-of-a-directory", 'path="p",subdirectory="x"'),
    pinned("to-a-directory-by-address", 'url="file://@HERE@/p"', status=2),
    pinned("to-a-relative-repository", 'git="./p"', status=2),
    pinned("to-no-repository", 'git="git@host:x"', status=2),
    pinned("to-a-repository-in-capitals", 'git="GIT+file:///nowhere"', status=1),
    pinned("to-a-path-with-a-tag", 'path="p",tag="x"', status=2),
    pinned("to-an-address-with-a-branch", 'url="https://127.0.0.1:9/x-1.0.zip",branch="x"', status=2),
    pinned("to-an-address-that-is-editable", 'url="https://127.0.0.1:9/x-1.0.zip",editable=true', status=2),
    pinned("to-a-repository-that-is-editable", 'git="file:///nowhere",editable=true', status=2),
    group("included-in-capitals", "D_2"),
    group("of-an-address", "file:pyproject.toml:dev", status=2),
    group("of-a-file-address", "file://@HERE@/pyproject.toml:dev", status=2),
    group("of-a-project-file", "s", args="--project sub/pyproject.toml"),
    group("of-a-project-that-is-not-there", "s", args="--project nope/pyproject.toml", status=2),
    *(
        case(f"group-defaults-{number}", "ccc\n", "--group b r.txt", files={"pyproject.toml": f"[tool.uv]\ndefault-groups={stated}\n[dependency-groups]\nb=['aaa']\n"}, status=status)
        for number, (stated, status) in enumerate((("1", 2), ("'x'", 2), ("'all'", 0), ("['b']", 0), ("['no such']", 2), ("[1]", 2)))
    ),
    locked("default-group", "default-groups = ['d']\n"),
    locked("default-group-by-its-name", "default-groups = ['d']\n", args="--group d", differs=TYPED),
    case("locked-no-editable", None, "pylock.toml", files={"pylock.toml": LOCKED_TREE.format("directory") + 'path = "p"\neditable = false\n', **tree("p")}),
    case("locked-address-in-capitals", None, "pylock.toml", files={"pylock.toml": LOCKED_TREE.format("archive").replace("proj", "aaa") + 'url = "HTTP://@HOST@/files/aaa-1.0-py3-none-any.whl"\nhashes = {sha256 = "@SHA256:aaa-1.0@"}\n'}),
    vcs("of-an-odd-kind", "git+https://127.0.0.1:9/x", status=2),
    vcs("over-the-old-protocol", "git://x/y", status=2),
    vcs("without-slashes", "https:127.0.0.1:9/x", status=1),
    vcs("in-capitals", "HTTPS://127.0.0.1:9/x", status=1),
]  # fmt: skip
