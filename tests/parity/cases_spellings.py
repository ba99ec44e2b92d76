"""Cases on how options and variables may be written: §1.2 of the reference's behaviour."""

from __future__ import annotations

from case import Case, case

EXTRAS = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['aaa']\n[project.optional-dependencies]\na = ['bbb']\nb = ['ccc']\n"

ACCEPTED = (
    "--link-mode reflink", "--index-strategy unsafe-any-match", "-i ''", "-p ''", "-nq", "-q", "-qq", "-vv", "--build",
    "--no-binary aaaa,bbb", "--only-binary :none:", "--no-all-extras", "--no-offline", "--no-refresh", "--no-system",
    "--system --no-system", "--break-system-packages", "--no-break-system-packages", "--no-color", "--no-progress",
    "--preview", "--preview-features pylock", "--managed-python", "--no-python-downloads", "--python-preference system",
    "--python-fetch manual", "--no-cache-dir", "-C =b", "-C =", "--trusted-host x --trusted-host y", "--system-certs", "--allow-insecure-host ''",
    "--exclude-newer false", "--managed-python --no-managed-python", "--refresh-package aaa", "--force-reinstall", "--no-strict --strict",
    "--config-settings a=b", "-f ''", "--index ''", "--python-version 3.11.1", "--python-version 3.13rc1",
    "--python-version v3.11", "--python-version 3.12-1", "--python-version 3.12.0.post1", "--python-version 3.13.0-RC.1", "--python-version 03.011",
    "--python-version 3.12.1.7", "-p ==@PY@", "-p ==3", "-p cpython>=@PY@", "-p cp@>=@PY@", "-p 'python >=@PY@,<4'", "-p @PY@+gil", "-p >=3.8+gil",
    "-p any-@PY@", "-p any-any-linux", "-p cpython-any-linux-any-gnu", "-p @PY@-linux", "-p cpython-@PY@+gil-linux",
)  # fmt: skip
REFUSED = (
    "--dry", "--dry-run --dry-run", "-i @INDEX@ -i @INDEX@", "--dry-run=true", "--strict=", "--default-index=", "--target=", "--extra a",
    "--no-binary 'a b'", "--no-binary ''", "--only-binary a,", "--no-dry-run", "--no-check", "--color x", "--python-preference x", "--python-fetch x",
    "--emit-index-url", "--timeout 3", "--force", "--requirement", "--group a,b", "--resolution lowest",
    "--prerelease allow", "--exclude-newer 2010-01-01 --exclude-newer 2011-01-01", "--reinstall-package '!'", "--config-setting a", "--python-version x",
    "--python-version '>=3'", "--reinstall-package aaa,bbb", "--reinstall-package ''", "--refresh-package ''",
    "--python-version 312", "--python-version 3.256", "--python-version 3.12.256", "--python-version '1!3.12'", "--python-version 3.12.dev1",
    "--python-version 3.12+local", "--python-version ''",
    "-p cpython-@PY@-linux-any-musl", "-p cpython-@PY@-linux-any-none", "-p python-@PY@", "-p @@PY@", "-p cpython@", "-p >=@PY@,", "-p >=3,,<4",
    "-p @PY@+debug", "-p @PY@t", "-p '>=@PY@t'", "-p pypy>=3.8", "-p cpython-any-any-any-any-any", "-p 3.x", "-p ==@PY@.99",
)  # fmt: skip
BOOLEANS = ("1", "0", "true", "TRUE", "Yes", "on", "off", "t", "f", "y", "n", "no", "2", "enable", " true ", "")
EMPTY = (
    "INDEX_URL", "EXTRA_INDEX_URL", "INDEX", "FIND_LINKS", "LINK_MODE", "PYTHON", "INDEX_STRATEGY", "KEYRING_PROVIDER",
    "TORCH_BACKEND", "EXCLUDE_NEWER", "CONSTRAINT", "CONFIG_FILE", "PROJECT", "WORKING_DIR", "REQUIRE_HASHES", "COMPILE_BYTECODE", "NO_CACHE",
    "INSECURE_HOST", "HTTP_TIMEOUT", "HTTP_RETRIES", "SYSTEM_PYTHON", "NO_SOURCES", "NO_CONFIG", "NO_VERIFY_HASHES", "BUILD_CONSTRAINT", "SYSTEM_CERTS",
    "GIT_LFS", "SKIP_WHEEL_FILENAME_CHECK", "INSECURE_NO_ZIP_VALIDATION",
)  # fmt: skip
BAD = (
    "HTTP_TIMEOUT", "HTTP_RETRIES", "CONCURRENT_DOWNLOADS", "CONCURRENT_BUILDS", "CONCURRENT_INSTALLS", "HTTP_CONNECT_TIMEOUT",
    "EXCLUDE_NEWER", "NO_PROGRESS", "SKIP_WHEEL_FILENAME_CHECK", "REQUIRE_BUILD_HASHES", "NO_INSTALLER_METADATA", "NATIVE_TLS", "NO_SOURCES", "GIT_LFS",
)  # fmt: skip


