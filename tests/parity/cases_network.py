"""Cases on the way to servers: proxies, what they answer, logins, certificates."""

from __future__ import annotations

from case import Case, case

DEAD = "http://127.0.0.1:9"
BAD = "http://127.0.0.1:99999"

CASES: list[Case] = [
    *(
        case(f"no-proxy-{name}", "aaa\n", environ={"HTTP_PROXY": DEAD, "NO_PROXY": places}, status=status)
        for name, places, status in (
            ("network", "127.0.0.0/8", 0),
            ("network-with-bits", "127.0.0.1/8", 0),
            ("all-networks", "10.0.0.0/8, 0.0.0.0/0", 0),
            ("another-network", "10.0.0.0/8", 2),
            ("mask", "127.0.0.0/255.0.0.0", 2),
            ("blanks", " x ,  127.0.0.1 ,", 0),
            ("end-of-an-address", ".0.0.1,0.0.1", 2),
            ("address-with-a-scheme", "http://127.0.0.1", 2),
            ("version-6", "::/0,::1", 2),
            ("empty", "", 2),
        )
    ),
    case("no-proxy-with-a-port", "aaa\n", environ={"HTTP_PROXY": DEAD, "NO_PROXY": "@HOST@"}, status=2),
    case("no-proxy-in-capitals-first", "aaa\n", environ={"HTTP_PROXY": DEAD, "NO_PROXY": "x", "no_proxy": "127.0.0.1"}, status=2),
    case("no-proxy-empty-in-capitals", "aaa\n", environ={"HTTP_PROXY": DEAD, "NO_PROXY": "", "no_proxy": "127.0.0.1"}, status=2),
    case("proxy-in-capitals-first", "aaa\n", environ={"HTTP_PROXY": "", "http_proxy": DEAD}),
    case("proxy-in-capitals-over-an-empty-one", "aaa\n", environ={"HTTP_PROXY": DEAD, "http_proxy": ""}, status=2),
    case("proxy-empty-beside-one-for-all", "aaa\n", environ={"HTTP_PROXY": "", "ALL_PROXY": DEAD}, status=2),
    case("proxy-of-mixed-case", "aaa\n", environ={"Http_Proxy": DEAD}),
    case("proxy-in-a-cgi-program", "aaa\n", environ={"HTTP_PROXY": DEAD, "ALL_PROXY": DEAD, "REQUEST_METHOD": "GET"}),
    case("proxy-that-is-not-needed", "aaa\n", environ={"HTTPS_PROXY": BAD}),
    case("proxy-that-is-no-address", "aaa\n", environ={"HTTP_PROXY": BAD}, status=2, says="no valid address of a proxy"),
    case("proxy-with-blanks", "aaa\n", environ={"HTTP_PROXY": f" {DEAD} "}, status=2, reference=0, says="no valid address of a proxy", differs="a proxy that cannot be used is an error: nothing goes around it"),
    case("proxy-of-another-scheme", "aaa\n", environ={"HTTP_PROXY": "ftp://127.0.0.1:9"}, status=2, reference=0, says="cannot be used", differs="a proxy that cannot be used is an error: nothing goes around it"),
    case("proxy-with-a-login-that-is-down", "aaa\n", environ={"HTTP_PROXY": "http://user:secret@127.0.0.1:9"}, status=2, says="through the proxy `http://user:****@127.0.0.1:9`"),
    case("proxy-of-a-file-first", "aaa\n", files={"uv.toml": f"http-proxy='{DEAD}'\n"}, environ={"HTTP_PROXY": "@BASE@"}, status=2),
    case("proxy-of-a-file-and-no-proxy-of-the-environment", "aaa\n", files={"uv.toml": f"http-proxy='{DEAD}'\n"}, environ={"NO_PROXY": "127.0.0.1"}, status=2),
    case("proxy-of-a-file-and-no-proxy-of-it", "aaa\n", files={"uv.toml": f"http-proxy='{DEAD}'\nno-proxy=['127.0.0.0/8']\n"}),
    case("no-proxy-of-a-file-alone", "aaa\n", files={"uv.toml": "no-proxy=['127.0.0.1']\n"}, environ={"HTTP_PROXY": DEAD}, status=2),
    case("proxy-of-a-file-for-https", "aaa\n", files={"uv.toml": f"https-proxy='{DEAD}'\n"}, environ={"HTTP_PROXY": DEAD, "ALL_PROXY": DEAD}),
    case("no-proxy-that-is-no-list", "aaa\n", files={"uv.toml": "no-proxy='127.0.0.1'\n"}, status=2),
    case("proxy-of-a-file-that-is-no-text", "aaa\n", files={"uv.toml": "http-proxy=3\n"}, status=2),
    *(
        case(f"flat-index-{status}-{name}", "aaa\n", args, files={"uv.toml": f"[[index]]\nname='flat'\nurl='@BASE@/{place}'\nformat='flat'\n{more}"}, index=name != "default", status=ended)
        for status, place, ended in ((403, "status/403/", 2), (404, "nope.html", 1))
        for name, args, more in (
            ("first", "r.txt", ""),
            ("default", "r.txt", "default=true\n"),
            ("ignored", "r.txt", f"ignore-error-codes=[{status}]\n"),
            ("best-match", "--index-strategy unsafe-best-match r.txt", ""),
        )
    ),
    case("flat-index-404-behind", "aaa\n", "-i @INDEX@ r.txt", files={"uv.toml": "[[index]]\nname='flat'\nurl='@BASE@/nope.html'\nformat='flat'\nexplicit=true\n"}),
    case("find-links-page-of-plain-text", "aaa\n", "--no-index -f @BASE@/links.txt r.txt"),
    case("find-links-page-that-says-it-is-json", "aaa\n", "--no-index -f @BASE@/links.json r.txt"),
    *(
        case(f"time-limit-{value}", "aaa\n", environ={name: value})
        for name, value in (("UV_HTTP_TIMEOUT", "+30"), ("UV_HTTP_TIMEOUT", "2147483648"), ("UV_REQUEST_TIMEOUT", "300000000000"), ("UV_HTTP_CONNECT_TIMEOUT", "300000000000"))
    ),
    *(
        case(f"client-certificate-{name}", "aaa\n", files={"own.pem": text}, environ={"SSL_CLIENT_CERT": f"@HERE@/{path}"})
        for name, path, text in (
            ("missing", "nope.pem", ""),
            ("empty", "own.pem", ""),
            ("without-a-key", "own.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            ("that-is-a-directory", ".", ""),
        )
    ),
    case("retries-beyond-32-bits", "aaa\n", environ={"UV_HTTP_RETRIES": "4294967296"}, status=2),
    case("retries-with-a-sign", "aaa\n", environ={"UV_HTTP_RETRIES": "+0"}),
]  # fmt: skip
