"""Requirement lines that nobody wrote, as hypothesis draws them."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = st.sampled_from(["aaa", "AAA", "bbb", "Foo.Bar_Baz", "pre", "unknown", "a-", "_a", "a b", "1a", "aaa-", "é"])
EXTRAS = st.sampled_from(["", "", "", "[x]", "[x,y]", "[]", "[ x ]", "[x", "[x,]", "[-]"])
VERSIONS = st.sampled_from(
    ["1.0", "1", "2.0", "1.0.0", "01.0", "1.*", "1.0a1", "1!1.0", "1.0+x", "v1.0", "x", "", "1.0 "]
)
OPERATORS = st.sampled_from(["==", "===", ">=", "<=", "<", ">", "~=", "!=", "=", "=>", " == ", "==  "])
CLAUSES = st.tuples(OPERATORS, VERSIONS).map("".join)
SPECIFIERS = st.one_of(
    st.just(""),
    CLAUSES,
    st.lists(CLAUSES, min_size=2, max_size=3).map(",".join),
    CLAUSES.map(lambda clause: f"({clause})"),
    CLAUSES.map(lambda clause: f" {clause},"),
)
VARIABLES = st.sampled_from(
    ["sys_platform", "python_version", "os_name", "extra", "'linux'", "nonsense", "python_full_version"]
)
VALUES = st.sampled_from(["'linux'", '"3.8"', "'x'", "'", "posix", "os_name", "'3'"])
COMPARISONS = st.tuples(VARIABLES, st.sampled_from(["==", "!=", "in", "not in", "~="]), VALUES).map(" ".join)
MARKERS = st.one_of(
    st.just(""),
    COMPARISONS.map(lambda text: f"; {text}"),
    st.tuples(COMPARISONS, st.sampled_from(["and", "or", "xor"]), COMPARISONS).map(
        lambda parts: f" ; {' '.join(parts)}"
    ),
    COMPARISONS.map(lambda text: f"; ({text})"),
    COMPARISONS.map(lambda text: f";({text}"),
)
ENDS = st.sampled_from(["", "", " # why", " --hash=sha256:" + "0" * 64, " --hash", " -x", " "])
REQUIREMENTS = st.tuples(NAMES, EXTRAS, SPECIFIERS, MARKERS, ENDS).map("".join)
LINES = st.lists(REQUIREMENTS, min_size=1, max_size=2).map("\n".join)
