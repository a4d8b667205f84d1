"""A source description: the YAML file that says where a log lies and what its columns and events mean.

Belongs here: its form, and telling a person every mistake in it at once, by line. Does not belong here: the log.
"""

import difflib
import unicodedata
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from coterie.errors import SourceError

Kind = Literal["exposure", "watch", "positive", "negative", "undo"]
Location = tuple[str | int, ...]
Lines = dict[Location, int]

_NAME_LENGTH = 50  # characters: at four bytes each, and with what stands around it, still the name of a file


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known word that resembles `word`, or nothing."""
    spelled = {k.casefold(): k for k in sorted(known, reverse=True)}
    close = difflib.get_close_matches(word.casefold(), list(spelled), n=1, cutoff=0.6)
    return f"; did you mean {spelled[close[0]]!r}?" if close else ""


def _time_zone(name: str) -> str:
    known = zoneinfo.available_timezones()
    if name not in known:
        raise PydanticCustomError("zone", "{text}", {"text": f"no such time zone{did_you_mean(name, known)}"})
    return name


def _plain_name(name: str) -> str:
    """A name that can be part of a file's name: no slash, nothing that a shell or a screen would take for a command."""
    # M: the marks that letters of many scripts are written with.
    if len(name) > _NAME_LENGTH or not all(unicodedata.category(c)[0] in "LMN" or c in " .-_" for c in name):
        raise PydanticCustomError("name", "{text}", {"text": "not a plain name"})
    if name != name.strip() or not name.strip(". "):
        raise PydanticCustomError("name", "{text}", {"text": "not a plain name"})
    return name


def _pattern(path: str) -> str:
    if "\0" in path:
        raise PydanticCustomError("path", "{text}", {"text": "no path holds a null character"})
    return path


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
Zone = Annotated[str, AfterValidator(_time_zone)]
Name = Annotated[Text, AfterValidator(_plain_name)]
Pattern = Annotated[Text, AfterValidator(_pattern)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_as_tuple), Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventColumns(_Part):
    """The columns of an event file: our name to the name in the file."""

    user_id: Text = Field(description="a column name")
    item_id: Text = Field(description="a column name")
    event_type: Text = Field(description="a column name")
    occurred_at: Text = Field(description="a column name")
    event_id: Text | None = Field(default=None, description="a column name")
    watch_ms: Text | None = Field(default=None, description="a column name")
    position: Text | None = Field(default=None, description="a column name")
    propensity: Text | None = Field(default=None, description="a column name")
    is_random: Text | None = Field(default=None, description="a column name")

    @property
    def theirs(self) -> tuple[str, ...]:
        """The columns of the file that are described, each once, sorted: what makes a row the same as another."""
        return tuple(sorted({name for name in self.model_dump().values() if name is not None}))


class EventType(_Part):
    """What one of the source's event types means.

    `weight` says how much a positive or negative signal counts (1 unless given); `of` names what an undo cancels.
    """

    kind: Kind = Field(description=f"one of {', '.join(get_args(Kind))}")
    weight: float | None = Field(default=None, gt=0, le=1000, description="a number above 0, up to 1000")
    of: Text | None = Field(default=None, description="the event type that is undone")

    @model_validator(mode="after")
    def _fits_kind(self) -> "EventType":
        signal = self.kind in ("positive", "negative")
        wrong = ""
        if self.weight is not None and not signal:
            wrong = f"kind {self.kind} has no weight: only positive and negative have one"
        elif self.kind == "undo" and self.of is None:
            wrong = "kind undo needs 'of', the event type that it cancels"
        elif self.kind != "undo" and self.of is not None:
            wrong = f"kind {self.kind} has no 'of': only undo has one"
        if wrong:
            raise PydanticCustomError("kind", "{text}", {"text": wrong})
        if signal and self.weight is None:
            return EventType(kind=self.kind, weight=1.0, of=None)
        return self


class Events(_Part):
    """Where the events lie and what they mean."""

    path: Pattern = Field(description="a path or glob of parquet, csv or jsonl files, relative to the description")
    columns: EventColumns = Field(description="a mapping of our column names to the file's")
    event_types: dict[str, EventType] = Field(
        min_length=1, description="a mapping of the file's event types to their meaning, at least one"
    )


class ItemColumns(_Part):
    """The columns of an item file: our name to the name in the file, or names for `text`."""

    item_id: Text = Field(description="a column name")
    text: Texts | None = Field(default=None, description="a column name or a list of them")
    creator_id: Text | None = Field(default=None, description="a column name")
    hashtags: Text | None = Field(default=None, description="a column name")
    language: Text | None = Field(default=None, description="a column name")
    duration_ms: Text | None = Field(default=None, description="a column name")
    created_at: Text | None = Field(default=None, description="a column name")