CASES: list[Case] = [
    *(case(f"accepted{number}-{words.split()[0]}", "aaa\n", f"{words} r.txt", installed="aaa-1.0") for number, words in enumerate(ACCEPTED)),
    *(case(f"refused{number}-{words.split()[0]}", "aaa\n", f"{words} r.txt", status=2) for number, words in enumerate(REFUSED)),
    *(
        case(f"not-for-{name}{number}", "aaa\n", environ={name: text}, status=2)
        for number, (name, text) in enumerate((("UV_INSECURE_HOST", "http://x:99999"), ("UV_INSECURE_HOST", "x:y"), ("UV_CUDA_DRIVER_VERSION", "x"), ("VIRTUAL_ENV", "@HERE@/r.txt")))
    ),
    *(case(f"for-UV_INSECURE_HOST-{number}", "aaa\n", environ={"UV_INSECURE_HOST": text}) for number, text in enumerate(("x:1", "https://x"))),
    case("managed-and-not", "aaa\n", "r.txt --no-managed-python"),
    case("options-behind-files", "aaa\n", "r.txt --dry-run"),
    case("nothing-but-files-behind-two-dashes", "aaa\n", "-- r.txt"),
    case("a-value-without-a-space", "aaa\n", "-cc.txt r.txt", files={"c.txt": "aaa<2\n"}),
    case("a-value-behind-a-sign", "aaa\n", "-c=c.txt r.txt", files={"c.txt": "aaa<2\n"}),
    case("extras-with-a-comma", args="--extra a,b pyproject.toml", files={"pyproject.toml": EXTRAS}),
    case("extras-with-a-space", args="--extra 'a, b' pyproject.toml", files={"pyproject.toml": EXTRAS}, status=2),
    case("extras-with-nothing", args="--extra '' pyproject.toml", files={"pyproject.toml": EXTRAS}, status=2),
    case("without-any-file", args="", status=2),
    case("with-a-group-alone", args="--group x", status=2),
    *(
        case(f"boolean-{number}", "aaa==1.0\n", installed="aaa-1.0", environ={"UV_OFFLINE": text}, status=2 if text in {"2", "enable", " true ", ""} else 0)
        for number, text in enumerate(BOOLEANS)
        if text
    ),
    *(
        case(f"empty-{name}", "aaa\n", installed="aaa-1.0", environ={f"UV_{name}": ""}, status=2 if name in {"LINK_MODE", "INDEX_STRATEGY", "KEYRING_PROVIDER", "TORCH_BACKEND", "EXCLUDE_NEWER", "CONFIG_FILE", "PROJECT", "WORKING_DIR", "REQUIRE_HASHES", "COMPILE_BYTECODE", "NO_CACHE", "SYSTEM_PYTHON", "NO_SOURCES", "NO_CONFIG", "NO_VERIFY_HASHES", "SYSTEM_CERTS", "GIT_LFS", "SKIP_WHEEL_FILENAME_CHECK"} else 0)
        for name in EMPTY
    ),
    *(case(f"bad-{name}", "aaa\n", environ={f"UV_{name}": "x y"}, status=2) for name in BAD),
    case("no-binary-of-the-variable", "aaa\n", environ={"UV_NO_BINARY": "1"}),
    case("no-binary-of-the-variable-for-some", "aaa\n", environ={"UV_NO_BINARY_PACKAGE": "aaa bbb"}),
    case("no-build-of-the-variable", "sdonly\n", environ={"UV_NO_BUILD": "1"}),
    case("no-build-of-the-variable-for-some", "sdonly\n", environ={"UV_NO_BUILD_PACKAGE": "sdonly"}),
]  # fmt: skip
