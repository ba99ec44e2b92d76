"""Requirements files: text, options, and files that include files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asking import ask, lines, refusal, texts, write
from pytest_envsync.requirements import DirectorySource, Origin, Requirements

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    "content",
    [
        b"demo\nother\n",
        b"demo\r\nother\r\n",
        b"demo\rother",
        b"\xef\xbb\xbfdemo\nother",
        b"\xff\xfe" + "demo\nother\n".encode("utf-16-le"),
        b"\xfe\xff" + "demo\r\nother".encode("utf-16-be"),
        b"# coding: latin-1\ndemo\nother  # \xc3\xa9",
    ],
)
def test_text_is_utf_8_or_what_a_byte_order_mark_says(tmp_path: Path, content: bytes) -> None:
    assert texts(lines(tmp_path, content)) == ["demo", "other"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"demo\n\xff\n", "r.txt:2: failed to decode: not valid UTF-8 at byte 5"),
        (b"# coding: latin-1\n# \xe9\n", "r.txt:2: failed to decode: not valid UTF-8"),
        (b"\xff\xfed", "r.txt: failed to decode: not valid UTF-16-LE"),
        (b"demo\nde\0mo\n", "r.txt:2: not a text file: it contains NUL"),
    ],
)
def test_other_bytes_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    error = refusal(tmp_path, content)
    assert str(error).startswith(message)
    assert error.exit_status == 2


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("# a comment\n\n  \t\n demo # another\n", ["demo"]),
        ("# no continuation \\\ndemo", ["demo"]),
        ("demo # no continuation \\\nother", ["demo", "other"]),
        ("\\\ndemo", ["demo"]),
        ("demo \\\n  >= 1 \\\n  , < 2", ["demo >= 1 , < 2"]),
        ("demo \\\n", ["demo"]),
        ("demo \\", ["demo"]),
        ("\\", []),
    ],
)
def test_comments_and_continuations(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert texts(lines(tmp_path, content)) == expected


def test_a_hash_sign_inside_a_word_begins_no_comment(tmp_path: Path) -> None:
    assert "`==1.0#c` is not a valid version specifier" in str(refusal(tmp_path, "demo==1.0#c"))


def test_a_comment_ends_a_continued_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, f"demo==1.0 \\\n# comment\n  --hash=sha256:{A}\n")
    assert str(error).startswith("r.txt:3: `--hash=")
    assert "Unexpected '-', expected '-c', '-e', '-r' or the start of a requirement" in str(error)
    assert "column 3" in str(error)


def test_the_fast_way_reads_what_the_general_way_reads(tmp_path: Path) -> None:
    pins = "demo==1.0.post1\n", f"Demo_X==1.0rc1 --hash=sha512:{A}{B} \\\n  --hash=sha256:{A}  # why\n"
    fast = lines(tmp_path, "".join(pins))
    # White space in front of a requirement takes it the general way.
    general = lines(tmp_path, "".join(f" {pin}" for pin in pins))
    assert fast.entries == general.entries
    assert [entry.origin for entry in fast.entries] == [Origin("r.txt", 1), Origin("r.txt", 2)]


def test_a_plain_lockfile_needs_no_library(tmp_path: Path) -> None:
    pins = "".join(f"demo{n}==1.{n} \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n" for n in range(50))
    write(tmp_path, "r.txt", f"{pins}other==1.0 ; python_version >= '3.8' and sys_platform == 'linux'\n")
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, 'TESTS'); from asking import ask;"
        "assert len(ask(Path.cwd(), 'r.txt').entries) == 51;"
        "print(*[name for name in ('packaging', 'tomli', 'httpx', 'subprocess') if name in sys.modules])"
    ).replace("TESTS", str(Path(__file__).parent))
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


# --- options ---


def test_options_of_a_file(tmp_path: Path) -> None:
    requirements = lines(
        tmp_path,
        "-i https://x.test/simple  # why\n"
        "--extra-index-url https://y.test/simple\n--extra-index-url=./local\n"
        "-f links#comment\n--find-links 'more links'\n"
        "--no-binary Demo,other\n--only-binary=:all:\n--no-binary :none:\n"
        "--no-index\n--require-hashes\n",
    )
    assert requirements == Requirements(
        index_url="https://x.test/simple",
        extra_index_urls=("https://y.test/simple", f"{tmp_path}/local"),
        find_links=(f"{tmp_path}/links", f"{tmp_path}/more links"),
        no_binary=("demo", "other", ":none:"),
        only_binary=(":all:",),
        no_index=True,
        require_hashes=True,
        files=requirements.files,
    )


def test_a_flag_may_share_its_line(tmp_path: Path) -> None:
    requirements = lines(tmp_path, "--no-index --find-links w\n--require-hashes demo")
    assert (requirements.no_index, requirements.find_links, texts(requirements)) == (True, (f"{tmp_path}/w",), ["demo"])


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        ("--pre", "`--pre` (hint: pass `--pre` on the command line instead)"),
        ("--trusted-host x.test", "`--trusted-host` (hint: pass"),
        ("--trusted-host=x.test", "`--trusted-host` (hint: pass"),
        ("--prefer-binary", "Ignoring unsupported option in `r.txt`: `--prefer-binary`"),
        ("--use-feature x", "Ignoring unsupported option in `r.txt`: `--use-feature`"),
    ],
)
def test_options_that_are_ignored_with_a_warning(tmp_path: Path, line: str, warning: str) -> None:
    requirements = lines(tmp_path, f"{line}\ndemo\n")
    assert texts(requirements) == ["demo"]
    assert len(requirements.warnings) == 1
    assert warning in requirements.warnings[0]


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("-rother.txt", "Expected '=' or whitespace, found 'o' after `-r`"),
        ("--constraints x", "Expected '=' or whitespace, found 's' after `--constraint`"),
        ("-r", "`--requirement` must be followed by an argument"),
        ("-r  # comment", "`--requirement` must be followed by an argument"),
        ("--index-url=", "`--index-url` must be followed by an argument"),
        ("-i ''", "`--index-url` must be followed by an argument"),
        ("--trusted-hostx", "Unexpected '-'"),
        ("--require-hashes=1", "Unexpected '-'"),
        ("--require-hashesx", "Unexpected '-'"),
        ("-i https://x.test\n-i https://x.test", "Multiple `--index-url` values provided"),
        ("-i https://x.test --extra-index-url https://y.test", "one option a line"),
        ("-f w --no-index", "one option a line"),
        ("-r a.txt -c b.txt", "one option a line"),
        ("-i https://x.test https://y.test", "Invalid URL"),
        ("--no-binary !!!", "Invalid specifier for `--no-binary`: `!!!`"),
        ("--only-binary ''", "Invalid specifier for `--only-binary`"),
    ],
)
def test_options_that_are_refused(tmp_path: Path, content: str, phrase: str) -> None:
    error = refusal(tmp_path, content)
    assert phrase in str(error)
    assert error.exit_status == 2


# --- files that include files ---


def test_included_files_are_looked_up_beside_their_includer(tmp_path: Path) -> None:
    write(tmp_path, "a/r.txt", "-r b/s.txt\n-f links\ntop\n")
    write(tmp_path, "a/b/s.txt", '-r "../t t.txt"\n-f more\nmiddle\n')
    write(tmp_path, "a/t t.txt", "\n\nlowest\n")
    requirements = ask(tmp_path, "a/r.txt")
    assert [(entry.name, str(entry.origin)) for entry in requirements.entries] == [
        ("lowest", "a/t t.txt:3 (included from a/b/s.txt:1 (included from a/r.txt:1))"),
        ("middle", "a/b/s.txt:3 (included from a/r.txt:1)"),
        ("top", "a/r.txt:3"),
    ]
    assert requirements.find_links == (f"{tmp_path}/a/b/more", f"{tmp_path}/a/links")
    assert [Path(file.path).name for file in requirements.files] == ["r.txt", "s.txt", "t t.txt"]
    assert all(len(file.digest) == 64 for file in requirements.files)


def test_files_may_be_named_by_address_variable_and_absolute_path(tmp_path: Path) -> None:
    write(tmp_path, "with space.txt", "demo\n")
    write(tmp_path, "r.txt", "-r file://${WHERE}/with%20space.txt\n")
    write(tmp_path, "s.txt", f"-r {tmp_path}/with\\ space.txt\n")
    assert [entry.name for entry in ask(tmp_path, "r.txt", environ={"WHERE": str(tmp_path)}).entries] == ["demo"]
    assert [entry.name for entry in ask(tmp_path, "s.txt").entries] == ["demo"]
    assert [entry.name for entry in ask(tmp_path, f"file://{tmp_path}/s.txt").entries] == ["demo"]


def test_a_remote_file_includes_its_neighbours(tmp_path: Path) -> None:
    served = {
        "https://x.test/a/r.txt?v=1": b"-r b/s.txt\n-f links\n./local\n",
        "https://x.test/a/b/s.txt": b"demo\n-c ../c.txt\n",
        "https://x.test/a/c.txt": b"demo<2\n",
    }
    requirements = ask(tmp_path, "https://x.test/a/r.txt?v=1", served=served)
    assert [entry.name for entry in requirements.entries] == ["demo", None]
    assert requirements.entries[1].source == DirectorySource(f"{tmp_path}/local")
    assert requirements.find_links == ("https://x.test/a/links",)
    assert str(requirements.constraints[0].origin).startswith("https://x.test/a/c.txt:1 (included from")
    assert [file.digest for file in requirements.files] == ["", "", ""]


def test_files_may_include_each_other(tmp_path: Path) -> None:
    write(tmp_path, "r.txt", "-r s.txt\n-r r.txt\none\n")
    write(tmp_path, "s.txt", "-r r.txt\n-c r.txt\ntwo\n")
    requirements = ask(tmp_path, "r.txt")
    assert [entry.name for entry in requirements.entries] == ["two", "one"]
    assert [entry.name for entry in requirements.constraints] == ["one"]


@pytest.mark.parametrize("option", ["-r", "-c"])
@pytest.mark.parametrize("name", ["missing.txt", "folder"])
def test_an_included_file_that_cannot_be_read(tmp_path: Path, option: str, name: str) -> None:
    (tmp_path / "folder").mkdir()
    error = refusal(tmp_path, f"demo\n{option} {name}\n")
    assert str(error).startswith("r.txt:2: Error parsing included file: ")
    assert f"`{name}`" in str(error)
    assert error.exit_status == 2


def test_constraints_of_a_file_lose_their_hashes_and_options(tmp_path: Path) -> None:
    write(tmp_path, "c.txt", f"--index-url https://x.test\n-f w\ndemo==1.0 --hash=sha256:{A}\n-r d.txt\n")
    write(tmp_path, "d.txt", "--require-hashes\nother @ https://x.test/other-1.0.zip\n")
    requirements = lines(tmp_path, "-c c.txt\ndemo\n")
    assert [(item.name, item.digests) for item in requirements.constraints] == [("demo", ()), ("other", ())]
    assert (requirements.index_url, requirements.find_links, requirements.require_hashes) == (None, (), True)


@pytest.mark.parametrize(("line", "phrase"), [("./tree", "Unnamed"), ("-e ./tree", "Editable")])
def test_constraints_need_a_name(tmp_path: Path, line: str, phrase: str) -> None:
    write(tmp_path, "c.txt", line)
    assert f"{phrase} requirements are not allowed as constraints" in str(refusal(tmp_path, "-c c.txt\ndemo\n"))


def test_an_included_index_must_agree(tmp_path: Path) -> None:
    write(tmp_path, "s.txt", "-i https://y.test/simple\n")
    error = refusal(tmp_path, "-i https://x.test/simple\n-r s.txt\n")
    assert "Nested `requirements` file contains conflicting `--index-url`" in str(error)
    assert "Multiple `--index-url`" in str(refusal(tmp_path, "-r s.txt\n-i https://x.test/simple\n"))
    assert lines(tmp_path, "-i https://y.test/simple\n-r s.txt\n").index_url == "https://y.test/simple"
