"""The words of the report, one catalogue a language.

Belongs here: looking words up and filling them in. Does not belong here: the words themselves (words/*.yaml).
"""

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import yaml
from markupsafe import Markup

from coterie.errors import SettingError

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Texts:
    """The catalogue of a language. Keys are dotted: `board.title`.

    With `html`, what is filled in is escaped unless it is markup already; without, texts come as plain strings.
    """

    def __init__(self, language: Language, *, html: bool = True) -> None:
        self.language = language
        self.html = html
        self._words = catalogue(language)

    def __call__(self, key: str, **values: object) -> str:
        """The text with its braces filled in.

        Raises:
            KeyError: the catalogue has no such text.
        """
        found = self.get(key)
        if not isinstance(found, str):
            raise KeyError(f"words/{self.language}.yaml: {key}: found {type(found).__name__}, expected a text")
        return Markup(found).format(**values) if self.html else found.format(**values)  # noqa: S704 - our own words

    def get(self, key: str) -> Any:
        """What the catalogue holds under a key: a text, a list or a mapping."""
        at: Any = self._words
        # The last part may hold dots itself, as the names of metrics do.
        head, _, tail = key.partition(".")
        if head == "metrics" and tail:
            return at["metrics"][tail]
        for part in key.split("."):
            at = at[part]
        return at

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        try:
            return isinstance(self.get(key), str)
        except (KeyError, TypeError):
            return False

    def day(self, day: date) -> str:
        """A day in words."""
        return self("date", day=day.day, month=self.get("months")[day.month - 1], year=day.year)

    def listed(self, parts: list[str]) -> str:
        """Several things in one sentence: a, b and c."""
        if len(parts) < 2:
            return parts[0] if parts else ""
        comma, last = str(self.get("join")), str(self.get("and"))
        if self.html:
            return Markup(comma).join(parts[:-1]) + Markup(last) + parts[-1]  # noqa: S704 - our own words
        return comma.join(parts[:-1]) + last + parts[-1]


@cache
def catalogue(language: Language) -> Mapping[str, Any]:
    """All words of a language.

    Raises:
        SettingError: there is no such language.
    """
    if language not in LANGUAGES:
        raise SettingError(f"report language: found {language!r}; expected {' or '.join(LANGUAGES)}")
    text = (files("coterie.report") / "words" / f"{language}.yaml").read_text(encoding="utf-8")
    words: Mapping[str, Any] = yaml.safe_load(text)
    return words
