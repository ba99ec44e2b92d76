"""One requirement: the forms it may have, and what each refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from asking import ask, one, refusal, write
from pytest_envsync.errors import InputError
from pytest_envsync.hashes import Digest
from pytest_envsync.inputs.requirements_txt import format_requirement, parse_requirement
from pytest_envsync.requirements import (
    ArchiveSource,
    DirectorySource,
    IndexSource,
    Origin,
    Source,
    SpecifiedRequirement,
    VcsSource,
)

A, B = "a" * 64, "b" * 64
WHEEL = "demo-1.0-py3-none-any.whl"


# --- an index ---


@pytest.mark.parametrize(
    ("line", "name", "extras", "specifier", "marker"),
    [
        ("demo", "demo", (), "", None),
        ("De_mo.X", "de-mo-x", (), "", None),
        ("demo==1.0", "demo", (), "==1.0", None),
        ("demo == 1.0 , <3", "demo", (), "==1.0,<3", None),
        ("demo (>=1,<2)", "demo", (), ">=1,<2", None),
        ("demo()", "demo", (), "", None),
        ("demo==1.0,", "demo", (), "==1.0", None),
        ("demo===1.0-1", "demo", (), "===1.0-1", None),
        ("demo==1.*", "demo", (), "==1.*", None),
        ("demo~=1.4.2", "demo", (), "~=1.4.2", None),
        ("demo!=1.0rc1+local.1", "demo", (), "!=1.0rc1+local.1", None),
        ("demo==1!2.0", "demo", (), "==1!2.0", None),
        ("demo[B,a , b]>=1", "demo", ("b", "a"), ">=1", None),
        ("demo[]", "demo", (), "", None),
        ("demo;python_version>'3'", "demo", (), "", "python_version>'3'"),
        ("demo ; sys_platform == 'x' or (os_name=='y')", "demo", (), "", "sys_platform == 'x' or (os_name=='y')"),
        ("demo ; extra == 'x'", "demo", (), "", "extra == 'x'"),
        ("demo ; os.name == 'posix'", "demo", (), "", "os.name == 'posix'"),
        ("demo ; '3' < python_version", "demo", (), "", "'3' < python_version"),
        ("demo ; python_version not in '3.11 3.12'", "demo", (), "", "python_version not in '3.11 3.12'"),
        ("1.0", "1-0", (), "", None),
        ("demo-1.0.zip==1.0", "demo-1-0-zip", (), "==1.0", None),
    ],
)
def test_requirements_of_an_index(  # noqa: PLR0917 - the columns of the table
    tmp_path: Path, line: str, name: str, extras: tuple[str, ...], specifier: str, marker: str | None
) -> None:
    assert one(tmp_path, line) == SpecifiedRequirement(
        name=name,
        source=IndexSource(specifier),
        text=line,
        extras=extras,
        marker=marker,
        origin=Origin("r.txt", 1),
    )


@pytest.mark.parametrize(
    ("line", "phrase"),
    [
        ("demo=1.0", 'no such comparison operator "="'),
        ("demo 1.0", "Expected one of `@`, `(`, `<`, `=`, `>`, `~`, `!`, `;`, found `1`"),
        ("demo,other", "Expected one of"),
        ("demo==", "not a valid version specifier"),
        ("demo==1.0 other", "not a valid version specifier"),
        ("demo==1.\\\n0", "not a valid version specifier"),
        ("demo==${VERSION}", "not a valid version specifier"),
        ("demo>=1.0<2", "not a valid version specifier"),
        ("demo~=1", "not a valid version specifier"),
        ("demo-", "must end with an alphanumeric character, not `-`"),
        ("demo[x", "Missing closing bracket"),
        ("demo[x,]", "extra name"),
        ("demo (==1.0", "Missing closing parenthesis"),
        ("demo (1.0)", "Expected one of"),
        ("demo ;", "Expected marker value, found end of dependency specification"),
        ("demo ; foo == 'x'", "not a valid marker"),
        ("demo ; python_version > '3' and", "not a valid marker"),
        ("demo ; python_version == 3", "not a valid marker"),
        ("demo ; 'x' in extras", "lockfiles only"),
        ("demo ; os_name == 'a\\b'", "backslash"),
        ("demo ; " + "(" * 200 + "os_name == 'x'" + ")" * 200, "too many parentheses"),
        ("demo -r other.txt", "Expected one of"),
        ("demo @", "Expected URL"),
        ("$DEMO", "starting with an alphanumeric character, found `$`"),
        ("*", "Unexpected '*', expected '-c', '-e', '-r' or the start of a requirement (column 1)"),
        ("  ~/demo.whl", "Unexpected '~', expected '-c', '-e', '-r' or the start of a requirement (column 3)"),
        ("é", "Unexpected 'é'"),
        ('"demo"', "Unexpected '\"'"),
        ("-x", "Unexpected '-', expected '-c', '-e', '-r' or the start of a requirement"),
        ("-", "Unexpected '-'"),
        ("--upgrade", "Unexpected '-'"),
    ],
)
def test_what_is_no_requirement_is_refused_with_its_line(tmp_path: Path, line: str, phrase: str) -> None:
    error = refusal(tmp_path, f"# first\n{line}\n")
    assert phrase in str(error)
    assert (error.origin, error.exit_status) == (Origin("r.txt", 2), 2)


def test_a_line_that_names_a_file_of_requirements_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "other.txt", "")
    write(tmp_path, "folder/r.txt", "other.txt\nmissing.txt\n")
    write(tmp_path, "folder/other.txt", "")
    assert "Did you mean `-r other.txt`?" in str(refusal(tmp_path, "other.txt"))
    with pytest.raises(InputError, match="Did you mean `-r other"):
        ask(tmp_path, "folder/r.txt")
    assert one(tmp_path, "missing.txt").name == "missing-txt"


# --- addresses and paths ---


@pytest.mark.parametrize(
    ("line", "name", "source"),
    [
        (f"demo @ https://x.test/{WHEEL}", "demo", ArchiveSource(f"https://x.test/{WHEEL}")),
        (f"https://x.test/{WHEEL}", "demo", ArchiveSource(f"https://x.test/{WHEEL}")),
        (f"demo@https://x.test/{WHEEL}?token=1", "demo", ArchiveSource(f"https://x.test/{WHEEL}?token=1")),
        ("https://x.test/Some_Demo-1.0.tar.gz", "some-demo", ArchiveSource("https://x.test/Some_Demo-1.0.tar.gz")),
        ("https://x.test/archive/main.zip", None, ArchiveSource("https://x.test/archive/main.zip")),
        ("demo @ https://x.test/a/main.zip#egg=x&subdirectory=a/b", "demo",
         ArchiveSource("https://x.test/a/main.zip", "a/b")),
        ("demo @ https://x.test/a b/main.zip", "demo", ArchiveSource("https://x.test/a%20b/main.zip")),
        (f"file:///x/{WHEEL}", "demo", ArchiveSource(f"file:///x/{WHEEL}")),
        (f"demo @ file://localhost/x/a%20b/{WHEEL}", "demo", ArchiveSource(f"file:///x/a%20b/{WHEEL}")),
        (f"/x/{WHEEL}", "demo", ArchiveSource(f"file:///x/{WHEEL}", None, f"/x/{WHEEL}")),
        (f"/x/a b;c/{WHEEL}", "demo", ArchiveSource(f"file:///x/a%20b;c/{WHEEL}", None, f"/x/a b;c/{WHEEL}")),
        (f"/x/per%20cent/{WHEEL}", "demo",
         ArchiveSource(f"file:///x/per%2520cent/{WHEEL}", None, f"/x/per%20cent/{WHEEL}")),
        ("/x/tree", None, DirectorySource("/x/tree")),
        ("/x/tree.zip/", None, DirectorySource("/x/tree.zip")),
        ("/x/../y/./tree/", None, DirectorySource("/y/tree")),
        ("demo @ /x/tree", "demo", DirectorySource("/x/tree")),
        ("file:///x/tree#egg=other", None, DirectorySource("/x/tree")),
        ("/x/tree#egg=other", None, DirectorySource("/x/tree")),
        ("demo @ file:///x/tree#subdirectory=sub", "demo", DirectorySource("/x/tree", subdirectory="sub")),
        ("git+https://x.test/r.git", None, VcsSource("git", "https://x.test/r.git")),
        ("demo @ git+https://x.test/r@main#egg=x&subdirectory=s", "demo",
         VcsSource("git", "https://x.test/r", "main", "s")),
        ("git+ssh://git@x.test/r.git@v1.0", None, VcsSource("git", "ssh://git@x.test/r.git", "v1.0")),
        ("git+file:///x/r@feature/one%40two", None, VcsSource("git", "file:///x/r", "feature/one@two")),
        (f"git+https://x.test/r@{A[:40]}", None, VcsSource("git", "https://x.test/r", A[:40], None, A[:40])),
    ],
)  # fmt: skip
def test_addresses_and_paths(tmp_path: Path, line: str, name: str | None, source: Source) -> None:
    requirement = one(tmp_path, line)
    assert (requirement.name, requirement.source, requirement.text) == (name, source, line)


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("./tree", "tree"),
        ("../tree", "../tree"),
        ("x/tree", "x/tree"),
        (".", "."),
        ("demo @ tree", "tree"),
        ("file:tree", "tree"),
        ("${PROJECT_ROOT}/tree", "tree"),
        ("./${FOLDER}/tree", "my folder/tree"),
        ("./${UNKNOWN}/tree", "${UNKNOWN}/tree"),
        ("./$FOLDER/tree", "$FOLDER/tree"),
        ("./${folder}/tree", "${folder}/tree"),
        ("-e tree", "tree"),
        ("-e ./tree", "tree"),
        ("--editable=./tree", "tree"),
        ("-e demo @ ./tree", "tree"),
        ("-e file:tree#egg=demo", "tree"),
    ],
)
def test_paths_start_at_the_working_directory(tmp_path: Path, line: str, path: str) -> None:
    """Not at the directory of the file, unlike ``-r``."""
    write(tmp_path, "folder/r.txt", f"{line}\n")
    requirements = ask(tmp_path, "folder/r.txt", environ={"FOLDER": "my folder", "folder": "no"})
    source = requirements.entries[0].source
    expected = Path(str(tmp_path), path).as_posix()
    assert isinstance(source, DirectorySource)
    assert Path(source.path) == Path(expected.replace(f"{tmp_path}/..", str(tmp_path.parent)))
    assert source.editable is line.startswith("-")


def test_variables_that_were_looked_up_are_named(tmp_path: Path) -> None:
    write(tmp_path, "r.txt", "--index-url https://${USER_1}:${TOKEN}@x.test/simple\n./${UNSET}/x\n")
    requirements = ask(tmp_path, "r.txt", environ={"USER_1": "me", "TOKEN": "secret", "OTHER": "x"})
    assert requirements.variables == (("TOKEN", "secret"), ("UNSET", None), ("USER_1", "me"))
    assert requirements.index_url == "https://me:secret@x.test/simple"


@pytest.mark.parametrize(
    ("line", "extras", "marker"),
    [
        ("./tree[x]", ("x",), None),
        ("./tree[X,y] ; os_name == 'nt'", ("x", "y"), "os_name == 'nt'"),
        ("./tree ;os_name == 'nt'", (), "os_name == 'nt'"),
        ("./tree; os_name == 'nt'", (), "os_name == 'nt'"),
        ("-e ./tree[x] ; os_name == 'nt'", ("x",), "os_name == 'nt'"),
        ("-e demo[x] @ ./tree; os_name == 'nt'", ("x",), "os_name == 'nt'"),
        (f"https://x.test/{WHEEL}[a]", ("a",), None),
        (f"https://x.test/{WHEEL} [a] ; os_name == 'nt'", ("a",), "os_name == 'nt'"),
        (f"https://x.test/{WHEEL}; os_name == 'nt'", (), "os_name == 'nt'"),
        (f"demo[a] @ https://x.test/{WHEEL} ; os_name == 'nt'", ("a",), "os_name == 'nt'"),
        (f"w/{WHEEL}[x] ; os_name == 'nt'", ("x",), "os_name == 'nt'"),
        (f"{WHEEL} ; os_name == 'nt'", (), "os_name == 'nt'"),
    ],
)
def test_extras_and_markers_of_references(tmp_path: Path, line: str, extras: tuple[str, ...], marker: str) -> None:
    requirement = one(tmp_path, line)
    assert (requirement.extras, requirement.marker) == (extras, marker)


def test_a_wheel_of_another_name_is_judged_when_it_is_wanted(tmp_path: Path) -> None:
    requirement = one(tmp_path, f"other @ ./{WHEEL} ; os_name == 'nt'")
    assert (requirement.name, requirement.marker) == ("other", "os_name == 'nt'")


def test_only_the_last_brackets_are_extras(tmp_path: Path) -> None:
    requirement = one(tmp_path, "./tree[x][y]")
    assert (requirement.source, requirement.extras) == (DirectorySource(f"{tmp_path}/tree[x]"), ("y",))


@pytest.mark.parametrize(
    ("line", "phrase", "status"),
    [
        ("https://x.test/demo", "to end in a supported file extension", 2),
        (f"https://x.test/{WHEEL};os_name=='nt'", "to end in a supported file extension", 2),
        (f"https://x.test/dl?file={WHEEL}", "to end in a supported file extension", 2),
        ("demo @ https://u:secret@x.test/demo", "https://u:****@x.test/demo", 2),
        ("https://", "empty host", 2),
        ("https://[x/demo.whl", "not a valid URL", 2),
        ("https://x.test:port/demo.zip", "not a valid URL", 2),
        ("hg+https://x.test/r", "Mercurial is not supported", 2),
        ("demo @ svn+https://x.test/r", "Subversion is not supported", 2),
        ("demo @ bzr+ssh://x.test/r", "Bazaar is not supported", 2),
        ("s3://x.test/demo-1.0.tar.gz", "Unsupported URL scheme `s3`", 1),
        ("demo===1.0-weird", "asks for something that is no version", 2),
        ("demo>=1,,<2", "two commas have nothing between them", 2),
        ("git+ftp://x.test/r", "Unsupported Git URL scheme `ftp:`", 2),
        ("git+https://", "Not a valid URL", 2),
        ("git+https://x.test/r@a@b", "multiple `@` characters", 2),
        ("git+https://x.test/r@--upload-pack=x", "no Git revision", 2),
        ("git@x.test:r.git", "no address of a repository", 1),
        ("git+https://x.test/r#subdirectory=../x", "must be a path inside", 2),
        (f"file://host/x/{WHEEL}", "names a host", 2),
        (f"./w/{WHEEL}#sha256={A}", "supported file extension", 2),
        (f"demo @ ./w/{WHEEL};os_name=='nt'", "supported file extension", 2),
        (f"./w/{WHEEL} [x]", "supported file extension", 2),
        ("https://x.test/demo.whl", "The wheel filename `demo.whl` is invalid: Must have a version", 1),
        ("https://x.test/demo-1.0-py3-none-a%2F..%2Fny.whl", "Invalid characters in a tag", 1),
        ("demo @ https://x.test/demo-1.0.tar.bz2", "non-PEP 625-compliant filename", 1),
        ("-e demo==1.0", "Registry requirements cannot be editable", 2),
        (f"-e ./{WHEEL}", "Local archives cannot be editable", 2),
        (f"-e https://x.test/{WHEEL}", "Direct URLs cannot be editable", 2),
        ("-e git+https://x.test/r", "Git sources cannot be editable", 2),
        ("-e", "must be followed by an argument", 2),
        ("-e./tree", "Expected '=' or whitespace, found '.'", 2),
        ("./${EMPTY}${EMPTY}\n${EMPTY}", "a variable can stand for an address or a path only", 2),
    ],
)
def test_references_that_are_refused(tmp_path: Path, line: str, phrase: str, status: int) -> None:
    error = refusal(tmp_path, line, environ={"EMPTY": ""})
    assert phrase in str(error)
    assert "secret" not in str(error)
    assert error.exit_status == status


# --- hashes ---


@pytest.mark.parametrize(
    "line",
    [
        f"demo==1.0 --hash=sha256:{A} --hash=sha256:{B}",
        f"demo==1.0 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}",
        f"demo==1.0\\\n--hash=sha256:{A}\\\n--hash=sha256:{B}",
        f"demo==1.0 --hash sha256:{A.upper()} --hash   sha256:{B}  # comment",
        f"demo==1.0 --hash=sha256:{A} \\\n --hash=sha256:{B} \\\n  # comment",
        f"demo==1.0 --hash=sha256:{A} --hash=sha256:{A} --hash=sha256:{B} \\\n",
        f"demo == 1.0 --hash=sha256:{A} --hash=sha256:{B}",
    ],
)
def test_hashes(tmp_path: Path, line: str) -> None:
    assert one(tmp_path, line).digests == (Digest("sha256", A), Digest("sha256", B))


@pytest.mark.parametrize(
    ("hashes", "phrase"),
    [
        ("--hash=sha256:aa", "invalid hash digest length"),
        (f"--hash=SHA256:{A}", "unsupported hash algorithm `SHA256`"),
        (f"--hash=sha1:{A[:40]}", "unsupported hash algorithm `sha1`"),
        (f"--hash={A}", "expected ALGORITHM:DIGEST"),
        (f"--hash=sha256:{A[:62]}zz", "only hex digits"),
        (f"--hash=sha256:{A}#comment", "invalid hash digest length"),
        (f'--hash "sha256:{A}"', "unsupported hash algorithm"),
        (f"--hash= sha256:{A}", "`--hash` must be followed by an argument"),
        ("--hash", "`--hash` must be followed by an argument"),
        (f"--hash=sha256:{A} ; os_name == 'x'", "Expected `--hash`, found `;`"),
        (f"--hash=sha256:{A} other", "Expected `--hash`, found `other`"),
        ("--global-option=x", "Expected `--hash`, found `--global-option=x`"),
        ("--config-settings x=y", "Expected `--hash`, found `--config-settings`"),
    ],
)
def test_hashes_that_are_refused(tmp_path: Path, hashes: str, phrase: str) -> None:
    error = refusal(tmp_path, f"demo==1.0 {hashes}")
    assert phrase in str(error)
    assert (error.origin, error.exit_status) == (Origin("r.txt", 1), 2)


def test_fragments_of_addresses_are_hashes(tmp_path: Path) -> None:
    requirement = one(tmp_path, f"demo @ https://x.test/{WHEEL}#sha256={A}&egg=x --hash=md5:{A[:32]}")
    assert requirement.digests == (Digest("sha256", A), Digest("md5", A[:32]))
    assert requirement.source == ArchiveSource(f"https://x.test/{WHEEL}")
    assert one(tmp_path, f"demo @ ./{WHEEL}#sha256={A}").digests == (Digest("sha256", A),)
    assert one(tmp_path, f"file:///x/{WHEEL}#sha256={A}").digests == (Digest("sha256", A),)
    assert one(tmp_path, f"demo @ https://x.test/{WHEEL}#sha1=aa").digests == ()


def test_a_fragment_and_a_hash_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    error = refusal(tmp_path, f"demo @ https://u:secret@x.test/{WHEEL}#sha256={A} --hash=sha256:{B}")
    assert "Conflicting archive URL hashes for `demo @ https://u:****@x.test" in str(error)
    assert "secret" not in str(error)
    assert "Conflicting" in str(refusal(tmp_path, f"demo @ https://x.test/{WHEEL}#sha256={A}&sha256={B}"))


def test_one_requirement_may_be_read_alone() -> None:
    requirement = parse_requirement("Demo [x] >=1 ; os_name=='nt'", cwd="/cwd")
    assert format_requirement(requirement) == "demo[x]>=1 ; os_name=='nt'"
    assert parse_requirement("./${X}", cwd="/cwd", environ={"X": "y"}).source == DirectorySource("/cwd/y")
    assert parse_requirement("tree", cwd="/cwd", editable=True).source == DirectorySource("/cwd/tree", editable=True)
    with pytest.raises(InputError, match="<option>: "):
        parse_requirement("demo=1", cwd="/cwd", origin=Origin("<option>"))
