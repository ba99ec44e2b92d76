"""Cases on source trees and source distributions that their own tree can build: §6 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, Text, case
from factories import project_files


def tree(directory: str, name: str = "proj", version: str = "1.0") -> dict[str, Text]:
    return {f"{directory}/{path}": text for path, text in project_files(name, version).items()}


def stated(
    name: str,
    project: str,
    *,
    line: str = "./p\n",
    args: str = "r.txt",
    status: int = 1,
    reference: int | None = None,
    differs: str = "",
) -> Case:
    """A tree whose ``[project]`` says *project*, which its backend, of ``proj`` in version 1.0, says nothing of."""
    files = tree("p")
    table = str(files["p/pyproject.toml"]).partition("[project]")[0] + project
    return case(
        f"stated-{name}",
        line,
        args,
        files={**files, "p/pyproject.toml": table},
        status=status,
        reference=reference,
        differs=differs,
    )


NAMED = "[project]\nname = 'proj'\nversion = '1.0'\n"
NEWER = NAMED + "requires-python = '>=3.99'\n"

CASES: list[Case] = [
    stated("python", NEWER),
    stated("python-of-an-editable", NEWER, line="-e ./p\n"),
    stated("python-of-a-name", NEWER, line="proj @ ./p\n"),
    stated("python-in-a-dry-run", NEWER, args="--dry-run r.txt"),
    stated("python-that-is-given", NEWER, args="--python-version 3.99 r.txt", status=0),
    stated("python-that-is-too-new", NAMED + "requires-python = '<3.9'\n", status=0),
    stated("python-that-a-backend-may-change", NEWER + "dynamic = ['dependencies']\n", status=0),
    stated("python-that-is-none", NAMED + "requires-python = 'x'\n"),
    stated("version-that-is-none", "[project]\nname = 'proj'\nversion = 'x'\n"),
    stated("no-version", "[project]\nname = 'proj'\n"),
    stated("no-name", "[project]\nversion = '1.0'\n"),
    stated("dependencies-that-are-none", NAMED + "dependencies = 'aaa'\n"),
    stated("extras-that-are-none", NAMED + "optional-dependencies = {x = 'aaa'}\n"),
    stated("dynamic-that-is-none", NAMED + "dynamic = 'version'\n"),
    stated("another-name", NAMED, line="other @ ./p\n"),
    stated("another-name-in-a-dry-run", NAMED, line="other @ ./p\n", args="--dry-run r.txt"),
    stated("sources-that-nobody-follows", NAMED + "[tool.uv.sources]\nx = {y = 1}\n", status=0, reference=1, differs="who only builds a project follows none of its sources"),
    case("archive-missing-in-a-dry-run", "proj @ ./proj-1.0.tar.gz\n", "--dry-run r.txt", status=1),
    case("python-of-a-locked-directory", None, "pylock.toml", files={**tree("p"), "p/pyproject.toml": str(tree("p")["p/pyproject.toml"]) + "requires-python = '>=3.99'\n", "pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "proj"\n[packages.directory]\npath = "p"\n'}),
    case("leftover-metadata-of-another-name", "./p\n", files={**tree("p"), "p/PKG-INFO": "Metadata-Version: 2.2\nName: other\nVersion: 1.0\n"}, status=0, reference=1, differs="what an earlier build left in a working tree says nothing"),
    case("leftover-metadata-of-another-version", "./p\n", files={**tree("p"), "p/PKG-INFO": "Metadata-Version: 2.2\nName: proj\nVersion: 2.0\n"}),
    case("directory", "./p\n", files=tree("p"), then=(Step(),)),
    case("directory-with-a-name", "proj @ ./p\n", files=tree("p")),
    case("directory-by-its-address", "proj @ file://@HERE@/p\n", files=tree("p")),
    case("directory-named-otherwise", "other @ ./p\n", files=tree("p"), status=1),
    case("directory-then-changed", "./p\n", files=tree("p"), then=(Step(files={"p/pyproject.toml": str(tree("p")["p/pyproject.toml"]) + "\n"}), Step(files={"p/proj.py": "# edited\n"}))),
    case("directory-then-editable", "./p\n", files=tree("p"), then=(Step(files={"r.txt": "-e ./p\n"}), Step(files={"r.txt": "./p\n"}))),
    case("directory-with-extras", "./p[x]\n", files=tree("p"), says="`x`", then=(Step(), Step(args="--dry-run r.txt"))),
    case("directory-with-extras-dry", "./p[x]\n", "--dry-run r.txt", files=tree("p")),
    case("editable-with-extras", "-e ./p[x]\n", files=tree("p")),
    case("editable", "-e ./p\n", files=tree("p"), then=(Step(), Step(files={"r.txt": "aaa\n"}))),
    case("editable-without-a-dot", "-e p\n", files=tree("p")),
    case("editable-meets-a-pin", "-e ./p\n", files=tree("p"), then=(Step(files={"r.txt": "proj==1.0\n"}),)),
    case("editable-though-nothing-is-built", "-e ./p\n", "--no-build r.txt", files=tree("p")),
    case("directory-though-nothing-is-built", "./p\n", "--no-build r.txt", files=tree("p"), status=1),
    case("directory-with-a-dry-run", "./p\n", "--dry-run r.txt", files=tree("p")),
    case("directory-without-a-project", "./p\n", files={"p/x.py": ""}, status=1),
    case("directory-missing", "./p\n", status=1),
    case("backend-that-fails", "./p\n", files={**tree("p"), "p/backend.py": "def build_wheel(*a, **k):\n    raise RuntimeError('no luck')\n"}, status=1),
    case("backend-that-is-missing", "./p\n", files={"p/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "nowhere"\n[project]\nname = "proj"\nversion = "1.0"\n'}, status=1),
    case("sdist-of-the-index", "sdonly\n", then=(Step(),)),
    case("sdist-by-path", "@WHEELS@/sdonly-1.0.tar.gz\n", then=(Step(),)),
    case("sdist-by-address", "sdonly @ @FILES@/sdonly-1.0.tar.gz\n", then=(Step(),)),
    case("sdist-in-a-zip", "@WHEELS@/zipped-1.0.zip\n"),
    case("sdist-named-otherwise", "other @ @FILES@/sdonly-1.0.tar.gz\n", status=1),
    case("sdist-rather-than-wheel", "both\n", "--no-binary both r.txt"),
    case("wheel-rather-than-sdist", "both\n"),
    case("sdist-chosen-by-its-hash", "both==1.0 --hash=sha256:@SHA256:both-1.0.tar@\n"),
    case("sdist-with-a-wrong-hash", "sdonly==1.0 --hash=sha256:" + "0" * 64 + "\n", status=1),
    case("sdist-with-a-right-hash", "sdonly==1.0 --hash=sha256:@SHA256:sdonly-1.0@\n", "--require-hashes r.txt"),
    case("sdist-though-nothing-is-built", "sdonly\n", "--no-build r.txt", status=1),
    case("sdist-with-a-dry-run", "sdonly\n", "--dry-run r.txt"),
    case("settings-of-the-build", "./p\n", "-C a=b r.txt", files=tree("p"), then=(Step(args="-C a=b r.txt"), Step(args="r.txt"))),
    case("sdist-of-a-pylock", args="pylock.toml", files={"pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "sdonly"\nversion = "1.0"\n[packages.sdist]\nurl = "@FILES@/sdonly-1.0.tar.gz"\nhashes = { sha256 = "@SHA256:sdonly-1.0@" }\n'}),
    case("directory-of-a-pylock", args="pylock.toml", files={**tree("p"), "pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "proj"\n[packages.directory]\npath = "p"\n'}),
    case("editable-of-a-pylock", args="pylock.toml", files={**tree("p"), "pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "proj"\n[packages.directory]\npath = "p"\neditable = true\n'}),
]  # fmt: skip
