"""Cases in which a second reading of the reference found differences: choices, configuration, groups, odd wheels."""

from __future__ import annotations

from case import Case, case

LISTED = "--no-index -f @WHEELS@ r.txt"

CASES: list[Case] = [
    *(
        case(f"final-before-pre-release-{number}", f"{line}\n", files={"c.txt": f"{constraint}\n"}, args="-c c.txt r.txt")
        for number, (line, constraint) in enumerate((
            ("pre>=1.1a1", ""), ("pre>=1.0.dev1", ""), ("pre<2.0rc2", ""), ("pre<=2.0b1", ""), ("pre!=2.0b1", ""), ("pre>=1.0\npre>=1.0a1", ""),
            ("pre", "pre>=1.0a1"), ("pre", "pre>=1.1a1"), ("pre", "pre==2.0b1"), ("pre>1.0", ""), ("pre>=1.0a1,!=1.0", ""), ("pre==2.*", ""),
        ))
    ),
    case("torch-backend-without-indexes", "aaa\n", f"--torch-backend cpu {LISTED}"),
    case("torch-itself-without-indexes", "torch\n", f"--torch-backend cpu {LISTED}", status=1),
    case("torch-itself-by-a-variable", "torch\n", LISTED, environ={"UV_TORCH_BACKEND": "cpu"}, status=1),
    case("no-configuration-but-a-file", "aaa\n", "--no-config --config-file u.toml r.txt", files={"u.toml": "compile-bytecode = true\n"}),
    case("no-configuration-but-a-file-by-a-variable", "aaa\n", files={"u.toml": "compile-bytecode = true\n", "uv.toml": "nonsense = 1\n"}, environ={"UV_NO_CONFIG": "1", "UV_CONFIG_FILE": "u.toml"}),
]  # fmt: skip
