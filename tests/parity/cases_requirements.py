"""Cases on the grammar of requirements files: §2 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, case

WHEEL = "@WHEELS@/aaa-1.0-py3-none-any.whl"
NOTED = "a fragment is no part of the address that is noted"

CASES: list[Case] = [
    case("utf-8-with-a-mark", b"\xef\xbb\xbfaaa==1.0\n"),
    case("utf-16", "aaa==1.0\n".encode("utf-16")),
    case("utf-16-big", b"\xfe\xff" + "aaa==1.0\n".encode("utf-16-be")),
    case("latin-1", b"# coding: latin-1\n# caf\xe9\naaa==1.0\n", status=2),
    case("windows-lines", "aaa==1.0\r\nbbb\r\n"),
    case("old-mac-lines", "aaa==1.0\rbbb\r"),
    case("no-last-newline", "aaa==1.0"),
    case("continued", "aaa \\\n  == \\\n  1.0\nbbb\n", reference=2, differs="a backslash continues any line, as for pip"),
    case("continued-comment", "# x \\\naaa==1.0\n"),
    case("continued-at-the-end", "aaa==1.0 \\\n", reference=2, differs="a backslash continues any line, as for pip"),
    case("comment-behind", "aaa==1.0 # c\nbbb #c\n"),
    case("comment-without-a-space", "aaa==1.0# c\n", status=2),
    case("indented", "   aaa==1.0\n\t bbb\n"),
    case("spaces-around-operators", "aaa  >= 1.0 , < 2\n"),
    case("parentheses", "aaa (==1.0)\n"),
    *(
        case(f"comment-close-{number}", f"{line}\n", status=status)
        for number, (line, status) in enumerate((
            ("AAA(>=1.0)#why", 0), ("aaa (>=1.0)# why", 0), ("aaa[x](>=1.0)#why", 0), ("aaa(>=1.0)#", 0),
            ("aaa>=1.0#why", 2), ("aaa[x]#why", 2), ("aaa#why", 2), ("aaa(>=1.0)x", 2), ("(aaa)#x", 2),
        ))
    ),
    case("single-equals", "aaa=1.0\n", status=2),
    case("arbitrary-equality", "aaa===1.0\n"),
    case("wildcard", "aaa==1.*\n"),
    case("compatible", "aaa~=1.0\n"),
    case("exclusion", "aaa!=2.0\n"),
    case("bad-version", "aaa==x\n", status=2),
    case("bad-name", "-aaa\n", status=2),
    case("bad-start", "!aaa\n", status=2),
    case("name-spelled-otherwise", "FOO_bar.baz==1.0\n"),
    case("extras", "aaa[x,y]==1.0\n"),
    case("extras-never-closed", "aaa[x==1.0\n", status=2),
    case("marker-false", "aaa==1.0; python_version < '3'\nbbb\n"),
    case("marker-true", "aaa==1.0; python_version >= '3' and (os_name == 'posix' or os_name == 'nt')\n"),
    case("marker-extra", "aaa==1.0; extra == 'x'\nbbb\n"),
    case("marker-unknown", "aaa==1.0; nonsense == 'x'\n", status=2),
    case("marker-never-ended", "aaa==1.0; python_version >\n", status=2),
    *(
        case(f"marker-odd-{number}", f"aaa==1.0; {marker}\nbbb\n")
        for number, marker in enumerate((
            "'linux' == 'linux'", "'linux' != 'linux'", "sys_platform == os_name", "sys_platform != os_name",
            "python_version == 'linux'", "python_version != 'x'", "python_version > ''", "sys_platform ~= 'linux'",
            "'linux' ~= sys_platform", "sys_platform < 'a'", "'z' < sys_platform", "platform_release >= '0'",
            "platform_release < '0'", "platform_version == 'x'", "platform_release ~= '1'", "extra >= 'x'", "extra != 'x'",
            "'x' != extra", "extra in 'x y'", "extra ~= 'x'", "python_version in '2.7 3.0'",
            "python_version not in '2.7 3.0'", "python_version in '@PY@ 2.7'", "python_version in 'x'",
            "python_version ~= '3'", "python_version ~= '3.0'", "'3.0' <= python_version", "python_version == '3.*'",
            "python_version != '3.*'", "python_version >= '3.*'", "python_full_version >= '3.8a1'",
            "implementation_version >= '3'", "implementation_version == 'x'", "implementation_name in 'cpython pypy'",
            "'thon' in implementation_name", "os.name == 'posix'", "sys.platform == 'linux'",
            "python_implementation == 'CPython'", "platform.machine != 'x'", "platform.python_implementation == 'CPython'",
            "python_version == '3.8' and 'a' == 'b'", "python_version == '3.8' or 'a' == 'b'",
            "python_version == '3.8' or ('a' == 'b' and python_version > '3')",
        ))
    ),
    *(
        case(f"marker-bad-{number}", f"aaa==1.0; {marker}\nbbb\n", status=2)
        for number, marker in enumerate((
            "not_a == 'b'", "os_name", "os_name == posix", "(os_name == 'posix'", "os_name == 'posix' and",
            "os_name == 'posix' not in 'x'", "os_name = 'posix'", "os_name == \"posix'",
        ))
    ),
    case("marker-arbitrary-equality", "aaa==1.0; python_version === '@PY@'\n", reference=2, differs="PEP 508 has `===` in markers"),
    case("marker-in", "aaa==1.0; 'nux' in sys_platform\n"),
    case("disjoint-markers", "aaa==1.0; sys_platform != 'win32'\naaa==2.0; sys_platform == 'win32'\n"),
    case("twice-the-same", "aaa==1.0\naaa==1.0\n"),
    case("twice-compatible", "aaa>=1\naaa<2\n"),
    case("twice-in-conflict", "aaa==1.0\naaa==2.0\n", status=1),
    case("nested", "-r sub/x.txt\nbbb\n", files={"sub/x.txt": "-r y.txt\n", "sub/y.txt": "aaa==1.0\n"}),
    case("nested-long", "--requirement=sub/x.txt\n", files={"sub/x.txt": "aaa==1.0\n"}),
    case("nested-without-a-space", "-rsub/x.txt\n", files={"sub/x.txt": "aaa==1.0\n"}, status=2),
    case("nested-in-quotes", '-r "a b.txt"\n', files={"a b.txt": "aaa==1.0\n"}),
    case("nested-in-a-circle", "-r a.txt\naaa==1.0\n", files={"a.txt": "-r r.txt\nbbb\n"}),
    case("nested-missing", "-r nope.txt\n", status=2, says="nope.txt"),
    case("nested-remote", "-r @BASE@/remote.txt\n"),
    case("nested-index-conflict", "-i @INDEX@\n-r a.txt\n", index=False, files={"a.txt": "-i @SECOND@\naaa\n"}, status=2),
    case("nested-index-alike", "-i @INDEX@\n-r a.txt\n", index=False, files={"a.txt": "-i @INDEX@\naaa\n"}),
    case("constraint", "-c sub/c.txt\naaa\n", files={"sub/c.txt": "-r d.txt\n", "sub/d.txt": "aaa<2\n"}),
    case("constraint-without-a-name", "-c c.txt\naaa\n", files={"c.txt": f"{WHEEL}\n"}, status=2),
    case("constraint-editable", "-c c.txt\naaa\n", files={"c.txt": "-e ./x\naaa<2\n"}, status=2),
    case("constraint-missing", "-c nope.txt\naaa\n", status=2),
    case("index-url", "-i @INDEX@\naaa\n", index=False),
    case("index-url-long", "--index-url=@INDEX@\naaa\n", index=False),
    case("index-url-twice", "-i @INDEX@\n-i @INDEX@\naaa\n", index=False, status=2),
    case("index-url-and-option", "-i @SECOND@\naaa\n", "-i @INDEX@ r.txt", index=False),
    *(
        case(f"missing-{name}", f"{line}\n{more}\n", f"{args} r.txt", index=False, installed=installed, files={"c.txt": "--extra-index-url ./nope\n"}, status=2)
        for name, line, more, args, installed in (
            ("index", "-i ./nope", "aaa", "", ""), ("extra-index", "--extra-index-url ./nope", "aaa", "-i @INDEX@", ""),
            ("index-that-is-not-needed", "-i ./nope", "aaa", "", "aaa-1.0"), ("index-beside-a-path", "-i ./nope", WHEEL, "", ""),
            ("index-that-is-not-asked", "-i ./nope", "aaa", "--no-index -f @WHEELS@", ""), ("index-that-is-overruled", "-i ./nope", "aaa", "-i @INDEX@", ""),
            ("index-of-a-constraints-file", "", "aaa", "-i @INDEX@ -c c.txt", ""), ("index-that-is-a-file", "-i ./r.txt", "aaa", "", ""),
        )
    ),
    case("missing-index-of-the-command-line", "aaa\n", "-i ./nope r.txt", index=False, status=1),
    case("missing-extra-index-of-the-command-line", "aaa\n", "--extra-index-url ./nope r.txt"),
    case("missing-index-by-its-address", "-i file:///nope/x\naaa\n", index=False, status=1),
    case("extra-index-url", "--extra-index-url @SECOND@\naaa\neee\n"),
    case("find-links-beside-the-file", args="sub/r.txt", files={"sub/r.txt": "--no-index\n-f links\naaa\n", "sub/links/aaa-1.0-py3-none-any.whl": b""}, status=1),
    case("find-links", "--no-index\n--find-links @WHEELS@\naaa\n"),
    case("no-index", "--no-index\naaa\n", status=1),
    case("no-binary", "--no-binary aaa\naaa\n", status=1),
    case("only-binary", "--only-binary=:all:\nsdonly\n", status=1),
    case("require-hashes", "--require-hashes\naaa==1.0\n", status=2),
    case("option-and-comment", "--no-index # really\n-f @WHEELS@ # here\naaa\n"),
    case("two-options-on-a-line", "--no-index -f @WHEELS@\naaa\n"),
    *(
        case(f"ignored{line.split()[0]}", f"{line}\naaa==1.0\n")
        for line in ("--pre", "--trusted-host example.org", "--prefer-binary", "--use-feature x")
    ),
    *(
        case(f"refused{line.split()[0]}", f"{line}\naaa==1.0\n", status=2)
        for line in ("--upgrade", "--nonsense", "-x y", "--no-deps", "--process-dependency-links")
    ),
    *(
        case(f"refused-behind{option.split('=')[0]}", f"aaa==1.0 {option}\n", status=2)
        for option in ("--global-option=x", "--config-settings=a=b", "--install-option=x", "--no-binary x")
    ),
    case("path", f"{WHEEL}\n", then=(Step(),)),
    case("path-with-a-marker", f"{WHEEL} ; python_version < '3'\nbbb\n"),
    case("path-with-extras", f"{WHEEL}[x,y]\n", says="`y`", then=(Step(says="`x`"), Step(args="--dry-run r.txt"), Step(args="-q r.txt"))),
    case("path-with-extras-dry", f"{WHEEL}[x]\n", "--dry-run r.txt"),
    case("named-path-with-extras", f"aaa[x] @ {WHEEL}\n"),
    case("address-with-extras", "aaa[x] @ @FILES@/aaa-1.0-py3-none-any.whl\n"),
    case("extras-of-the-index", "aaa[x]\n"),
    case("path-relative-to-the-directory", args="sub/r.txt", files={"sub/r.txt": "./w/aaa-1.0-py3-none-any.whl\n"}, status=1),
    case("path-missing", "./nothere-1.0-py3-none-any.whl\n", status=1),
    case("path-that-is-no-wheel-name", "./nothere.whl\n", status=1),
    case("path-with-a-fragment", f"{WHEEL}#sha256=00\n", status=2),
    case("path-that-is-a-directory-without-a-project", "./sub\n", files={"sub/x": ""}, status=1),
    case("named-path", f"aaa @ {WHEEL}\n"),
    case("named-otherwise", f"bbb @ {WHEEL}\n", status=1),
    case("file-address", f"aaa @ file://{WHEEL}\n", then=(Step(),)),
    case("file-address-without-a-name", f"file://{WHEEL}\n"),
    case("file-address-with-a-hash", f"file://{WHEEL}#sha256=@SHA256:aaa-1.0@\n", reference=2, differs="the fragment of any file address is read as one"),
    case("file-address-with-a-wrong-hash", f"file://{WHEEL}#sha256=" + "0" * 64 + "\n", status=1, reference=2, differs="the fragment of any file address is read as one"),
    case("file-address-with-an-egg", f"file://{WHEEL}#egg=zzz\n", reference=2, differs="the fragment of any file address is read as one"),
    case("named-file-address-with-a-hash", f"aaa @ file://{WHEEL}#sha256=@SHA256:aaa-1.0@\n", differs=NOTED),
    case("named-file-address-with-a-wrong-hash", f"aaa @ file://{WHEEL}#sha256=" + "0" * 64 + "\n", status=1),
    case("named-file-address-with-an-egg", f"aaa @ file://{WHEEL}#egg=zzz\n", differs=NOTED),
    case("address", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", then=(Step(),)),
    case("address-without-a-name", "@FILES@/aaa-1.0-py3-none-any.whl\n"),
    case("address-with-a-marker", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl ; python_version > '3'\n"),
    case("address-with-a-marker-close", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl; python_version < '3'\nbbb\n"),
    case("address-with-a-marker-too-close", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl;python_version<'3'\n", status=2),
    case("address-missing", "aaa @ @FILES@/aaa-9.0-py3-none-any.whl\n", status=1),
    case("address-of-another-archive", "aaa @ @FILES@/aaa-1.0.rar\n", status=2),
    case("address-of-an-old-archive", "aaa @ @FILES@/aaa-1.0.tar.bz2\n", status=1),
    case("address-in-conflict", f"aaa @ {WHEEL}\naaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", status=1),
    case("address-and-version", f"aaa @ {WHEEL}\naaa==1.0\n"),
    case("address-and-another-version", f"aaa @ {WHEEL}\naaa==2.0\n", status=1),
    case("address-with-a-bad-wheel-name", "aaa @ @FILES@/aaa-1.0.whl\n", status=1),
    case("address-with-a-slash-in-its-tags", "aaa @ @FILES@/aaa-1.0-py3-none-a%2Fb.whl\n", status=1),
    *(case(f"refused-{vcs}", f"aaa @ {vcs}+https://example.org/x\n", status=2) for vcs in ("hg", "svn", "bzr")),
    case("variable", "${FROM_HERE}/aaa-1.0-py3-none-any.whl\n", environ={"FROM_HERE": "@WHEELS@"}),
    case("variable-in-an-address", "aaa @ ${BASE}/files/aaa-1.0-py3-none-any.whl\n", environ={"BASE": "@BASE@"}),
    case("variable-in-an-option", "-i ${BASE}/simple/\naaa\n", index=False, environ={"BASE": "@BASE@"}),
    case("variable-in-a-version", "aaa==${V}\n", environ={"V": "1.0"}, status=2),
    case("variable-without-braces", "aaa @ $BASE/files/aaa-1.0-py3-none-any.whl\n", environ={"BASE": "@BASE@"}, status=1),
    case("variable-undefined", "${NOWHERE}/aaa-1.0-py3-none-any.whl\n", status=1),
    case("variable-project-root", "${PROJECT_ROOT}/aaa-1.0-py3-none-any.whl\n", status=1),
    case("editable-registry", "-e aaa==1.0\n", status=2),
    case("editable-archive", f"-e {WHEEL}\n", status=2),
    case("editable-git", "-e git+https://example.org/x\n", status=2),
    case("editable-address", "-e @FILES@/aaa-1.0-py3-none-any.whl\n", status=2),
    case("editable-missing", "-e ./nope\n", status=1),
    case("a-file-named-like-a-requirement", "other.txt\n", files={"other.txt": "aaa\n"}, status=2, says="-r"),
    case("a-directory-named-like-a-requirement", "aaa==1.0\n", files={"aaa/x": ""}),
    case("no-name-at-all", "== 1.0\n", status=2),
    case("rubbish-behind", "aaa==1.0 bbb\n", status=2),
    case("nul", b"aaa\x00==1.0\n", status=2),
]  # fmt: skip
