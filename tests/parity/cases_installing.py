"""Cases on what wheels bring and how it is laid out: §4 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, case
from shelf import PY

SITE = f".venv/lib/python{PY}/site-packages"
DEEP = "/".join(["deep" * 10] * 3)
ATOMIC = "all or nothing: what can fail does so before the first removal"


def odd(name: str, *, version: str = "1.0", **more: object) -> Case:
    return case(name, f"@ODD@/{name}-{version}-py3-none-any.whl\n", installed="bbb-1.0", **more)  # type: ignore[arg-type] # keywords of case


CASES: list[Case] = [
    case("packages", "aaa==1.0\nccc\nfoo-bar-baz\n", then=(Step(), Step(files={"r.txt": "aaa\n"}))),
    case("scripts", "scr\n", then=(Step(files={"r.txt": "aaa\n"}),)),
    case("schemes", "spread\n"),
    case("schemes-left", "spread\n", then=(Step(files={"r.txt": "aaa\n"}),), differs="directories left empty go too, outside of site-packages as well"),
    case("platlib", "platlib\n"),
    case("modes", "modes\n"),
    case("namespace", "space-one\nspace-two\n", then=(Step(files={"r.txt": "space-two\n"}),)),
    case("local-version", "local==1.0\n"),
    case("local-version-in-full", "local==1.0+cpu\n"),
    case("epoch", "epoch==1!1.0\n"),
    case("overlap-alike", "over\naaa==1.0\n"),
    case("overlap-alike-and-one-goes", "over\naaa==1.0\n", then=(Step(files={"r.txt": "over\n"}),), differs="removing one of two gives the file of the other back"),
    case("overwrites-strays", "aaa==1.0\n", files={f"{SITE}/aaa.py": "stray"}),
    case("merges-directories", "ccc\n", files={f"{SITE}/ccc/mine.txt": "mine"}, then=(Step(files={"r.txt": "aaa\n"}),)),
    case("pip-drops-versioned-scripts", "pip\n"),
    case("another-wheel-that-brings-the-commands-of-pip", "pips\n"),
    case("site-packages-by-way-of-data", "through\n", then=(Step(files={"r.txt": "aaa\n"}),)),
    case("record-is-healed", "@ODD@/ghost-1.0-py3-none-any.whl\n"),
    case("minor-format", "@ODD@/minor-1.0-py3-none-any.whl\n"),
    case("metadata-without-the-local-part", "@ODD@/metalocal-1.0+local-py3-none-any.whl\n"),
    case("activate-is-only-warned-of", "@ODD@/activates-1.0-py3-none-any.whl\n"),
    odd("reserved", status=2, differs=ATOMIC),
    odd("reserveddata", status=2, differs=ATOMIC),
    odd("wrongname", status=1),
    odd("wrongversion", status=2, differs=ATOMIC),
    case("wrongversion-allowed", "@ODD@/wrongversion-1.0-py3-none-any.whl\n", environ={"UV_SKIP_WHEEL_FILENAME_CHECK": "1"}),
    odd("escapes", status=1, reference=0, differs="a member that would land outside the environment is refused, not skipped"),
    odd("escapescript", status=2, differs=ATOMIC),
    odd("lying", status=1, reference=0, differs="a wheel whose RECORD names other bytes than it holds is refused"),
    odd("badpoint", status=2, differs=ATOMIC),
    odd("newformat", status=2, differs=ATOMIC),
    odd("badscheme", status=2, differs=ATOMIC),
    odd("twoinfos", status=1),
    odd("nozip", status=1),
    odd("norecord", status=2),
    odd("nometadata", status=1),
    odd("nowheel", status=2, differs=ATOMIC),
    case("an-old-version-stays-when-the-new-one-is-bad", "@ODD@/reserved-1.0-py3-none-any.whl\n", files={f"{SITE}/reserved-0.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: reserved\nVersion: 0.9\n", f"{SITE}/reserved-0.9.dist-info/RECORD": "reserved.py,,\nreserved-0.9.dist-info/METADATA,,\nreserved-0.9.dist-info/RECORD,,\n", f"{SITE}/reserved.py": ""}, status=2, differs=ATOMIC),
    case("symlinks", "aaa\nccc\nscr\n", "--link-mode symlink r.txt", differs="each links into its own cache"),
    case("symlinks-without-a-cache", "aaa\n", "--link-mode symlink --no-cache r.txt", installed="bbb-1.0", status=2, differs="symlink with --no-cache is refused before anything is touched"),
    case("tags-of-a-path", "@WHEELS@/foreign-1.0-@CP@-@CP@-win_amd64.whl\n", installed="bbb-1.0", status=2),
    case("tags-of-an-address", "foreign @ @FILES@/foreign-1.0-@CP@-@CP@-win_amd64.whl\n", installed="bbb-1.0", status=2),
    case("tags-of-an-index", "foreign\n", installed="bbb-1.0", status=1),
    case("the-best-tag", "native\n"),
    case("the-best-platform", "many\n"),
    case("the-highest-build", "builds==1.0\n"),
    case("requires-python-of-the-index", "newer\n"),
    case("requires-python-of-the-index-pinned", "newer==2.0\n", status=1),
    case("requires-python-upper-bound", "capped\n"),
    case("requires-python-of-a-path", "@WHEELS@/future-1.0-py3-none-any.whl\n", installed="bbb-1.0", status=1),
    case("requires-python-of-find-links", "future\n", "--no-index -f @WHEELS@ r.txt", status=1, reference=0, differs="requires-python of find-links wheels is honoured"),
    case("yanked-and-pinned", "yank==2.0\n"),
    case("yanked-and-pinned-dry", "yank==2.0\n", "--dry-run r.txt"),
    case("yanked-and-not-pinned", "yank\n"),
    case("yanked-and-in-range", "yank>1.0\n", status=1),
    case("yanked-and-nothing-else", "allyank\n", status=1),
    case("pre-releases-are-not-chosen", "pre\n"),
    case("pre-releases-are-chosen-when-named", "pre>=1.1a1\n"),
    case("pre-releases-are-chosen-when-there-is-nothing-else", "onlypre\n"),
    case("pre-release-pinned", "pre==2.0b1\n"),
    case("deep-environment", "scr\n", f"-p {DEEP} r.txt", place=DEEP, venv="plain"),
    case("environment-with-a-space", "scr\n", "-p 'with space' r.txt", place="with space"),
    case("another-platform", "native\n", "--python-platform windows r.txt", then=(Step(),)),
    case("another-platform-mac", "mac\n", "--python-platform macos r.txt"),
    case("another-platform-musl", "musl\n", "--python-platform x86_64-unknown-linux-musl r.txt"),
    case("another-platform-linux", "many\n", "--python-platform linux r.txt"),
    case("another-platform-old-linux", "many\n", "--python-platform x86_64-manylinux2014 r.txt"),
    case("another-platform-unknown", "many\n", "--python-platform amiga r.txt", status=2),
    case("another-platform-markers", "aaa==1.0; sys_platform == 'win32'\nbbb; os_name == 'posix'\nccc; platform_release == ''\n", "--python-platform windows r.txt"),
    case("another-python", "newer\n", "--python-version 4.0 r.txt", status=1),
    case("another-python-markers", "aaa==1.0; python_version == '3.8'\nbbb; python_full_version == '3.8.0'\n", "--python-version 3.8 r.txt"),
    case("another-python-tags", "native; python_version > '3'\n", "--python-version 3.8 r.txt"),
    case("another-python-patch", "bbb; python_full_version == '3.9.5'\n", "--python-version 3.9.5 r.txt"),
    case("another-python-that-is-none", "bbb\n", "--python-version x r.txt", status=2),
]  # fmt: skip
