"""The tree of interests: load, validate, version, compare.

Belongs here: what an interest is called and which words speak of it. Does not belong here: deciding what a text is
about (coterie.labels).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from coterie.errors import TaxonomyError

SHIPPED = "interests.yaml"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interest(_Part):
    """An interest: its short id, its name in both languages, and the words that speak of it."""

    id: Slug
    name: Words
    name_zh: Words
    description: Words
    keywords: tuple[Words, ...] = Field(min_length=1)
    keywords_zh: tuple[Words, ...] = Field(min_length=1)
    sensitive: bool = False


class Domain(_Part):
    """A branch of the tree."""

    id: Slug
    name: Words
    name_zh: Words
    description: Words
    interests: tuple[Interest, ...] = Field(min_length=1)


class _File(_Part):
    edition: int = Field(1, ge=1)
    domains: tuple[Domain, ...] = Field(min_length=1)


@dataclass(frozen=True)
class Difference:
    """What became of the interests between two taxonomies, ids sorted; `changed` have other words for the same id."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Taxonomy:
    """A validated tree of interests. An interest's id in every table is `domain.interest`.

    `edition` counts the versions that a person has had in hand; it has no influence on anything.
    """

    domains: tuple[Domain, ...]
    edition: int = 1

    @cached_property
    def interests(self) -> Mapping[str, tuple[Domain, Interest]]:
        """Interest id -> its domain and itself, in the order of the file."""
        return {
            f"{domain.id}.{interest.id}": (domain, interest) for domain in self.domains for interest in domain.interests
        }

    @cached_property
    def version(self) -> str:
        """Hash of the whole content: any change of a word makes another version."""
        return _hash([domain.model_dump(mode="json") for domain in self.domains])

    def branch_version(self, domain_id: str) -> str:
        """Hash of one domain's content: a change elsewhere in the tree leaves it as it is."""
        return _hash(next(domain for domain in self.domains if domain.id == domain_id).model_dump(mode="json"))

    def frame(self) -> pl.DataFrame:
        """One row an interest, sorted: interest_id, domain_id, domain, interest, interest_zh, sensitive."""
        rows = [(key, d.id, d.name, i.name, i.name_zh, i.sensitive) for key, (d, i) in sorted(self.interests.items())]
        names = ["interest_id", "domain_id", "domain", "interest", "interest_zh"]
        return pl.DataFrame(rows, schema={**dict.fromkeys(names, pl.String), "sensitive": pl.Boolean}, orient="row")

    def wire(self) -> str:
        """The taxonomy as it travels in a system prompt: canonical JSON, equal bytes for equal content."""
        interests = [
            {
                "id": key,
                "domain": domain.id,
                "name": interest.name,
                "description": interest.description,
                "keywords": [*interest.keywords, *interest.keywords_zh],
            }
            for key, (domain, interest) in sorted(self.interests.items())
        ]
        return json.dumps({"taxonomy_version": self.version, "interests": interests}, ensure_ascii=False)

    def content(self) -> str:
        """The whole content as JSON, for `restored`."""
        return json.dumps([domain.model_dump(mode="json") for domain in self.domains], ensure_ascii=False)

    def diff(self, newer: "Taxonomy") -> Difference:
        """What `newer` adds, removes and changes."""
        before, after = self.interests, newer.interests
        return Difference(
            added=tuple(sorted(set(after) - set(before))),
            removed=tuple(sorted(set(before) - set(after))),
            changed=tuple(sorted(k for k in set(before) & set(after) if before[k][1] != after[k][1])),
        )


def restored(content: str) -> Taxonomy:
    """The taxonomy whose `content` this is."""
    return Taxonomy(tuple(Domain.model_validate(domain) for domain in json.loads(content)))


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Read a taxonomy file; the shipped one if no path is given.

    Raises:
        TaxonomyError: names the file, the place in it, what was found and what was expected.
    """
    name = str(path) if path else SHIPPED
    try:
        return _parsed(name, (path or files("coterie") / "taxonomies" / SHIPPED).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaxonomyError(f"{name}: the taxonomy cannot be read: {error}") from error


# A taxonomy is asked for several times a day of data, and to read one takes longer than most of what is done with it.
@lru_cache(maxsize=4)
def _parsed(name: str, text: str) -> Taxonomy:
    data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    try:
        file = _File.model_validate(data)
        domains = file.domains
    except ValidationError as error:
        problems = "\n".join(
            f"{name}: {_place(data, p['loc'])}: {p['msg']}, found {p.get('input')!r}" for p in error.errors()
        )
        raise TaxonomyError(problems) from None
    _unique(name, "domain", [d.id for d in domains])
    for domain in domains:
        _unique(name, f"interest of {domain.id}", [i.id for i in domain.interests])
    return Taxonomy(domains, file.edition)


def as_yaml(taxonomy: Taxonomy, heading: str) -> str:
    """The taxonomy as a file for a person to edit; `load_taxonomy` reads it back. The heading becomes a comment."""
    comment = "".join(f"# {line}".rstrip() + "\n" for line in heading.splitlines())
    domains = [domain.model_dump(mode="json", exclude_defaults=True) for domain in taxonomy.domains]
    body = yaml.safe_dump(
        {"edition": taxonomy.edition, "domains": domains},
        sort_keys=False,
        allow_unicode=True,
        width=120,
        default_flow_style=None,
    )
    return comment + body


def _unique(name: str, what: str, ids: list[str]) -> None:
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise TaxonomyError(f"{name}: found the {what} id(s) {', '.join(twice)} more than once; expected each once")


def _place(data: Any, where: tuple[int | str, ...]) -> str:
    """A position in the file as a person names it: list entries by their id."""
    parts, here = [], data
    for step in where:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
        named = isinstance(step, int) and isinstance(here, dict) and here.get("id")
        parts.append(str(named or step))
    return ".".join(parts) or "top level"


def _hash(content: Any) -> str:
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
