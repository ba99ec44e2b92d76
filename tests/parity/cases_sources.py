"""Cases on source trees and source distributions that their own tree can build: §6 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, Text, case
from factories import project_files


def tree(directory: str, name: str = "proj", version: str = "1.0") -> dict[str, Text]:
    return {f"{directory}/{path}": text for path, text in project_files(name, version).items()}


CASES: list[Case] = [
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
