"""Which answers outlive an edit of the taxonomy.

Belongs here: the rule by which an answer given under one taxonomy stands under another. Does not belong here: storage
(ledger.py), asking.

An answer depends on the whole taxonomy, because the whole of it stands in the prompt. To ask everything again after
every edit would be exact and would cost the whole corpus each time. The rule here asks again where an edit can be
expected to matter, branch by branch (a branch is a domain):

1. texts whose answer names an interest of a branch that changed: its interests compete with one another;
2. texts that nothing fitted, if the edit added an interest: perhaps that one does;
3. texts in which a word stands that the edit brought in, whatever their answer was.

All else stands. What is lost: a text that another branch claimed and that an added interest would fit better, without
holding any of its words, keeps its answer.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from coterie.labels.ledger import Interests
from coterie.taxonomy import Taxonomy

Read = tuple[str, str, frozenset[str]]  # what the model reads of an interest: name, description, keywords


@dataclass(frozen=True)
class Edit:
    """What lies between the taxonomy of an answer and the one of today, as far as a model reads it.

    Attributes:
        branches: ids of the domains that changed, came or went.
        adds: whether an interest came.
        words: names and keywords, in lower case, that an interest has now and had not.
    """

    branches: frozenset[str]
    adds: bool
    words: frozenset[str]

    def touches(self, text: str, answer: Interests) -> bool:
        """Whether a text with this answer is asked again."""
        if any(interest.split(".")[0] in self.branches for interest, _ in answer):
            return True
        if self.adds and not answer:
            return True
        return bool(self._pattern and self._pattern.search(text.casefold()))

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        """Words of alphabets stand alone, in the singular or plural; Chinese is written without spaces."""
        if not self.words:
            return None
        longest_first = sorted(self.words, key=lambda word: (-len(word), word))
        return re.compile("|".join(_alone(word) for word in longest_first))


def edit(old: Taxonomy, new: Taxonomy) -> Edit:
    """The edit that leads from one taxonomy to another. What a model does not read, such as the order, is no edit."""
    before, after = _read(old), _read(new)
    different = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    words = (_words(after[key]) - (_words(before[key]) if key in before else set()) for key in different & after.keys())
    return Edit(
        branches=frozenset(key.split(".")[0] for key in different),
        adds=bool(after.keys() - before.keys()),
        words=frozenset(word for each in words for word in each),
    )


def standing(
    texts: Mapping[str, str],
    answers: Mapping[str, Mapping[str, Interests]],
    known: Mapping[str, Taxonomy],
    today: Taxonomy,
) -> dict[str, tuple[str, Interests]]:
    """The answers that stand under today's taxonomy.

    Of several that stand, that of the taxonomy with the fewest changed branches is taken, so that the order in which
    taxonomies came has no influence.

    Args:
        texts: text hash -> text.
        answers: text hash -> version of the taxonomy that it was asked under -> answer.
        known: version -> taxonomy; answers under a version that is not known do not stand.
        today: the taxonomy that is labelled with.

    Returns:
        text hash -> version that it was asked under, answer.
    """
    edits = {version: edit(taxonomy, today) for version, taxonomy in known.items()}
    return {h: found for h, by in answers.items() for found in _nearest(texts[h], by, edits)}


def touched(old: Taxonomy, new: Taxonomy, answers: Mapping[str, Interests], texts: Mapping[str, str]) -> list[str]:
    """Text hashes whose answer under `old` does not stand under `new`; a text that is not known counts as without words."""
    between = edit(old, new)
    return sorted(h for h, answer in answers.items() if between.touches(texts.get(h, ""), answer))


def _nearest(
    text: str, by_version: Mapping[str, Interests], edits: Mapping[str, Edit]
) -> Iterator[tuple[str, Interests]]:
    """The nearest answer that stands, if there is one."""
    nearest_first = sorted(by_version.keys() & edits.keys(), key=lambda v: (len(edits[v].branches), v))
    for version in nearest_first:
        if not edits[version].touches(text, by_version[version]):
            yield version, by_version[version]
            return


def _read(taxonomy: Taxonomy) -> dict[str, Read]:
    return {
        key: (interest.name, interest.description, frozenset([*interest.keywords, *interest.keywords_zh]))
        for key, (_, interest) in taxonomy.interests.items()
    }


def _words(read: Read) -> set[str]:
    name, _, keywords = read
    return {word.casefold() for word in (name, *keywords)}


def _alone(word: str) -> str:
    escaped = re.escape(word)
    return rf"(?<!\w){escaped}(?:e?s)?(?!\w)" if word.isascii() else escaped
