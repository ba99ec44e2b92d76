"""Cases on what the reference refuses, each named by a section of its behaviour and by no case elsewhere: §1 to §9."""

from __future__ import annotations

from case import Case, Step, case
from cases_sources import tree
from shelf import PY

SITE = f".venv/lib/python{PY}/site-packages"
EXTERNAL = {f"sys/lib/python{PY}/EXTERNALLY-MANAGED": "[externally-managed]\nError = keep your hands off\n"}
ATOMIC = "all or nothing: what can fail does so before the first removal"
GOOD, BAD = "--hash=sha256:@SHA256:aaa-1.0@", "--hash=sha256:" + "0" * 64
WHEEL = "@FILES@/aaa-1.0-py3-none-any.whl"
LOCK = 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "aaa"\nversion = "1.0"\n[[packages.wheels]]\n'
LOCK += f'url = "{WHEEL}"\nhashes = {{ sha256 = "@SHA256:aaa-1.0@" }}\n'


def odd(name: str, status: int, **more: object) -> Case:
    """Return a case of a damaged wheel."""
    return case(name, f"@ODD@/{name}-1.0-py3-none-any.whl\n", installed="bbb-1.0", status=status, **more)  # type: ignore[arg-type] # keywords of case


def managed(name: str, args: str, status: int = 2) -> Case:
    """Return a case of an interpreter that somebody else manages."""
    says = "keep your hands off" if status else ""
    return case(
        name,
        "aaa\n",
        f"{args} r.txt",
        venv="system",
        place="sys",
        files=EXTERNAL,
        environ={"PATH": "@HERE@/sys/bin"},
        status=status,
        says=says,
    )


def needing(line: str, backend: str = "backend") -> dict[str, str | bytes]:
    """Return a source tree whose build requires *line*."""
    files = tree("p")
    project = str(files["p/pyproject.toml"])
    files["p/pyproject.toml"] = project.replace("requires = []", f'requires = ["{line}"]').replace(
        '"backend"', f'"{backend}"'
    )
    return files


def changed(name: str, version: str) -> dict[str, str | bytes]:
    """Return a source tree of ``proj`` whose backend builds something else."""
    return {**tree("p"), "p/backend.py": tree("p", name, version)["p/backend.py"]}


def later(version: str = ">=3.99") -> dict[str, str | bytes]:
    """Return a source tree for another Python."""
    files = tree("p")
    backend = str(files["p/backend.py"]).replace(
        'Version: 1.0\\n"', f'Version: 1.0\\nRequires-Python: {version}\\n"', 1
    )
    return {
        **files,
        "p/pyproject.toml": f'{files["p/pyproject.toml"]!s}requires-python = "{version}"\n',
        "p/backend.py": backend,
    }


