"""Scripts with metadata as inputs; and that no TOML makes anything but a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asking import ask, target, texts, write
from pytest_envsync.errors import InputError
from pytest_envsync.inputs.sources import read_requirements
from pytest_envsync.options import SyncOptions
from pytest_envsync.requirements import DirectorySource, Origin


def script(*lines: str, before: str = "#!/usr/bin/env python\n", after: str = "import aaa\n") -> str:
    """A script whose metadata block holds *lines*."""
    block = "".join(f"# {line}\n" if line else "#\n" for line in lines)
    return f"{before}# /// script\n{block}# ///\n{after}"


def test_a_script(tmp_path: Path) -> None:
    write(
        tmp_path,
        "sub/s.py",
        script(
            "dependencies = [",
            '  "aaa",',
            '  "bbb ; os_name == \'nt\'",',
            "]",
            "",
            'requires-python = ">=3.8"',
            "[tool.uv]",
            'constraint-dependencies = ["aaa<2"]',
            'override-dependencies = ["ccc>1"]',
            'exclude-dependencies = ["D_d"]',
            'index-url = "https://x.test/simple"',
            'extra-index-url = ["https://y.test/simple"]',
            'find-links = ["links"]',
            "no-index = true",
            'no-binary-package = ["E_e"]',
            "no-build = true",
            'no-build-package = ["fff"]',
            "future = 1",
            "[[tool.uv.index]]",
            'name = "mine"',
            'url = "here"',
            "[[tool.uv.index]]",
            'name = "hidden"',
            'url = "https://z.test"',
            "explicit = true",
            "[tool.uv.sources]",
            'aaa = { path = "tree" }',
        ),
    )  # fmt: skip
    requirements = ask(tmp_path, "sub/s.py")
    assert [(entry.name, entry.origin) for entry in requirements.entries] == [
        ("aaa", Origin("sub/s.py", 4)),
        ("bbb", Origin("sub/s.py", 5)),
    ]
    assert requirements.entries[0].source == DirectorySource(f"{tmp_path}/sub/tree")
    assert [entry.text for entry in requirements.constraints] == ["aaa<2"]
    assert [entry.text for entry in requirements.overrides] == ["ccc>1"]
    assert requirements.excludes == ("d-d",)
    assert (requirements.index_url, requirements.extra_index_urls) == (
        "https://x.test/simple",
        ("https://y.test/simple",),
    )
    assert requirements.index == (f"mine={tmp_path}/here",)
    assert requirements.find_links == (f"{tmp_path}/links",)
    assert (requirements.no_index, requirements.no_binary, requirements.only_binary) == (
        True,
        ("e-e",),
        (":all:", "fff"),
    )


def test_the_default_index_of_a_script(tmp_path: Path) -> None:
    write(tmp_path, "s.py", script("[[tool.uv.index]]", 'url = "https://x.test/simple"', "default = true"))
    requirements = ask(tmp_path, "s.py")
    assert (requirements.index_url, requirements.index) == ("https://x.test/simple", ())


def test_python_of_a_script_is_honoured(tmp_path: Path) -> None:
    """The reference ignores it; what is installed then cannot run the script."""
    write(tmp_path, "s.py", script('dependencies = ["aaa"]', 'requires-python = ">=3.12"'))
    with pytest.raises(InputError, match=r"requires Python >=3.12, but the target is Python 3.11.7"):
        ask(tmp_path, "s.py")
    assert texts(ask(tmp_path, "s.py", on=target(python_full_version="3.12.1"))) == ["aaa"]


@pytest.mark.parametrize("name", ["s", ".s", "-"])
def test_without_an_ending_the_content_tells(tmp_path: Path, name: str) -> None:
    for content, expected in ((script('dependencies = ["aaa"]'), ["aaa"]), ("bbb\n", ["bbb"])):
        write(tmp_path, name, content)
        assert texts(ask(tmp_path, name, served={"-": content.encode()})) == expected


def test_a_script_from_an_address(tmp_path: Path) -> None:
    served = {"https://x.test/s.py": script('dependencies = ["aaa"]').encode()}
    assert texts(ask(tmp_path, "https://x.test/s.py", served=served)) == ["aaa"]


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        ("import aaa\n", "s.py: the script does not contain inline script metadata"),
        ("# /// script\n# dependencies = []\n", "never closed"),
        (script() + script(), "s.py:6: the script has several `# /// script` blocks"),
        (script("dependencies = ["), "Not a valid script metadata block"),
        (script("", "x ="), "s.py:4: Not a valid script metadata block"),
        (script("dependencies = 1"), "expected an array in `dependencies`"),
        (script('dependencies = ["aaa=1"]'), 's.py:3: no such comparison operator "="'),
        (script('dependencies = ["-e ./x"]'), "found `-`"),
        (script('dependencies = ["aaa @ ./x"]'), "relative path without a working directory"),
        (script('requires-python = "foo"'), "`requires-python`"),
        (script("[tool.uv]", 'no-build = "x"'), "expected a boolean in `tool.uv.no-build`"),
        (script("[tool.uv]", 'no-binary-package = ["!"]'), "Invalid specifier"),
    ],
)
def test_scripts_that_are_refused(tmp_path: Path, content: str, phrase: str) -> None:
    write(tmp_path, "s.py", content)
    with pytest.raises(InputError) as caught:
        ask(tmp_path, "s.py")
    assert phrase in str(caught.value)
    assert caught.value.exit_status == 2


TOML_LINES = st.lists(
    st.sampled_from(
        [
            "[project]", 'name = "x"', 'name = "!"', "dependencies = ['aaa', 'b @ https://x.test/b-1.0.zip']",
            "dependencies = ['=']", "dependencies = [[]]", "dynamic = ['version']", "dynamic = 1",
            "[project.optional-dependencies]", "g = ['aaa', 'x[g]', 'x[h]']", "h = [{include-group = 'g'}]", "g = 1",
            "[dependency-groups]", "[tool.uv]", "[tool.uv.sources]", "aaa = {path = '.'}", "aaa = [{index = 'i'}]",
            "aaa = {git = '['}", "aaa = {url = 'https://['}", "[[tool.uv.index]]", "url = '['", "url = 'https://['",
            "[tool]", "uv = 1", "requires-python = '>=3'", "requires-python = 3", "index-url = 'file://['",
            "no-index = 2", "find-links = ['x', 'https://[']", "constraint-dependencies = ['a<1']",
            "exclude-dependencies = [1]", "no-binary-package = [':all:']", "[[", "=", "\x7f",
        ]
    ),
    max_size=8,
)  # fmt: skip


@given(st.one_of(TOML_LINES.map("\n".join), st.text()), st.sampled_from(["pyproject.toml", "s.py", "-"]))
def test_any_text_is_read_or_refused(text: str, name: str) -> None:
    content = text if name == "pyproject.toml" else script(*text.split("\n"), before="")

    def read(location: str) -> bytes:
        if location in {f"/cwd/{name}", "-", "/cwd/pyproject.toml"}:
            return content.encode()
        raise FileNotFoundError(location)

    options = SyncOptions(all_extras=name == "pyproject.toml", groups=("g",), allow_empty_requirements=True)
    try:
        read_requirements([name], options=options, target=target(), read=read, cwd="/cwd", environ={})
    except InputError as error:
        assert error.message  # noqa: PT017 - a refusal is one of two good ends