class Items(_Part):
    """Where the items lie."""

    path: Pattern = Field(description="a path or glob of parquet, csv or jsonl files, relative to the description")
    columns: ItemColumns = Field(description="a mapping of our column names to the file's")


class Quality(_Part):
    """Bounds of what a day may look like before it is published."""

    max_quarantined_share: float = Field(default=0.05, ge=0, le=1, description="a share from 0 to 1")
    min_events: int = Field(default=1, ge=0, description="a whole number from 0")
    min_share_of_usual: float = Field(default=0.1, ge=0, le=1, description="a share from 0 to 1; 0 for no bound")


class Source(_Part):
    """A source description. `root` is the folder that its paths are relative to; `taxonomy` is already resolved."""

    name: Name = Field(description=f"a short name: letters, digits, spaces and . - _, at most {_NAME_LENGTH}")
    timezone: Zone = Field(description="an IANA time zone, such as UTC or Asia/Taipei; days are days there")
    first_day: date | None = Field(default=None, description="a date, YYYY-MM-DD")
    last_day: date | None = Field(default=None, description="a date, YYYY-MM-DD")
    taxonomy: Path | None = Field(default=None, description="the path of a taxonomy, relative to the description")
    events: Events = Field(description="a mapping with path, columns and event_types")
    items: Items | None = Field(default=None, description="a mapping with path and columns")
    quality: Quality = Field(Quality(), description="a mapping of bounds")
    root: Path = Path()

    @property
    def exposures_logged(self) -> bool:
        """Whether any event type says that an item was shown."""
        return any(e.kind == "exposure" for e in self.events.event_types.values())

    @property
    def exposures_comparable(self) -> bool:
        """Whether the log has propensities, or says which showings were random."""
        return self.events.columns.propensity is not None or self.events.columns.is_random is not None

    @property
    def creators_known(self) -> bool:
        """Whether it says who made the items."""
        return self.items is not None and self.items.columns.creator_id is not None


@dataclass(frozen=True)
class Problem:
    """A mistake in a description: where it stands (a YAML line, if any) and what it is, in words."""

    line: int | None
    text: str


def load_source(path: Path) -> Source:
    """Read and check a source description.

    Raises:
        SourceError: the file cannot be read or is wrong; the text lists every problem, with its line, the key, what
            was found and what it may be.
    """
    source, problems, _ = parse_source(path)
    if source is None or problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = [f"  line {p.line}: {p.text}" if p.line else f"  {p.text}" for p in problems]
        raise SourceError("\n".join([f"{path.name}: {count} in the source description", *lines]))
    return source


def parse_source(path: Path) -> tuple[Source | None, list[Problem], Lines]:
    """Read a description without raising: the source (if it has no problem), its problems, and its keys' lines."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        return None, [Problem(None, f"the file cannot be read: {error.strerror}; expected a YAML file")], {}
    except UnicodeDecodeError as error:
        return None, [Problem(None, f"the file is not UTF-8 text (byte {error.start}); expected a YAML file")], {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        return None, [Problem(line, f"not valid YAML: {error.problem or error.context}")], {}
    except yaml.YAMLError as error:
        return None, [Problem(None, f"not valid YAML: {error}")], {}
    if not isinstance(root, yaml.MappingNode):
        return None, [Problem(1, "found no keys; expected name, timezone and events")], {}
    lines: Lines = {(): 1}
    problems: list[Problem] = []
    data = _plain(root, (), lines, problems)
    if "root" in data:
        problems.append(Problem(lines[("root",)], _unknown_key(("root",), Source)))
        del data["root"]
    source: Source | None = None
    try:
        source = Source.model_validate({**data, "root": path.parent})
    except ValidationError as error:
        problems += [_explain(dict(e), lines) for e in error.errors()]
    problems += _relations(data, lines)
    taxonomy = data.get("taxonomy")
    if isinstance(taxonomy, str) and not (path.parent / taxonomy).is_file():
        problems.append(Problem(lines[("taxonomy",)], f"taxonomy: found {taxonomy!r}; expected a file that exists"))
    if source is not None and source.taxonomy is not None:
        source = source.model_copy(update={"taxonomy": path.parent / source.taxonomy})
    problems.sort(key=lambda p: (p.line or 0, p.text))
    return (None if problems else source), problems, lines


def line_of(lines: Lines, location: Location) -> int | None:
    """The line of a key, or of the nearest key around it."""
    while location and location not in lines:
        location = location[:-1]
    return lines.get(location)


def _plain(node: yaml.Node, where: Location, lines: Lines, problems: list[Problem]) -> Any:
    """YAML node -> plain value. Keys and column names stay as written: YAML would read `on` and `1` as values."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                problems.append(Problem(line, f"{_dotted((*where, key))}: stands twice; expected once"))
                continue
            lines[(*where, key)] = line
            result[key] = _plain(value, (*where, key), lines, problems)
        return result
    if isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines[(*where, i)] = value.start_mark.line + 1
        return [_plain(value, (*where, i), lines, problems) for i, value in enumerate(node.value)]
    is_null = node.tag == "tag:yaml.org,2002:null"
    as_written = "columns" in where or where[-1:] in (("of",), ("name",))
    if as_written and not is_null:
        return str(node.value)
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError):  # such as 2018-02-30, which looks like a date
        return str(node.value)


