"""Cases on pylock.toml: §8 of the reference's behaviour."""

from __future__ import annotations

from collections.abc import Mapping

from case import Case, Step, case

HEAD = 'lock-version = "1.0"\ncreated-by = "tests"\n'
GOOD, BAD = "@SHA256:{}@", "0" * 64


def wheel(
    name: str = "aaa",
    version: str = "1.0",
    *,
    sha256: str | None = None,
    more: str = "",
    package: str = "",
    tag: str = "py3-none-any",
) -> str:
    digest = sha256 or f"@SHA256:{name}-{version}@"
    return (
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n{package}\n[[packages.wheels]]\n'
        f'url = "@FILES@/{name}-{version}-{tag}.whl"\nhashes = {{ sha256 = "{digest}" }}\n{more}\n'
    )


def local(text: str, *, package: str = "") -> str:
    return f'[[packages]]\nname = "aaa"\nversion = "1.0"\n{package}\n{text}\n'


def lock(
    name: str,
    text: str,
    args: str = "pylock.toml",
    *,
    head: str = HEAD,
    at: str = "pylock.toml",
    files: Mapping[str, str] | None = None,
    **more: object,
) -> Case:
    return case(name, None, args, files={at: head + text, **(files or {})}, **more)  # type: ignore[arg-type] # keywords of case


HASHES = 'hashes = { sha256 = "@SHA256:aaa-1.0@" }'
EXTRAS = HEAD + 'extras = ["x", "y"]\ndependency-groups = ["dev", "docs"]\ndefault-groups = ["dev"]\n'
MARKED = (
    wheel()
    + wheel("bbb", package="marker = \"'x' in extras\"")
    + wheel("ccc", package="marker = \"'dev' in dependency_groups\"")
    + wheel("ddd", package="marker = \"'docs' in dependency_groups or 'y' in extras\"")
)

