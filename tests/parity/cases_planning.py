"""Cases on what is installed already and what has to go: §3 of the reference's behaviour."""

from __future__ import annotations

import json

from case import Case, Step, case
from shelf import CP, PY

SITE = f".venv/lib/python{PY}/site-packages"
META = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\n"
WHEEL = "@WHEELS@/aaa-1.0-py3-none-any.whl"
SEEDED = "home = @BIN@\nimplementation = CPython\nuv = 0.13.9\ninclude-system-site-packages = false\nseed = true\n"
BESIDE = {
    f"{SITE}/aaa-1.0-py{PY}.egg-info/PKG-INFO": META.format("aaa"),
    f"{SITE}/aaa-1.0-py{PY}.egg-info/top_level.txt": "aaa\n",
}


def url(**values: object) -> str:
    return json.dumps(values)


CASES: list[Case] = [
    case("nothing-to-do", "aaa==1.0\n", installed="aaa-1.0"),
    case("a-range-is-met", "aaa<3\n", installed="aaa-1.0"),
    case("a-bare-name-is-met", "aaa\n", installed="aaa-1.0"),
    case("another-version", "aaa==2.0\n", installed="aaa-1.0"),
    case("down", "aaa==1.0\n", installed="aaa-2.0"),
    case("one-goes", "aaa==1.0\n", installed="aaa-1.0 bbb-1.0 ccc-1.0"),
    case("all-go", "", "--allow-empty-requirements r.txt", installed="aaa-1.0 bbb-1.0 ccc-1.0"),
    case("one-comes", "aaa==1.0\nccc\n", installed="aaa-1.0"),
    case("all-at-once", "aaa==2.0\nbbb\nscr\n", installed="aaa-1.0 ccc-1.0 bbb-1.0"),
    case("wrong-hash-of-what-is-there", "aaa==1.0 --hash=sha256:" + "0" * 64 + "\n", installed="aaa-1.0"),
    case("edited-files", "aaa==1.0\n", installed="aaa-1.0", then=(Step(files={f"{SITE}/aaa.py": "edited"}), Step(gone=(f"{SITE}/aaa.py",)))),
    case("seeds-stay", "aaa==1.0\n", installed="pip-1.0 setuptools-1.0 wheel-1.0 uv-1.0 packaging-1.0"),
    case("seeds-go-where-uv-made-the-environment", "aaa==1.0\n", installed="pip-1.0 setuptools-1.0", venv="uv"),
    case("seeds-stay-where-uv-put-them", "aaa==1.0\n", installed="pip-1.0 setuptools-1.0 wheel-1.0", files={".venv/pyvenv.cfg": SEEDED}),
    case("a-seed-is-asked-for", "pip==1.0\n", installed="pip-1.0"),
    case("strays-stay", "aaa==1.0\n", files={f"{SITE}/stray.py": "", f"{SITE}/folder/x.py": "", f"{SITE}/x.pth": ""}),
    case("installed-twice", "aaa==1.0\n", installed="aaa-1.0 aaa-2.0"),
    case("installed-twice-dry", "aaa==2.0\n", "--dry-run r.txt", installed="aaa-1.0", files=BESIDE),
    case("installed-twice-dry-as-json", "aaa==2.0\n", "--dry-run --output-format json r.txt", installed="aaa-1.0", files=BESIDE),
    case("installed-twice-alike", "aaa==1.0\n", installed="aaa-1.0", files=BESIDE),
    case("installed-twice-alike-and-unwanted", "bbb\n", installed="aaa-1.0", files=BESIDE),
    case("installed-twice-alike-and-unwanted-dry", "bbb\n", "--dry-run --output-format json r.txt", installed="aaa-1.0", files=BESIDE),
    case("installed-for-another-platform-by-no-wheel-file", "native==1.0\n", installed=f"native-1.0-{CP}-{CP}-win_amd64", files={f"{SITE}/native-1.0.dist-info/WHEEL": f"Tag: {CP}-{CP}-win_amd64\n"}),
    case("installed-with-a-tag-that-is-none", "aaa==1.0\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: cp\n"}),
    case("installed-twice-and-unwanted", "bbb\n", installed="aaa-1.0 aaa-2.0"),
    case("dist-info-without-a-version", "bbb\n", files={f"{SITE}/odd.dist-info/METADATA": META.format("odd")}),
    case("dist-info-with-a-bad-version", "bbb\n", files={f"{SITE}/odd-x.dist-info/METADATA": META.format("odd")}, status=2),
    case("dist-info-left-behind", "bbb\n", files={f"{SITE}/~dd-1.0.dist-info/METADATA": META.format("odd")}),
    case("dist-info-left-behind-with-a-bad-version", "bbb\n", files={f"{SITE}/~dd-x.dist-info/METADATA": META.format("odd")}),
    case("dist-info-without-metadata", "odd==1.0\n", files={f"{SITE}/odd-1.0.dist-info/RECORD": ""}),
    case("dist-info-that-is-a-file", "bbb\n", files={f"{SITE}/odd-1.0.dist-info": ""}),
    case("another-name-in-metadata", "bbb\n", files={f"{SITE}/odd-1.0.dist-info/METADATA": META.format("other"), f"{SITE}/odd-1.0.dist-info/RECORD": "odd.py,,\n", f"{SITE}/odd.py": ""}, differs="nothing is reported as removed that is still there"),
    case("bad-direct-url", "aaa==1.0\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": url(url="nonsense", archive_info={})}),
    case("direct-url-that-is-no-json", "aaa==1.0\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": "{"}, status=2),
    case("an-address-meets-a-pin", "aaa==1.0\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": url(url="https://example.org/aaa-1.0-py3-none-any.whl", archive_info={})}),
    case("an-editable-meets-a-pin", "aaa==1.0\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": url(url="file:///x", dir_info={"editable": True})}),
    case("an-editable-meets-a-bare-name", "aaa\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": url(url="file:///x", dir_info={"editable": True})}),
    case("an-address-of-the-registry", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", installed="aaa-1.0"),
    case("the-same-address", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": '{"url": "@FILES@/aaa-1.0-py3-none-any.whl", "archive_info": {}}'}),
    case("the-same-address-with-another-hash", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": '{"url": "@FILES@/aaa-1.0-py3-none-any.whl", "archive_info": {"hashes": {"sha256": "00"}}}'}),
    case("the-same-address-with-a-user", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": '{"url": "http://u:p@example.org/aaa-1.0-py3-none-any.whl", "archive_info": {}}'}),
    case("the-same-address-editable", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": '{"url": "@FILES@/aaa-1.0-py3-none-any.whl", "dir_info": {"editable": true}}'}),
    case("the-same-address-with-a-subdirectory", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": '{"url": "@FILES@/aaa-1.0-py3-none-any.whl", "archive_info": {}, "subdirectory": "x"}'}),
    case("the-same-address-escaped", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": '{"url": "@FILES@/%61aa-1.0-py3-none-any.whl", "archive_info": {}}'}, differs="addresses that name the same place are the same"),
    case("a-path-without-a-note", f"{WHEEL}\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/direct_url.json": '{"url": "file://@WHEELS@/aaa-1.0-py3-none-any.whl", "archive_info": {}}'}),
    case("a-path-again", f"{WHEEL}\n", then=(Step(), Step(files={"r.txt": "aaa==1.0\n"}), Step(files={"r.txt": "aaa==2.0\n"}))),
    case("a-path-by-another-spelling", f"{WHEEL}\n", then=(Step(files={"r.txt": "aaa @ file://@WHEELS@/../wheels/aaa-1.0-py3-none-any.whl\n"}),)),
    case("installed-for-another-platform", "native==1.0\n", installed=f"native-1.0-{CP}-{CP}-win_amd64"),
    case("installed-without-tags", "aaa==1.0\n", installed="aaa-1.0", files={f"{SITE}/aaa-1.0.dist-info/WHEEL": ""}),
    case("installed-without-a-wheel-file", "aaa==1.0\n", installed="aaa-1.0", then=(Step(gone=(f"{SITE}/aaa-1.0.dist-info/WHEEL",)),)),
    case("installed-without-metadata", "aaa==1.0\n", installed="aaa-1.0", then=(Step(gone=(f"{SITE}/aaa-1.0.dist-info/METADATA",)),)),
    case("a-version-spelled-otherwise", "aaa==1.0.0\n", installed="aaa-1.0"),
    case("a-local-version-is-met", "local==1.0\n", installed="local-1.0+cpu"),
    case("a-yanked-one-stays", "yank\n", installed="yank-2.0"),
    case("a-pre-release-stays", "pre\n", installed="pre-1.1a1"),
    case("no-record", "bbb\n", installed="aaa-1.0", files={f"{SITE}/odd-1.0.dist-info/METADATA": META.format("odd")}, status=2, reference=0, differs="what cannot be removed is an error: nothing is reported as removed that is still there"),
    case("record-that-is-no-csv", "bbb\n", files={f"{SITE}/odd-1.0.dist-info/METADATA": META.format("odd"), f"{SITE}/odd-1.0.dist-info/RECORD": 'a"b,"c\n'}, status=2),
    case("record-that-escapes", "bbb\n", files={"outside.txt": "", f"{SITE}/odd-1.0.dist-info/METADATA": META.format("odd"), f"{SITE}/odd-1.0.dist-info/RECORD": "../../../../../outside.txt,,\nodd.py,,\nodd-1.0.dist-info/METADATA,,\nodd-1.0.dist-info/RECORD,,\n", f"{SITE}/odd.py": ""}),
    case("record-with-a-slash-in-front", "bbb\n", files={f"{SITE}/odd-1.0.dist-info/METADATA": META.format("odd"), f"{SITE}/odd-1.0.dist-info/RECORD": "/odd.py,,\nodd-1.0.dist-info/METADATA,,\nodd-1.0.dist-info/RECORD,,\n", f"{SITE}/odd.py": ""}),
    case("record-with-a-directory", "bbb\n", files={f"{SITE}/odd-1.0.dist-info/METADATA": META.format("odd"), f"{SITE}/odd-1.0.dist-info/RECORD": "odd,,\nodd-1.0.dist-info/METADATA,,\nodd-1.0.dist-info/RECORD,,\n", f"{SITE}/odd/sub/x.py": ""}),
    case("directories-that-hold-more-stay", "bbb\n", installed="ccc-1.0", files={f"{SITE}/ccc/mine.txt": ""}),
    case("bytecode-goes-too", "bbb\n", installed="ccc-1.0", files={f"{SITE}/ccc/sub/__pycache__/x.cpython-399.pyc": "", f"{SITE}/ccc/__pycache__/y.pyc": ""}),
    case("egg-info-directory", "bbb\n", files={f"{SITE}/egg-1.0.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg-1.0.egg-info/top_level.txt": "egg\negg_module\n", f"{SITE}/egg/x.py": "", f"{SITE}/egg_module.py": ""}),
    case("egg-info-directory-is-met", "egg==1.0\n", files={f"{SITE}/egg-1.0.egg-info/PKG-INFO": META.format("egg")}),
    case("egg-info-directory-without-a-version", "bbb\n", files={f"{SITE}/egg.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg.egg-info/top_level.txt": "egg\n", f"{SITE}/egg/x.py": ""}),
    case("egg-info-directory-with-namespaces", "bbb\n", files={f"{SITE}/egg-1.0.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg-1.0.egg-info/top_level.txt": "egg\nspace\n", f"{SITE}/egg-1.0.egg-info/namespace_packages.txt": "space\n", f"{SITE}/egg/x.py": "", f"{SITE}/space/x.py": ""}),
    case("egg-info-directory-with-odd-names", "bbb\n", files={f"{SITE}/egg-1.0.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg-1.0.egg-info/top_level.txt": "../outside\negg\n", f"{SITE}/egg/x.py": "", f"{SITE}/../outside/x": ""}),
    case("egg-info-directory-without-top-level", "bbb\n", files={f"{SITE}/egg-1.0.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg/x.py": ""}, status=2, reference=0, differs="what cannot be removed is an error: nothing is said to be gone that is still there"),
    case("egg-info-file", "bbb\n", files={f"{SITE}/egg-1.0.egg-info": META.format("egg")}, status=2),
    case("egg-info-file-is-met", "egg==1.0\n", files={f"{SITE}/egg-1.0.egg-info": META.format("egg")}),
    case("egg-link", "bbb\n", files={"src/egg.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg.egg-link": "@HERE@/src\n.\n", f"{SITE}/easy-install.pth": "@HERE@/src\n/other\n"}),
    case("egg-info-directory-that-says-nothing", "bbb\n", files={f"{SITE}/egg.egg-info/top_level.txt": "egg\n", f"{SITE}/egg/x.py": ""}),
    case("egg-link-that-is-relative-to-another-place", "bbb\n", files={"src/egg.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg.egg-link": "src\n.\n"}),
    case("egg-link-that-is-relative", "bbb\n", files={f"{SITE}/src/egg.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg.egg-link": "src\n.\n", f"{SITE}/easy-install.pth": "/other\n"}),
    case("egg-link-is-met", "egg==1.0\n", files={"src/egg.egg-info/PKG-INFO": META.format("egg"), f"{SITE}/egg.egg-link": "@HERE@/src\n.\n", f"{SITE}/easy-install.pth": "@HERE@/src\n"}),
    case("egg-link-to-nothing", "bbb\n", files={f"{SITE}/egg.egg-link": "@HERE@/src\n.\n"}),
    case("shared-file-of-the-one-that-goes", "aaa==1.0\n", installed="aaa-1.0 over-1.0", differs="removing one of two gives the file of the other back"),
]  # fmt: skip