def _relations(data: dict[str, Any], lines: Lines) -> list[Problem]:
    """What no single key can be wrong about: the order of the days, and what an undo undoes."""
    problems = []
    first, last = _date(data.get("first_day")), _date(data.get("last_day"))
    if first and last and last < first:
        text = f"last_day: found {last}, which is before first_day {first}; expected that day or a later one"
        problems.append(Problem(lines[("last_day",)], text))
    events = data.get("events")
    types = events.get("event_types") if isinstance(events, dict) else None
    meanings = {k: v for k, v in types.items() if isinstance(v, dict)} if isinstance(types, dict) else {}
    # A misspelt kind is reported by itself: it may still be one that can be undone.
    undoable = [k for k, v in meanings.items() if v.get("kind") not in ("exposure", "watch", "undo")]
    for name, meaning in meanings.items():
        of = meaning.get("of")
        if meaning.get("kind") == "undo" and isinstance(of, str) and of not in undoable:
            text = f"events.event_types.{name}.of: found {of!r}; may be {_listed(undoable)}{did_you_mean(of, undoable)}"
            problems.append(Problem(lines[("events", "event_types", name, "of")], text))
    if meanings and all(v.get("kind") == "exposure" for v in meanings.values()):
        text = "events.event_types: found only exposures; expected a watch, positive or negative event as well"
        problems.append(Problem(lines[("events", "event_types")], text))
    return problems


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10]) if value is not None else None
    except ValueError:
        return None


def _explain(error: dict[str, Any], lines: Lines) -> Problem:
    where: Location = error["loc"]
    line = line_of(lines, where)
    model, field = _field(where)
    if error["type"] == "extra_forbidden" and model is not None:
        return Problem(line, _unknown_key(where, model))
    expected = field or "a value"
    if error["type"] == "missing":
        return Problem(line, f"{_dotted(where)}: missing; expected {expected}")
    if error["type"] == "kind":
        return Problem(line, f"{_dotted(where)}: {error['msg']}")
    found = error["input"]
    shown = "nothing" if found is None or found == "" else f"{found!r}" if not isinstance(found, dict) else "a mapping"
    if isinstance(found, date):
        shown = str(found)
    own = f" ({error['msg']})" if error["type"] == "zone" else ""
    guess = did_you_mean(found, get_args(Kind)) if where[-1:] == ("kind",) and isinstance(found, str) else ""
    return Problem(line, f"{_dotted(where)}: found {shown}{own}; expected {expected}{guess}")


def _unknown_key(where: Location, model: type[BaseModel]) -> str:
    known = [k for k in model.model_fields if k != "root"]
    return f"{_dotted(where)}: no such key; may be {_listed(known)}{did_you_mean(str(where[-1]), known)}"


def _field(where: Location) -> tuple[type[BaseModel] | None, str | None]:
    """The model that holds the key at `where`, and what the key's description says may stand there."""
    model: type[BaseModel] | None = Source
    expected: str | None = None
    for i, key in enumerate(where):
        if where[:i] == ("events", "event_types"):
            model, expected = EventType, "a mapping with kind"
            continue
        field = model.model_fields.get(str(key)) if model is not None else None
        if field is None:
            return (model if i == len(where) - 1 else None), expected
        expected = field.description
        if i < len(where) - 1:
            inner = [a for a in (field.annotation, *get_args(field.annotation)) if isinstance(a, type)]
            model = next((a for a in inner if issubclass(a, BaseModel)), None)
    return model, expected


def _dotted(where: Location) -> str:
    return ".".join(str(k) for k in where)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words) if words else "none, for there is none that fits"
