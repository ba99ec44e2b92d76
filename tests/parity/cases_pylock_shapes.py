"""Cases on the shapes of a ``pylock.toml``: §8 of the reference's behaviour, key by key."""

from __future__ import annotations

from typing import Any

from case import Case, Step, Text, case
from cases_sources import tree

TOP = 'lock-version = "1.0"\ncreated-by = "x"\n'
HASH = '{ sha256 = "@SHA256:aaa-1.0-py3@" }'
HASHES = f"hashes = {HASH}"
URL = '"@FILES@/aaa-1.0-py3-none-any.whl"'
WHEEL = f"[[packages.wheels]]\nurl = {URL}\n{HASHES}"
AAA = '[[packages]]\nname = "aaa"\nversion = "1.0"\n'
INSECURE = "md5 proves nothing where hashes are required"
SILENT = "files whose hashes cannot be checked are warned of"


def shape(name: str, text: str, args: str = "pylock.toml", *, place: str = "pylock.toml", **more: Any) -> Case:
    """Return a case that syncs a lockfile."""
    files: dict[str, Text] = {place: text, **more.pop("files", {})}
    return case(name, None, args, files=files, **more)


CASES: list[Case] = [
    shape("miss-wheel", f'{TOP}{AAA}[[packages.wheels]]\npath = "sub/aaa-1.0-py3-none-any.whl"\n{HASHES}\n', status=2),
    shape("miss-sdist", f'{TOP}{AAA}[packages.sdist]\npath="sub/aaa-1.0.tar.gz"\n{HASHES}\n', status=1),
    shape("miss-dir", f'{TOP}[[packages]]\nname = "aaa"\n\n[packages.directory]\npath="nope"\n\n', status=2),
    shape("miss-archive", f'{TOP}[[packages]]\nname = "nope"\n\n[packages.archive]\npath="nope-1.0-py3-none-any.whl"\n{HASHES}\n', status=2),
    shape("miss-archive-url", f'{TOP}[[packages]]\nname = "nope"\n\n[packages.archive]\nurl="@FILES@/nope-1.0-py3-none-any.whl"\n{HASHES}\n', status=1),
    shape("miss-url", f'{TOP}{AAA}[[packages.wheels]]\nurl = "@FILES@/aaa-9.0-py3-none-any.whl"\n{HASHES}\n', status=2),
    shape("name-wrong", f'{TOP}{AAA}[[packages.wheels]]\nname = "aaa-2.0-py3-none-any.whl"\nurl = {URL}\n{HASHES}\n', status=2),
    shape("name-other", f'{TOP}{AAA}[[packages.wheels]]\nname = "bbb-1.0-py3-none-any.whl"\nurl = {URL}\n{HASHES}\n', status=2),
    shape("name-bad", f'{TOP}{AAA}[[packages.wheels]]\nname = "x.whl"\nurl = {URL}\n{HASHES}\n', status=2),
    shape("url-bad", f'{TOP}{AAA}[[packages.wheels]]\nurl = "aaa-1.0-py3-none-any.whl"\n{HASHES}\n', status=2),
    shape("nothing", f"{TOP}{AAA}[[packages.wheels]]\n{HASHES}\n", status=2),
    shape("nohash", f"{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\n", status=2),
    shape("emptyhash", f"{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{}}\n"),
    shape("sha1", f'{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{ sha1 = "0000000000000000000000000000000000000000" }}\n', differs=SILENT),
    shape("badhash", f'{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{ sha256 = "xyz" }}\n', status=2),
    shape("hash-int", f"{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{ sha256 = 1 }}\n", status=2),
    shape("HASHCAP", f'{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{ SHA256 = "@SHA256:aaa-1.0-py3@" }}\n', differs=SILENT),
    shape("hash-upper", f'{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{ sha256 = "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB" }}\n', status=1),
    shape("md5only", f'{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{ md5 = "@MD5:aaa-1.0-py3@" }}\n'),
    shape("md5only-req", f'{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\nhashes = {{ md5 = "@MD5:aaa-1.0-py3@" }}\n', "--require-hashes pylock.toml", status=2, reference=0, differs=INSECURE),
    shape("size-ok", f"{TOP}{AAA}{WHEEL}\nsize = @SIZE:aaa-1.0-py3@\n"),
    shape("size-bad", f"{TOP}{AAA}{WHEEL}\nsize = 1\n", status=1),
    shape("size-str", f'{TOP}{AAA}{WHEEL}\nsize = "1"\n', status=2),
    shape("size-neg", f"{TOP}{AAA}{WHEEL}\nsize = -1\n", status=2),
    shape("upload", f"{TOP}{AAA}{WHEEL}\nupload-time = 2020-01-01T00:00:00Z\n"),
    shape("upload-bad", f'{TOP}{AAA}{WHEEL}\nupload-time = "x"\n', status=2),
    shape("upload-date", f"{TOP}{AAA}{WHEEL}\nupload-time = 2020-01-01\n"),
    shape("unknownkey", f"{TOP}{AAA}{WHEEL}\nfoo = 1\n"),
    shape("path-and-url", f'{TOP}{AAA}[[packages.wheels]]\nurl = {URL}\npath = "@WHEELS@/aaa-1.0-py3-none-any.whl"\n{HASHES}\n'),
    shape("path-abs", f'{TOP}{AAA}[[packages.wheels]]\npath = "@WHEELS@/aaa-1.0-py3-none-any.whl"\n{HASHES}\n'),
    shape("path-url-file", f'{TOP}{AAA}[[packages.wheels]]\nurl = "file://@WHEELS@/aaa-1.0-py3-none-any.whl"\n{HASHES}\n'),
    shape("version-with-another-zero", f'{TOP}{AAA.replace("1.0", "1.0.0")}{WHEEL}\n', then=(Step(args="pylock.toml"),)),
    shape("version-with-another-zero-as-data", f'{TOP}{AAA.replace("1.0", "1.0.0")}{WHEEL}\n', "--output-format json pylock.toml"),
    shape("v2", 'lock-version = "2.0"\ncreated-by = "x"\npackages=[]\n', status=2),
    shape("v11", f'lock-version = "1.1"\ncreated-by = "x"\n{AAA}{WHEEL}\n'),
    shape("v1", f'lock-version = "1"\ncreated-by = "x"\n{AAA}{WHEEL}\n'),
    shape("vx", f'lock-version = "x"\ncreated-by = "x"\n{AAA}{WHEEL}\n', status=2),
    shape("vint", f'lock-version = 1.0\ncreated-by = "x"\n{AAA}{WHEEL}\n', status=2),
    shape("v100", f'lock-version = "1.0.0"\ncreated-by = "x"\n{AAA}{WHEEL}\n'),
    shape("nocreated", f'lock-version = "1.0"\n{AAA}{WHEEL}\n', status=2),
    shape("noversion", f'created-by = "x"\n{AAA}{WHEEL}\n', status=2),
    shape("nopackages", f"{TOP}", status=2),
    shape("emptypackages", f"{TOP}packages=[]\n", installed="aaa-1.0"),
    shape("packages-table", f"{TOP}[packages]\n", status=2),
    shape("rp", f'{TOP}requires-python = ">=3.99"\n{AAA}{WHEEL}\n', status=2),
    shape("rp2", f'{TOP}requires-python = "x"\n{AAA}{WHEEL}\n', status=2),
    shape("rp3", f'{TOP}requires-python = ">=3.50"\n{AAA}{WHEEL}\n', "--python-version 3.99 pylock.toml", status=2),
    shape("envs", f'{TOP}environments = ["sys_platform == \'win32\'"]\n{AAA}{WHEEL}\n', status=2),
    shape("envs2", f'{TOP}environments = ["sys_platform == \'win32\'"]\n{AAA}{WHEEL}\n', "--python-platform windows pylock.toml"),
    shape("envs-empty", f"{TOP}environments = []\n{AAA}{WHEEL}\n", status=2),
    shape("envs-bad", f"{TOP}environments = ['x']\n{AAA}{WHEEL}\n", status=2),
    shape("dup", f"{TOP}{AAA}{WHEEL}\n{AAA}{WHEEL}\n", status=2),
    shape("dup-marker", f'{TOP}{AAA}{WHEEL}\n[[packages]]\nname = "aaa"\nversion="2.0"\nmarker="sys_platform==\'win32\'"\n[[packages.wheels]]\nurl = "@FILES@/aaa-2.0-py3-none-any.whl"\n{HASHES}\n'),
    shape("marker-bad", f"{TOP}{AAA}marker='x'\n\n", status=2),
    shape("nosource", f"{TOP}{AAA}\n", status=2),
    shape("both", f'{TOP}{AAA}[packages.directory]\npath="p"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n', files=dict(tree("p")), status=2),
    shape("vcsonly", f'{TOP}{AAA}[packages.vcs]\ntype="hg"\nurl="http://x/"\ncommit-id="x"\n\n', status=2),
    shape("vcs-nocommit", f'{TOP}{AAA}[packages.vcs]\ntype="git"\nurl="http://x/"\n\n', status=2),
    shape("name-missing", f'{TOP}[[packages]]\nversion="1.0"\n', status=2),
    shape("name-invalid", f'{TOP}[[packages]]\nname = "a b"\nversion = "1.0"\n\n', status=2),
    shape("name-unnormal", f'{TOP}[[packages]]\nname = "AAA"\nversion = "1.0"\n{WHEEL}\n'),
    shape("version-bad", f'{TOP}[[packages]]\nname = "aaa"\nversion = "x"\n{WHEEL}\n', status=2),
    shape("version-missing-wheel", f'{TOP}[[packages]]\nname = "aaa"\n\n{WHEEL}\n'),
    shape("pkg-rp", f'{TOP}{AAA}requires-python=">=3.99"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n', status=2),
    shape("pkg-index", f'{TOP}{AAA}index="http://x/"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n'),
    shape("deps", f'{TOP}{AAA}dependencies=[{{name="zzz"}}]\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n'),
    shape("tool", f"{TOP}{AAA}{WHEEL}\n[tool.x]\na=1\n"),
    shape("attest", f'{TOP}{AAA}{WHEEL}\n[[packages.attestation-identities]]\nkind="x"\n'),
    shape("dg", f'{TOP}dependency-groups=["dev"]\ndefault-groups=["dev"]\n{AAA}marker="\'dev\' in dependency_groups"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n'),
    shape("dg2", f'{TOP}dependency-groups=["dev"]\ndefault-groups=[]\n{AAA}marker="\'dev\' in dependency_groups"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n'),
    shape("dg3", f'{TOP}dependency-groups=["dev","x"]\ndefault-groups=["dev"]\n{AAA}marker="\'dev\' in dependency_groups"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n', "--group x pylock.toml"),
    shape("dg4", f'{TOP}dependency-groups=["dev"]\ndefault-groups=["dev"]\n{AAA}marker="\'dev\' in dependency_groups"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n', "--group sub/pyproject.toml:x pylock.toml", status=2),
    shape("dg5", f'{TOP}dependency-groups=["Dev"]\ndefault-groups=["dev"]\n{AAA}marker="\'DEV\' in dependency_groups"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n'),
    shape("ex", f'{TOP}extras=["x"]\n{AAA}marker="\'X\' in extras"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n', "--extra X pylock.toml"),
    shape("ex-all", f'{TOP}extras=["x"]\n{AAA}marker="\'x\' in extras"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n', "--all-extras pylock.toml"),
    shape("ex-not", f'{TOP}extras=["x"]\n{AAA}marker="\'x\' not in extras"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n'),
    shape("ex-eq", f'{TOP}extras=["x"]\n{AAA}marker="extra == \'x\'"\n[[packages.wheels]]\nurl={URL}\n{HASHES}\n', "--extra x pylock.toml"),
    shape("exclude-newer", f"{TOP}{AAA}{WHEEL}\n", "--exclude-newer 2000-01-01 pylock.toml"),
    shape("no-binary", f"{TOP}{AAA}{WHEEL}\n", "--no-binary aaa pylock.toml", status=2),
    shape("no-build", f"{TOP}{AAA}{WHEEL}\n", "--no-build pylock.toml"),
    shape("only-binary", f'{TOP}[[packages]]\nname = "sdonly"\nversion = "1.0"\n[packages.sdist]\nurl = "@FILES@/sdonly-1.0.tar.gz"\nhashes={{sha256="@SHA256:sdonly-1.0@"}}\n\n', "--only-binary :all: pylock.toml", status=2),
    shape("torch", f"{TOP}{AAA}{WHEEL}\n", "--torch-backend cpu pylock.toml"),
    shape("tags", f'{TOP}[[packages]]\nname = "foreign"\nversion = "1.0"\n[[packages.wheels]]\nurl = "@FILES@/foreign-1.0-@CP@-@CP@-win_amd64.whl"\nhashes={{sha256="@SHA256:foreign-1.0@"}}\n\n', status=2),
    shape("tags-plat", f'{TOP}[[packages]]\nname = "foreign"\nversion = "1.0"\n[[packages.wheels]]\nurl = "@FILES@/foreign-1.0-@CP@-@CP@-win_amd64.whl"\nhashes={{sha256="@SHA256:foreign-1.0@"}}\n\n', "--python-platform windows pylock.toml"),
    shape("b", f"{TOP}{AAA}{WHEEL}\n", "-b c.txt pylock.toml", files={"c.txt": "bbb\n"}),
    shape("archive-whl", f'{TOP}[[packages]]\nname = "aaa"\n\n[packages.archive]\nurl={URL}\n{HASHES}\n'),
    shape("archive-path", f'{TOP}[[packages]]\nname = "aaa"\n\n[packages.archive]\npath="@WHEELS@/aaa-1.0-py3-none-any.whl"\n{HASHES}\n'),
    shape("archive-sub", f'{TOP}[[packages]]\nname = "aaa"\n\n[packages.archive]\nurl={URL}\nsubdirectory="x"\n{HASHES}\n'),
    shape("archive-size", f'{TOP}[[packages]]\nname = "aaa"\n\n[packages.archive]\nurl={URL}\nsize=1\n{HASHES}\n', status=1),
    shape("archive-otherversion", f'{TOP}[[packages]]\nname = "aaa"\nversion="2.0"\n[packages.archive]\nurl={URL}\n{HASHES}\n', status=2),
    shape("archive-othername", f'{TOP}[[packages]]\nname = "bbb"\n\n[packages.archive]\nurl={URL}\n{HASHES}\n', status=2),
    shape("dir", f'{TOP}[[packages]]\nname = "proj"\n\n[packages.directory]\npath="p"\n\n', files=dict(tree("p"))),
    shape("dir-req", f'{TOP}[[packages]]\nname = "proj"\n\n[packages.directory]\npath="p"\n\n', "--require-hashes pylock.toml", files=dict(tree("p")), status=2),
    shape("dir-name", f'{TOP}[[packages]]\nname = "other"\n\n[packages.directory]\npath="p"\n\n', files=dict(tree("p")), status=1),
    shape("dir-ed-str", f'{TOP}[[packages]]\nname = "proj"\n\n[packages.directory]\npath="p"\neditable="x"\n\n', files=dict(tree("p")), status=2),
    shape("dir-sub", f'{TOP}[[packages]]\nname = "proj"\n\n[packages.directory]\npath="."\nsubdirectory="p"\n\n', files=dict(tree("p"))),
    shape("dir-version", f'{TOP}[[packages]]\nname = "proj"\nversion="9"\n[packages.directory]\npath="p"\n\n', files=dict(tree("p"))),
    shape("bom", f"\ufeff{TOP}packages=[]\n"),
    shape("crlf", 'lock-version = "1.0"\r\ncreated-by = "x"\r\npackages=[]\r\n'),
    shape("bad-toml", f"{TOP}[[", status=2),
    shape("pylock-name", f"{TOP}{AAA}{WHEEL}\n", "pylock.dev.toml", place="pylock.dev.toml"),
    shape("pylock-name2", f"{TOP}{AAA}{WHEEL}\n", "pylock..toml", place="pylock..toml", status=2),
    shape("pylock-cap", f"{TOP}{AAA}{WHEEL}\n", "PYLOCK.toml", place="PYLOCK.toml", status=2),
    shape("pylock-sub", f'{TOP}{AAA}[[packages.wheels]]\npath = "aaa-1.0-py3-none-any.whl"\n{HASHES}\n', "sub/pylock.toml", place="sub/pylock.toml", status=2),
    shape("inactive-and-without-a-source", f"{TOP}{AAA}marker = \"sys_platform == 'win32'\"\n", installed="bbb-1.0"),
]  # fmt: skip
