"""Find the links of an HTML page of an index, or of any page that lists files (PEP 503, 592, 629).

Pure: text comes in. Nothing is fetched, no script is run, and a page that is broken gives the
links that can be found.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from html.parser import HTMLParser

from pytest_envsync.values import NamedTuple


class Anchor(NamedTuple):
    """A link: its address as written, ``data-requires-python``, and ``data-yanked`` (None: not there)."""

    href: str
    requires_python: str
    yanked: str | None


class Anchors(NamedTuple):
    """The links of a page. *base* is the address of ``<base>``, *interface* the version the page states."""

    anchors: tuple[Anchor, ...]
    base: str | None
    interface: str | None


def read_anchors(text: str) -> Anchors:
    """Return the links of *text*, in order; those without an address are left out."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return Anchors(tuple(reader.anchors), reader.base, reader.interface)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.anchors: list[Anchor] = []
        self.base: str | None = None
        self.interface: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            values = dict(attrs)
            if values.get("href"):
                yanked = (values["data-yanked"] or "") if "data-yanked" in values else None
                self.anchors.append(Anchor(values["href"] or "", values.get("data-requires-python") or "", yanked))
        elif tag == "base" and self.base is None:
            self.base = dict(attrs).get("href")
        elif tag == "meta":
            values = dict(attrs)
            if values.get("name") == "pypi:repository-version":
                self.interface = values.get("content")
