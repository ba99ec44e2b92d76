"""Cases on what is printed where, run in processes of their own: §9 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, case
from cases_sources import tree

CASES: list[Case] = [
    case("first-and-second", "aaa==1.0\nbbb\n", then=(Step(), Step(files={"r.txt": "aaa==2.0\n"}))),
    case("addresses-are-shown", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n@WHEELS@/bbb-1.0-py3-none-any.whl\n", then=(Step(files={"r.txt": "aaa==1.0\nccc\n"}),)),
    case("order-of-changes", "aaa==2.0\nccc\nscr\n", installed="aaa-1.0 bbb-1.0 yank-1.0"),
    case("json", "aaa==2.0\nccc\n", "--output-format json r.txt", installed="aaa-1.0 bbb-1.0", then=(Step(args="--output-format json r.txt"),)),
    case("json-reinstalled", "aaa==1.0\n", "--output-format json --reinstall r.txt", installed="aaa-1.0"),
    case("json-dry-run", "aaa==2.0\n", "--output-format json --dry-run r.txt", installed="aaa-1.0"),
    case("json-refused", "aaa==9\n", "--output-format json r.txt", status=1),
    case("json-quiet", "aaa\n", "--output-format json -q r.txt"),
    case("json-silent", "aaa\n", "--output-format json -qq r.txt"),
    case("json-unknown", "aaa\n", "--output-format yaml r.txt", status=2),
    case("dry-run", "aaa\n", "--dry-run r.txt", installed="ccc-1.0", then=(Step(args="--dry-run r.txt", files={"r.txt": "ccc\n"}),)),
    case("dry-run-of-a-path", "@WHEELS@/bbb-1.0-py3-none-any.whl\n", "--dry-run r.txt"),
    case("dry-run-of-an-address", "aaa @ @FILES@/aaa-1.0-py3-none-any.whl\n", "--dry-run r.txt", installed="aaa-2.0", then=(Step(args="--dry-run --output-format json r.txt"),)),
    case("dry-run-of-a-directory-as-json", "./p\n", "--dry-run --output-format json r.txt", files=dict(tree("p"))),
    case("dry-run-when-cached", "aaa==1.0\n", then=(Step(files={"r.txt": "bbb\n"}), Step(args="--dry-run r.txt", files={"r.txt": "aaa==1.0\n"}))),
    case("quiet-and-refused", "aaa==9\n", "-q r.txt", status=1, says="aaa"),
    case("silent-and-refused", "aaa==9\n", "-qq r.txt", status=1),
    case("quiet-and-verbose", "aaa\n", "-q -v r.txt", status=2),
    case("other-environment", "aaa\n", "-p other r.txt", files={"other/pyvenv.cfg": "home = /nowhere\n"}, status=2),
    case("yanked", "yank==2.0\n"),
    case("strict-missing-dependency", "bbb\nddd\n", "--strict r.txt"),
    case("strict-nothing", "aaa\n", "--strict r.txt"),
    case("compiled", "aaa\nccc\n", "--compile-bytecode r.txt", then=(Step(args="--compile-bytecode r.txt"),)),
    case("credentials", "shy\n", "-i @WITHBADLOGIN@ r.txt", index=False, status=1),
    case("nothing", "", "r.txt"),
    case("nothing-twice", "", "r.txt r.txt"),
]  # fmt: skip
