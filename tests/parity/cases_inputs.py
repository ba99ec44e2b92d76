"""Cases on what is given: §1 of the reference's behaviour."""

from __future__ import annotations

from case import Case, Step, case

CASES: list[Case] = [
    case("a-pin", "aaa==1.0\n", then=(Step(),)),
    case("a-path", "@WHEELS@/aaa-1.0-py3-none-any.whl\n", then=(Step(),)),
    case("nothing-given", args="", status=2),
    case("a-script-with-all", "scr\nspread\nmodes\nccc\n", then=(Step(files={"r.txt": "aaa\n"}),)),
]