CASES: list[Case] = [
    lock("wheels", wheel() + wheel("bbb"), then=(Step(args="pylock.toml"),)),
    lock("named", wheel(), "pylock.dev.toml", at="pylock.dev.toml"),
    lock("no-packages", "packages = []\n", installed="aaa-1.0"),
    lock("later-minor-version", wheel(), head='lock-version = "1.1"\ncreated-by = "x"\n'),
    lock("later-major-version", wheel(), head='lock-version = "2.0"\ncreated-by = "x"\n', status=2),
    lock("without-a-version", wheel(), head='created-by = "x"\n', status=2),
    lock("without-a-maker", wheel(), head='lock-version = "1.0"\n', status=2),
    lock("without-packages", "", status=2),
    lock("without-hashes", wheel().replace("hashes", "# hashes"), status=2),
    lock("that-is-no-toml", "[[packages\n", status=2),
    lock("unknown-keys", "nonsense = 1\n" + wheel(package="nonsense = 2") + "[tool.x]\ny = 1\n"),
    lock("missing-file", "", "pylock.other.toml", status=2),
    lock("requires-python", wheel(), head=HEAD + 'requires-python = ">=3.8"\n'),
    lock("requires-another-python", wheel(), head=HEAD + 'requires-python = ">=3.99"\n', status=2),
    lock("requires-the-python-that-is-there", wheel(), "--python-version 3.8 pylock.toml", head=HEAD + 'requires-python = ">=3.9"\n'),
    lock("package-requires-another-python", wheel(package='requires-python = ">=3.99"'), status=2),
    lock("package-requires-another-python-than-the-target", wheel(package='requires-python = ">=3.9"'), "--python-version 3.8 pylock.toml", status=2),
    lock("environments", wheel(), head=HEAD + "environments = [\"sys_platform == 'win32'\", \"sys_platform == 'linux'\"]\n"),
    lock("environments-without-this", wheel(), head=HEAD + "environments = [\"sys_platform == 'win32'\"]\n", status=2),
    lock("marker", wheel(package="marker = \"sys_platform == 'win32'\"") + wheel("bbb")),
    lock("marker-that-is-none", wheel(package='marker = "nonsense"'), status=2),
    lock("extras", MARKED, head=EXTRAS),
    lock("extra", MARKED, "--extra x pylock.toml", head=EXTRAS),
    lock("all-extras", MARKED, "--all-extras pylock.toml", head=EXTRAS),
    lock("extra-unknown", MARKED, "--extra nope pylock.toml", head=EXTRAS, status=2, reference=0, says="nope", differs="unknown extras of a pylock are errors"),
    lock("group", MARKED, "--group docs pylock.toml", head=EXTRAS),
    lock("groups", MARKED, "--group docs --group dev pylock.toml", head=EXTRAS),
    lock("group-unknown", MARKED, "--group nope pylock.toml", head=EXTRAS, status=2, reference=0, says="nope", differs="unknown groups of a pylock are errors"),
    lock("group-of-a-path", MARKED, "--group pyproject.toml:docs pylock.toml", head=EXTRAS, status=2),
    lock("default-group-that-is-not-listed", MARKED, head=HEAD + 'default-groups = ["dev"]\n'),
    lock("two-active", wheel() + wheel(version="2.0"), status=2),
    lock("two-disjoint", wheel(package="marker = \"sys_platform == 'linux'\"") + wheel(version="2.0", package="marker = \"sys_platform == 'win32'\"")),
    lock("no-source", '[[packages]]\nname = "aaa"\nversion = "1.0"\n', status=2),
    lock("two-sources", wheel() + '[packages.directory]\npath = "."\n', status=2),
    lock("wheel-by-path", local(f'[[packages.wheels]]\npath = "sub/aaa-1.0-py3-none-any.whl"\n{HASHES}'), status=2),
    lock("wheel-by-absolute-path", local(f'[[packages.wheels]]\npath = "@WHEELS@/aaa-1.0-py3-none-any.whl"\n{HASHES}'), then=(Step(args="pylock.toml"),)),
    lock("wheel-by-path-rather-than-address", local(f'[[packages.wheels]]\npath = "@WHEELS@/aaa-1.0-py3-none-any.whl"\nurl = "http://127.0.0.1:9/aaa-1.0-py3-none-any.whl"\n{HASHES}')),
    lock("wheel-with-a-name", local(f'[[packages.wheels]]\nname = "aaa-1.0-py3-none-any.whl"\nurl = "@FILES@/aaa-1.0-py3-none-any.whl"\n{HASHES}')),
    lock("wheel-of-another-name", local('[[packages.wheels]]\nurl = "@FILES@/bbb-1.0-py3-none-any.whl"\nhashes = { sha256 = "@SHA256:bbb-1.0@" }'), status=2),
    lock("wheel-of-another-version", local('[[packages.wheels]]\nurl = "@FILES@/aaa-2.0-py3-none-any.whl"\nhashes = { sha256 = "@SHA256:aaa-2.0@" }'), status=2),
    lock("wheel-without-a-place", local(f'[[packages.wheels]]\nname = "aaa-1.0-py3-none-any.whl"\n{HASHES}'), status=2),
    lock("wheel-for-another-platform", wheel("foreign", tag="@CP@-@CP@-win_amd64"), status=2),
    lock("wheel-for-another-platform-asked-for", wheel("foreign", tag="@CP@-@CP@-win_amd64"), "--python-platform windows pylock.toml"),
    lock("wheels-and-the-best-tag", wheel("native", tag="py3-none-any", sha256="@SHA256:native-1.0-py3-none-any@") + '[[packages.wheels]]\nurl = "@FILES@/native-1.0-@CP@-@CP@-manylinux_2_17_x86_64.whl"\nhashes = { sha256 = "@SHA256:native-1.0-cp@" }\n'),
    lock("size", wheel(more="size = @SIZE:aaa-1.0@")),
    lock("size-wrong", wheel(more="size = 1"), status=1),
    lock("size-of-a-path-wrong", local(f'[[packages.wheels]]\npath = "@WHEELS@/aaa-1.0-py3-none-any.whl"\nsize = 1\n{HASHES}'), status=2),
    lock("hash-wrong", wheel(sha256=BAD), installed="bbb-1.0", status=1),
    lock("hash-wrong-of-a-path", local(f'[[packages.wheels]]\npath = "@WHEELS@/aaa-1.0-py3-none-any.whl"\nhashes = {{ sha256 = "{BAD}" }}'), status=1),
    lock("hash-wrong-not-verified", wheel(sha256=BAD), "--no-verify-hashes pylock.toml", status=0, reference=1, differs="--no-verify-hashes works for pylock"),
    lock("hash-too-short", wheel(sha256="abc"), status=2),
    lock("hashes-of-two-kinds", wheel().replace("hashes = {", 'hashes = { sha512 = "@SHA512:aaa-1.0@",')),
    lock("hashes-of-two-kinds-and-one-wrong", wheel().replace("hashes = {", f'hashes = {{ sha512 = "{"0" * 128}",'), status=1, reference=0, differs="every hash that a lock lists has to match"),
    lock("hashes-of-an-unknown-kind-too", wheel().replace("hashes = {", 'hashes = { whirlpool = "00",')),
    lock("hashes-empty", local('[[packages.wheels]]\nurl = "@FILES@/aaa-1.0-py3-none-any.whl"\nhashes = {}')),
    lock("hashes-empty-required", local('[[packages.wheels]]\nurl = "@FILES@/aaa-1.0-py3-none-any.whl"\nhashes = {}'), "--require-hashes pylock.toml", status=2),
    lock("hashes-required", wheel(), "--require-hashes pylock.toml"),
    lock("archive", local(f'[packages.archive]\nurl = "@FILES@/aaa-1.0-py3-none-any.whl"\n{HASHES}'), then=(Step(args="pylock.toml"),)),
    lock("archive-by-path", local(f'[packages.archive]\npath = "@WHEELS@/aaa-1.0-py3-none-any.whl"\n{HASHES}'), then=(Step(args="pylock.toml"),)),
    lock("archive-without-a-version", '[[packages]]\nname = "aaa"\n' + f'[packages.archive]\nurl = "@FILES@/aaa-1.0-py3-none-any.whl"\n{HASHES}'),
    lock("archive-hash-wrong", local(f'[packages.archive]\nurl = "@FILES@/aaa-1.0-py3-none-any.whl"\nhashes = {{ sha256 = "{BAD}" }}'), status=1),
    lock("archive-of-an-unknown-kind", local(f'[packages.archive]\nurl = "@FILES@/aaa-1.0.rar"\n{HASHES}'), status=2),
    lock("directory-required", local('[packages.directory]\npath = "p"'), "--require-hashes pylock.toml", files={"p/pyproject.toml": "[project]\nname='aaa'\nversion='1.0'\n"}, status=2),
    lock("vcs-required", local('[packages.vcs]\ntype = "git"\nurl = "https://example.org/x"\ncommit-id = "' + "0" * 40 + '"'), "--require-hashes pylock.toml", status=2),
    lock("vcs-without-a-commit", local('[packages.vcs]\ntype = "git"\nurl = "https://example.org/x"'), status=2),
    lock("vcs-no-build", local('[packages.vcs]\ntype = "git"\nurl = "https://example.org/x"\ncommit-id = "' + "0" * 40 + '"'), "--no-build pylock.toml", status=2),
    lock("directory-no-build", local('[packages.directory]\npath = "p"'), "--no-build pylock.toml", files={"p/pyproject.toml": "[project]\nname='aaa'\nversion='1.0'\n"}, status=2),
    lock("no-binary-without-an-sdist", wheel(), "--no-binary aaa pylock.toml", status=2),
    lock("no-binary-and-no-build", wheel(), "--no-binary aaa --only-binary aaa pylock.toml", status=2),
    lock("index-is-not-asked", wheel(package='index = "http://127.0.0.1:9/simple/"')),
    lock("index-that-is-no-address", wheel(package='index = "/simple/"'), status=2),
    lock("dependencies-that-are-texts", wheel(package='dependencies = ["zzz"]'), status=2),
    lock("no-index", wheel(), "--no-index pylock.toml"),
    lock("dependencies-do-not-count", wheel(package='dependencies = [{ name = "zzz" }]')),
    lock("upload-time", wheel(more="upload-time = 2020-01-01T00:00:00Z"), "--exclude-newer 2000-01-01 pylock.toml"),
    lock("two-locks", wheel(), "pylock.toml pylock.a.toml", files={"pylock.a.toml": HEAD + wheel("bbb")}, status=2),
    lock("and-requirements", wheel(), "pylock.toml r.txt", files={"r.txt": "bbb\n"}, status=2),
    lock("and-constraints", wheel(), "-c c.txt pylock.toml", files={"c.txt": "bbb\n"}, status=2),
    lock("dry-run", wheel(), "--dry-run pylock.toml", installed="bbb-1.0"),
    lock("check", wheel(), "--check pylock.toml", installed="aaa-1.0"),
    lock("reinstall", wheel(), "--reinstall pylock.toml", installed="aaa-1.0"),
    lock("bad-name", wheel("a a", sha256=BAD), status=2),
    lock("bad-version", wheel(version="x", sha256=BAD), status=2),
    lock("default-group-that-is-not-listed", MARKED, head='lock-version = "1.0"\ncreated-by = "x"\ndefault-groups = ["dev"]\n'),
]  # fmt: skip
