"""Who we are to which server: credentials in addresses, in variables, in netrc, in the keyring.

A password goes to the realm (scheme, host, port) it was given for and to no other. None of this is ever shown.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from pytest_envsync.addresses import Realm, realm_of, split_credentials
from pytest_envsync.errors import FetchError
from pytest_envsync.narration import Reporter, SilentReporter
from pytest_envsync.values import NamedTuple

_KEYRING_SECONDS = 60.0


class Login(NamedTuple):
    """A user name and a password; either may be empty."""

    user: str
    password: str

    def __repr__(self) -> str:
        """Show nothing of it."""
        return "Login(****)"

    def header(self) -> str:
        """Return the value of the ``Authorization`` header (RFC 7617)."""
        from base64 import b64encode

        return "Basic " + b64encode(f"{self.user}:{self.password}".encode()).decode()


class Credentials:
    """What is known of logins; every method may be called from any thread."""

    def __init__(self, environ: Mapping[str, str], *, keyring: bool = False, reporter: Reporter | None = None) -> None:
        self._environ = environ
        self._keyring = keyring
        self._reporter = reporter or SilentReporter()
        self._lock = threading.Lock()
        self._known: dict[Realm, dict[str, Login]] = {}
        # Several downloads want the login of one index at once, and a keyring may ask its user.
        self._asking = threading.Lock()
        self._asked: dict[tuple[str, ...], str | None] = {}
        self._is_unusable = False
        self._netrc: dict[str, Login] | None = None
        self._rules: dict[str, tuple[str, str]] = {}

    def __repr__(self) -> str:
        """Show nothing of them."""
        return "Credentials(****)"

    def learn(self, url: str, name: str = "", *, asks: bool = True) -> str:
        """Remember what the address of an index, or the variables for its *name*, say; return the bare address.

        ``UV_INDEX_NAME_USERNAME`` and ``UV_INDEX_NAME_PASSWORD`` (or with ``ENVSYNC_``) are read with the name in
        capitals and ``_`` for all other signs; what stands in the address comes first. Where *asks* is false the
        keyring is not asked for what is missing.
        """
        bare, user, password = split_credentials(url)
        if name and password is None:
            variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
            user = user or self._variable(f"INDEX_{variable}_USERNAME")
            password = self._variable(f"INDEX_{variable}_PASSWORD")
        if user is not None or password is not None:
            if password is None:
                noted = self._netrc_logins().get(realm_of(bare).host)
                password = noted.password if noted is not None and noted.user == user else None
            if password is None and self._keyring and asks:
                password = self._from_keyring(bare, user or "")
            with self._lock:
                self._known.setdefault(realm_of(bare), {}).setdefault(bare, Login(user or "", password or ""))
        return bare

    def _variable(self, name: str) -> str | None:
        return self._environ.get(f"ENVSYNC_{name}") or self._environ.get(f"UV_{name}") or None

    def note_rule(self, url: str, authenticate: str) -> None:
        """Remember that requests below the index at a bare *url* have a login ``always`` or ``never``."""
        if authenticate != "auto":
            # Its files lie beside its pages.
            with self._lock:
                root = re.sub(r"/\+?simple/?$", "", url, flags=re.IGNORECASE).rstrip("/") + "/"
                self._rules[root] = authenticate, url

    def _rule_for(self, url: str) -> tuple[str, str]:
        """Return the rule for a bare address, and the address of the index that it is of."""
        with self._lock:
            return next((rule for root, rule in self._rules.items() if url.startswith(root)), ("auto", ""))

    def login_for(self, url: str) -> Login | None:
        """Return the login for a bare address: of the index nearest to it in its realm, else netrc's for its host.

        Raises FetchError when its index asks for one and none is known.
        """
        rule, index = self._rule_for(url) if self._rules else ("auto", "")
        login = None if rule == "never" else self._login_for(url)
        if rule == "always" and login is None:
            pair = self._from_keyring(index, "--mode", "creds") if self._keyring else None
            if not pair:
                raise FetchError(
                    f'no credentials are known for `{url}`, whose index has `authenticate = "always"`',
                    url=url,
                    hint="give them in the address, in netrc, or in UV_INDEX_NAME_USERNAME and UV_INDEX_NAME_PASSWORD",
                )
            # A name and a password, a line each.
            user, _, password = pair.partition("\n")
            login = Login(user.rstrip("\r"), password) if password else Login("", user)
        return login

    def _login_for(self, url: str) -> Login | None:
        with self._lock:
            known = self._known.get(realm_of(url))
            if known:
                return known[max(known, key=lambda place: _shared_segments(place, url))]
        host = realm_of(url).host
        return self._netrc_logins().get(host)

    def login_after_refusal(self, url: str) -> Login | None:
        """Return what may help when a server refused a request without a login: netrc's default, or None.

        It is not sent unasked, since it would go to every server there is.
        """
        if self._rules and self._rule_for(url)[0] == "never":
            return None
        return self._netrc_logins().get("")

    def _netrc_logins(self) -> dict[str, Login]:
        """Return host to login; the empty host is ``default``."""
        with self._lock:
            if self._netrc is None:
                self._netrc = self._read_netrc()
            return self._netrc

    def _read_netrc(self) -> dict[str, Login]:
        given = self._environ.get("NETRC")
        home = self._environ.get("HOME") or self._environ.get("USERPROFILE") or ""
        names = [given] if given else [os.path.join(home, name) for name in (".netrc", "_netrc")] if home else []  # noqa: PTH118 - plain text
        path = next((name for name in names if Path(name).is_file()), None)
        if path is None:
            return {}
        import netrc

        try:
            hosts = netrc.netrc(path).hosts
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
            # The text of a parse error may quote the file, and with it a password.
            reason = error.strerror if isinstance(error, OSError) else "it cannot be parsed"
            self._reporter.warn(f"`{path}` is not used: {reason}")
            return {}
        return {
            "" if host == "default" else host.lower(): Login(login or "", password or "")
            for host, (login, _, password) in hosts.items()
        }

    def _from_keyring(self, url: str, *behind: str) -> str | None:
        """Ask the ``keyring`` command, by the address, then by the host, then by both without the path; once a run.

        *behind* is the name of the user, whose password is wanted, or what asks for both.
        """
        realm = realm_of(url)
        host = realm.host if realm.port in {80, 443, None} else f"{realm.host}:{realm.port}"
        for service in (url, host, f"{realm.scheme}://{host}"):
            question = service, *behind
            with self._asking:
                if question not in self._asked:
                    self._asked[question] = None if self._is_unusable else self._ask_keyring(question)
                answer = self._asked[question]
            if answer is not None:
                return answer
        return None

    def _ask_keyring(self, question: tuple[str, ...]) -> str | None:
        import subprocess

        try:
            result = subprocess.run(
                ["keyring", "get", *question],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_KEYRING_SECONDS,
                check=False,
                env=dict(self._environ),
            )
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            reason = "it did not answer" if isinstance(error, subprocess.TimeoutExpired) else "it cannot be run"
            self._is_unusable = True
            self._reporter.warn(f"the `keyring` command is not used: {reason}")
            return None
        if result.returncode != 0:
            return None
        # One that says nothing and is content knows an empty password.
        return result.stdout.decode("utf-8", "replace").rstrip("\r\n")


def _shared_segments(one: str, other: str) -> int:
    pairs = zip(one.split("/"), other.split("/"), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
