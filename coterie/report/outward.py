"""What of a page would make a browser ask for something.

Belongs here: reading a page as a browser does. Does not belong here: what to do about it (assets).
"""

import re
from html.parser import HTMLParser

ASKING = {"img", "iframe", "object", "embed", "link", "base", "audio", "video", "source", "track", "frame"}
ADDRESSES = {"src", "srcset", "action", "formaction", "poster", "background", "ping", "data"}
POLICY = "default-src 'none'"


def outward(html: str) -> list[str]:
    """Elements, addresses and styles that reach out of the page, sorted; and if it has none, the rule against requests.

    Text that only looks like markup, such as an item's caption, does not count: it is read as text.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return sorted(reader.found | (set() if reader.guarded else {"no rule against requests"}))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.guarded = False
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag == "style"
        if tag in ASKING:
            self.found.add(f"<{tag}>")
        for name, value in attrs:
            if name in ADDRESSES or (name == "href" and not (value or "").startswith("#")):
                self.found.add(f"<{tag} {name}>")
            if name == "style":
                self._look(value or "")
            if name.startswith("on"):
                self.found.add(f"<{tag} {name}>")
        if tag == "meta" and dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.guarded = POLICY in (dict(attrs).get("content") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self._look(data)

    def _look(self, style: str) -> None:
        self.found |= {match.group() for match in re.finditer(r"@import|url\(", style)}
