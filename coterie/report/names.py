"""What communities, interests and items are called in the language of the report.

Belongs here: names. Does not belong here: escaping them; every place that shows a name does that.
"""

import re
from functools import lru_cache

from coterie.labels.prompts import masked
from coterie.report.facts import Names

MOST_TEXT = 200


def interest_name(interest_id: str, names: Names, otherwise: str | None = None) -> str:
    """The interest's name; its id, or what else it is called, where the taxonomy does not know it."""
    return names.interests.get(interest_id) or otherwise or interest_id


def community_name(name: str, names: Names) -> str:
    """A community's name. Names by rule are made of names of interests, which are replaced by those of the language."""
    if not names.words:
        return name
    found = _pattern(tuple(sorted(names.words, key=lambda word: (-len(word), word)))).sub(
        lambda match: names.words[match.group()], name
    )
    # Where all of it could be told in the language, its commas and ampersands are that language's too.
    return found if re.search(r"[A-Za-z]", found) else found.replace(", ", "、").replace(" & ", "、")


def item_text(text: str | None) -> str | None:
    """An item's text as it may be shown: people's handles, addresses and telephone numbers masked, and not too long."""
    if text is None or not text.strip():
        return None
    said = " ".join(masked(text).split())
    return said if len(said) <= MOST_TEXT else said[: MOST_TEXT - 1] + "…"


@lru_cache(maxsize=4)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words))