CASES: list[Case] = [
    # §1: what is given, and where it goes.
    managed("externally-managed", "--system"),
    managed("externally-managed-and-a-dry-run", "--system --dry-run"),
    managed("externally-managed-by-its-path", "-p sys/bin/python3"),
    managed("externally-managed-and-asked-to-break-it", "--system --break-system-packages", 0),
    case("group-of-a-missing-project", "aaa\n", "--group sub/pyproject.toml:g r.txt", status=2),
    case("remote-lock-that-is-missing", args="@BASE@/pylock.nope.toml", status=2),
    case("remote-script-that-is-missing", args="@BASE@/nope.py", status=2),
    *(
        case(f"perhaps-{name}", "aaa\n", environ={f"UV_{name}": "perhaps"}, status=2, says=f"UV_{name}")
        for name in ("REQUIRE_HASHES", "NO_VERIFY_HASHES", "SYSTEM_PYTHON", "BREAK_SYSTEM_PACKAGES", "NO_CACHE", "NO_CONFIG", "OFFLINE", "NO_BUILD_ISOLATION")
    ),
    case("link-mode-unknown-of-the-option", "aaa\n", "--link-mode move r.txt", status=2),
    case("refused-ask-in-full", "aaa\n", "--ask r.txt", status=2),
    case("no-build-and-no-binary-of-the-variable", "both\n", "--no-build --no-binary :all: r.txt", status=2),
    # §2: lines.
    case("required-in-the-file-and-not-verified", "--require-hashes\naaa==1.0\n", "--no-verify-hashes r.txt", status=2),
    case("required-in-a-file-of-the-file", "-r x.txt\naaa==1.0\n", files={"x.txt": "--require-hashes\n"}, status=2),
    case("colon-in-the-tags-of-a-wheel", "aaa @ @FILES@/aaa-1.0-py3-none-a%3Ab.whl\n", status=1),
    case("slash-in-the-tags-of-a-path", "./aaa-1.0-py3-none-a%2Fb.whl\n", status=1),
    *(
        case(f"old-archive-{end}", f"aaa @ ./aaa-1.0.{end}\n", files={f"aaa-1.0.{end}": b"x"}, status=1)
        for end in ("tar", "tar.bz2", "tar.xz", "tar.zst", "tgz", "tbz", "txz", "tlz", "tar.lz", "tar.lzma")
    ),
    case("nested-remote-missing", "-r @BASE@/nope.txt\n", status=2),
    case("constraint-remote-missing", "-c @BASE@/nope.txt\naaa\n", status=2),
    case("two-addresses-of-one-name", f"aaa @ {WHEEL}\naaa @ @FILES@/aaa-2.0-py3-none-any.whl\n", status=1),
    # §3: what is there already.
    case("distutils-beside-others", "bbb\n", installed="aaa-1.0", files={f"{SITE}/egg-1.0.egg-info": "Metadata-Version: 2.1\nName: egg\nVersion: 1.0\n"}, status=2, differs=ATOMIC),
    # §4: wheels.
    odd("badcrc", 1),
    odd("badsize", 1),
    odd("othermember", 1),
    odd("trailing", 1),
    odd("cutoff", 1),
    odd("twicein", 1, reference=0, differs="a wheel that holds two files of one name is refused: which of them is meant?"),
    odd("noinfo", 1),
    odd("otherinfo", 1),
    odd("scriptdir", 2, differs=ATOMIC),
    case("requires-python-of-an-address", "future @ file://@WHEELS@/future-1.0-py3-none-any.whl\n", installed="bbb-1.0", status=1),
    case("requires-python-of-a-directory", "./p\n", files=later(), installed="bbb-1.0", status=1),
    case("requires-python-of-an-editable", "-e ./p\n", files=later(), installed="bbb-1.0", status=1),
    # §5: hashes.
    case("git-with-a-hash", f"aaa @ git+https://127.0.0.1:9/x@{'0' * 40} {GOOD}\n", status=1),
    case("editable-with-a-hash", f"-e ./p {GOOD}\n", files=tree("p"), status=1),
    case("wrong-hash-of-what-is-cached", f"{WHEEL}\n", then=(Step(files={"r.txt": "bbb\n"}), Step(files={"r.txt": f"aaa @ {WHEEL} {BAD}\n"}, status=1))),
    case("wrong-hash-of-what-is-cached-and-offline", "aaa==1.0\n", then=(Step(files={"r.txt": "bbb\n"}), Step(args="--offline r.txt", files={"r.txt": f"aaa==1.0 {BAD}\n"}, status=1))),
    case("build-hashes-required-and-missing", "./p\n", "--require-build-hashes r.txt", files=needing("aaa"), status=1),
    case("build-hashes-required-and-given", "./p\n", "--require-build-hashes -b b.txt r.txt", files={**needing("aaa"), "b.txt": f"aaa==1.0 {GOOD}\n"}, environ={"UV_PREVIEW_FEATURES": "pylock,build-dependency-hashes"}),
    case("build-hash-wrong", "./p\n", "-b b.txt r.txt", files={**needing("aaa"), "b.txt": f"aaa==1.0 {BAD}\n"}, status=1),
    # §6: builds.
    case("build-constraint-in-conflict", "./p\n", "-b b.txt r.txt", files={**needing("aaa>1"), "b.txt": "aaa<2\n"}, status=1),
    case("no-isolation-and-a-missing-backend", "./p\n", "--no-build-isolation r.txt", files=needing("aaa", "nowhere"), status=1, says="nowhere"),
    case("builds-another-version", "./p\n", files=changed("proj", "9.0")),
    case("builds-another-name", "./p\n", files=changed("other", "1.0"), status=1),
    case("backend-that-fails-for-an-editable", "-e ./p\n", files={**tree("p"), "p/backend.py": "def build_editable(*a, **k):\n    raise RuntimeError('no luck')\n"}, status=1, says="no luck"),
    case("sdist-that-builds-another-version", "shifty==1.0\n", status=1),
    case("no-binary-of-a-path", "@WHEELS@/aaa-1.0-py3-none-any.whl\n", "--no-binary aaa r.txt", status=2),
    case("sdist-by-address-though-nothing-is-built", "sdonly @ @FILES@/sdonly-1.0.tar.gz\n", "--no-build r.txt", status=1),
    case("sdist-by-path-though-only-binary", "sdonly @ @WHEELS@/sdonly-1.0.tar.gz\n", "--only-binary sdonly r.txt", status=1),
    # §7: indexes.
    case("index-that-forbids", "aaa\n", "-i @BASE@/status/403 r.txt", index=False, status=1),
    case("extra-index-that-forbids", "aaa\n", "--extra-index-url @BASE@/status/403 r.txt", status=1),
    case("find-links-missing-and-nothing-to-do", "aaa==1.0\n", "-f nope r.txt", installed="aaa-1.0", status=2),
    case("find-links-page-missing-and-an-address", f"{WHEEL}\n", "-f @BASE@/nope.html r.txt", reference=2, differs="a page that nothing needs is not fetched"),
    case("git-while-offline", "aaa @ git+https://127.0.0.1:9/x\n", "--offline r.txt", status=1),
    case("find-links-while-offline", "aaa\n", "--offline --no-index -f @BASE@/links.html r.txt", status=1),
    # §8: locks.
    case("size-wrong-of-what-is-cached", args="pylock.toml", files={"pylock.toml": LOCK}, then=(Step(files={"r.txt": "bbb\n"}), Step(args="pylock.toml", files={"pylock.toml": f"{LOCK}size = 1\n"}, status=1))),
    case("lock-with-a-build-that-is-refused-by-name", args="--no-binary :all: pylock.toml", files={"pylock.toml": LOCK}, status=2),
    # §9: statuses.
    case("nothing-on-stdout-when-a-wheel-is-bad", "@ODD@/reserved-1.0-py3-none-any.whl\n", "--output-format json r.txt", status=2, differs=ATOMIC),
    case("check-of-what-cannot-be-settled", "aaa==9\n", "--check r.txt", status=1),
    case("check-of-what-is-malformed", "aaa=1\n", "--check r.txt", status=2),
]  # fmt: skip
