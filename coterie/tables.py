"""The tables: one contract each, from which schemas, checks, column docs and docs/tables.md are made.

Belongs here: names, types, keys and meanings of published columns. Does not belong here: how a table is made.

`day` is the partition key of every table. It stands in the path (`day=YYYY-MM-DD`), not in the files, as Spark
writes it; readers get it back as a DATE column.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import polars as pl

from coterie.errors import CoterieError

Group = Literal["ingest", "labels", "interests", "graphs", "communities", "strategies", "reports"]

TIMESTAMP = pl.Datetime("us")


@dataclass(frozen=True)
class Column:
    """A column: its polars type, its meaning in one sentence, whether it may be null, and whether it names a person."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    nullable: bool = False
    person: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the lake: `key` identifies a row within a day and is the canonical order of its rows.

    A private table has rows about single users, or exact numbers about users: it stays in the lake. Of its columns,
    `shown` tell nothing of the kind and may be seen by anybody who sees the event log.
    """

    name: str
    group: Group
    row: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    private: bool = False
    shown: tuple[str, ...] = ()
    made_by_dbt: bool = False

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column name -> polars type, without `day`."""
        return {c.name: c.dtype() if isinstance(c.dtype, type) else c.dtype for c in self.columns}

    @property
    def persons(self) -> tuple[str, ...]:
        """Columns that name a person, or may."""
        return tuple(c.name for c in self.columns if c.person)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Cast to the contract's types, in its column order, rows in the order of the key.

        Extra columns and missing columns stay as they are: the audit names them. Ties in the key are broken by the
        remaining columns, so equal sets of rows always come out in the same order.

        Raises:
            CoterieError: a column cannot be cast to the contract's type.
        """
        known = [c for c in self.schema if c in frame.columns]
        extra = sorted(set(frame.columns) - set(known) - {"day"})
        try:
            cast = frame.select(*(pl.col(c).cast(self.schema[c]) for c in known), *extra)
        except pl.exceptions.PolarsError as error:
            raise CoterieError(f"{self.name}: a column is not of the contract's type: {error}") from error
        order = [*(k for k in self.key if k in known), *(c for c in known if c not in self.key)]
        if not order or (set(self.key) <= set(known) and self._in_order(cast)):
            return cast
        return cast.sort(order, nulls_last=True)

    def _in_order(self, frame: pl.DataFrame) -> bool:
        """Whether the keys rise strictly from row to row: nothing is left to sort, which costs more than to look."""
        rises = pl.lit(False)
        for column in reversed(self.key):
            before, here = pl.col(column).slice(0, pl.len() - 1), pl.col(column).slice(1)
            rises = (before < here) | ((before == here) & rises)
        return frame.height < 2 or bool(frame.select(rises.fill_null(False).all()).item())

    def empty(self) -> pl.DataFrame:
        """A frame with the contract's columns and no rows."""
        return pl.DataFrame(schema=self.schema)


def _text(name: str, meaning: str, nullable: bool = False, *, person: bool = False) -> Column:
    return Column(name, pl.String, meaning, nullable, person)


def _number(name: str, meaning: str, nullable: bool = False) -> Column:
    return Column(name, pl.Float64, meaning, nullable)


def _count(name: str, meaning: str, nullable: bool = False) -> Column:
    return Column(name, pl.Int64, meaning, nullable)


_USER = _text("user_id", "The user, as the source names them, or its keyed pseudonym", person=True)
_ITEM = _text("item_id", "The item, as the source names it")
_INTEREST = _text("interest_id", "The interest, an id of the taxonomy: domain.interest")
_COMMUNITY = _text("community_id", "The community; the same id from day to day while its core continues")
_STRATEGY = _text("strategy_id", "The suggestion; the same id whenever the same suggestion is made again")

RAW_EVENTS = Table(
    "raw_events",
    "ingest",
    "an event",
    ("event_id",),
    (
        _text("event_id", "The source's id, or one derived from the row's content"),
        _USER,
        _ITEM,
        _text("event_type", "The source's own word for what happened"),
        _text("kind", "What it means: exposure, watch, positive, negative or undo"),
        _number("weight", "How much a positive or negative signal counts, from the source description", True),
        _text("undo_of", "For an undo, the event type that it cancels", True),
        Column("occurred_at", TIMESTAMP, "When it happened, in UTC"),
        _count("watch_ms", "Milliseconds watched", True),
        _count("position", "Place in the feed, from 0", True),
        _number("propensity", "Probability with which the feed showed this item, if the source logs it", True),
        Column("is_random", pl.Boolean, "Whether the item was shown at random, if the source logs it", True),
    ),
    private=True,
)
RAW_ITEMS = Table(
    "raw_items",
    "ingest",
    "an item first seen that day, or changed",
    ("item_id",),
    (
        _ITEM,
        _text("creator_id", "Who made it, named like users; null if unknown or forgotten", True, person=True),
        _text("text", "Its caption, title or body", True),
        _text("hashtags", "Its tags, as a JSON list", True),
        _text("language", "Two-letter language code, from the source or guessed from the script; und if unknown"),
        _count("duration_ms", "Length of a video in milliseconds", True),
        Column("created_at", TIMESTAMP, "When it was made, in UTC", True),
        _text("text_hash", "Hash of text and hashtags: what labels are bought for, once"),
        _text("content_hash", "Hash of the whole row: what tells a changed item from a known one"),
    ),
)
QUARANTINE = Table(
    "quarantine",
    "ingest",
    "a rejected input row",
    ("table_name", "reason", "payload", "copies"),
    (
        _text("table_name", "The table that the row was meant for"),
        _text("reason", "The rule that it breaks, in words"),
        _text("payload", "The row as it came, as JSON", person=True),
        _count("copies", "How often this very row came"),
    ),
    private=True,
)
ENGAGEMENT = Table(
    "engagement",
    "interests",
    "a user and an item",
    ("user_id", "item_id"),
    (
        _USER,
        _ITEM,
        _count(
            "exposures",
            "How often the user was shown the item that day; 1 if they acted on it and no showing was logged",
        ),
        Column(
            "exposure_logged", pl.Boolean, "Whether a showing was logged; if not, exposures is inferred from the action"
        ),
        _number("strength", "Engagement in [0, 1]: watch time among items of like length, combined with signals"),
        _number("watch_quantile", "Watch time as the quantile among that day's watches of items of like length", True),
        _text("signals", "Explicit signals that stand after undo, such as comment=2, like=1; empty if none"),
    ),
    private=True,
    made_by_dbt=True,
)
ITEM_LABELS = Table(
    "item_labels",
    "labels",
    "an item and an interest, from the day the item is first seen",
    ("item_id", "interest_id"),
    (
        _ITEM,
        _INTEREST,
        _number("weight", "Share of the item that this interest gets; an item's weights sum to 1"),
        _number("confidence", "The labeller's confidence that the interest fits, in [0, 1]"),
        _text("labeller", "local or claude"),
        _text("model", "The model, or the version of the local method"),
        _text("taxonomy_version", "Version of the taxonomy that the label belongs to"),
    ),
)
LABEL_VOCABULARY = Table(
    "label_vocabulary",
    "labels",
    "a word of the log's own and an interest that it goes with, as of D",
    ("language", "token", "interest_id"),
    (
        _text("language", "en or zh"),
        _text("token", "The word or pair of characters; * for all of them together"),
        _text("interest_id", "The interest, an id of the taxonomy; * for all texts, whatever they are about"),
        _number("texts", "Texts with it whose keywords leave no doubt (of *: all texts); older ones count less"),
    ),
    # A rare word can be somebody's name.
    private=True,
)
PROPAGATED_LABELS = Table(
    "propagated_labels",
    "interests",
    "an item and an interest, where those who engaged with the item on earlier days make or change its label",
    ("item_id", "interest_id"),
    (
        _ITEM,
        _INTEREST,
        _number("weight", "The interest's part of the item; an item's weights sum to 1"),
        _number("confidence", "Probability by text and audience together"),
        _number("by_text", "Confidence of the label by text; 0 where the text alone gave none"),
    ),
    # What an item of few people is taken for says who they are.
    private=True,
)
LABEL_QUALITY = Table(
    "label_quality",
    "labels",
    "an interest that the gold set says something about",
    ("interest_id",),
    (
        _INTEREST,
        _text("labeller", "Who labelled the day's items: local, claude or cascade"),
        _text("model", "The model, or the version of the local method"),
        _text("prompt_version", "Version of the prompt; empty where there is none, or it is not known"),
        _text("taxonomy_version", "Version of the taxonomy"),
        _count("texts", "Gold texts that have the label"),
        _number("precision", "Of texts with the label, the share of which people say so too"),
        _number("precision_low", "Lower end of its 90 % interval"),
        _number("precision_high", "Upper end of its 90 % interval"),
        _number("recall", "Of texts of which people say so, the share that has the label", True),
        _number("recall_low", "Lower end of its 90 % interval", True),
        _number("recall_high", "Upper end of its 90 % interval", True),
        _number("kappa", "Cohen's kappa between labeller and people on the interest", True),
        _number("kappa_low", "Lower end of its 90 % interval", True),
        _number("kappa_high", "Upper end of its 90 % interval", True),
        _number(
            "caught", "Share of the interest that gets the label, what share corrections use; null below 5 texts", True
        ),
        _number("caught_texts", "Effective number of gold texts about it", True),
        _number("false_rate", "Share of all else that gets the label; null below 5 texts", True),
        _number("false_texts", "Effective number of gold texts about something else", True),
    ),
)
INTEREST_DAILY = Table(
    "interest_daily",
    "interests",
    "an interest",
    ("interest_id",),
    (
        _INTEREST,
        _count("users", "Users who engaged with it that day"),
        _count("active_users", "Users who engaged with anything labelled that day"),
        _count("items", "Items of it that were engaged with or shown that day"),
        _number("exposures", "Showings, weighted by label share"),
        _number("demand", "Engagement strength, weighted by label share"),
        _number("supply", "Items first seen that day, weighted by label share"),
        _number("demand_share", "Its share of the day's demand"),
        _number("supply_share", "Its share of the day's new supply", True),
        _number("user_share", "users / active_users"),
        _number("baseline_share", "The same over the seven days before", True),
        _number("trend_ratio", "user_share / baseline_share", True),
        _number("trend_z", "Standardised change against the seven days before, overdispersion allowed for", True),
        _number("p_value", "Two-sided p-value of that change", True),
        _number("q_value", "The same after Benjamini-Hochberg over the day's interests", True),
        _number("share", "Its share of all the day's engagement, that with unlabelled items included"),
        _number("share_corrected", "The same, corrected for label error; null where no gold set measured it", True),
        _number("share_low", "Lower end of the 90 % interval that label error leaves", True),
        _number("share_high", "Upper end of the 90 % interval that label error leaves", True),
    ),
    private=True,
    made_by_dbt=True,
)
USER_INTERESTS = Table(
    "user_interests",
    "interests",
    "a user and an interest, as of the day",
    ("user_id", "interest_id"),
    (
        _USER,
        _INTEREST,
        _number("evidence", "Decayed number of user-item days that could have shown the interest"),
        _number("engaged", "Decayed engagement strength with the interest"),
        _number(
            "engaged_square",
            "Decayed sum of the squares of its parts, about the interest's rate where showings are logged: its noise",
        ),
        _number("expected", "What exposure alone predicts for engaged, given the user's activity"),
        _number("affinity", "Share of the user's engagement that goes to the interest, shrunk towards the population"),
        _number("lift", "engaged over expected, shrunk (gamma-Poisson posterior mean)"),
        _number("lift_low", "Lower end of its 90 % interval, widened by label error where a gold set measured it"),
        _number("lift_high", "Upper end of its 90 % interval, widened alike"),
        _number("p_value", "Probability of so much engagement if exposure alone ruled"),
        _number("q_value", "The same after Benjamini-Hochberg over all rows of the day"),
    ),
    private=True,
)
INTEREST_GRAPH = Table(
    "interest_graph",
    "graphs",
    "a pair of interests, as of the day",
    ("source", "target"),
    (
        _text("source", "The interest that comes first in the alphabet"),
        _text("target", "The other interest"),
        _count("users", "Users engaged with both"),
        _number("expected", "Users expected with both if interests were independent, given each user's activity"),
        _number("weight", "Logarithm of the lift where the pair is significant, else 0"),
        _number("lift", "users over expected"),
        _number("p_value", "Probability of so many users by chance (Poisson)"),
        _number("q_value", "The same after Benjamini-Hochberg over the day's pairs"),
    ),
    private=True,
)
USER_GRAPH = Table(
    "user_graph",
    "graphs",
    "a pair of users, as of the day",
    ("source", "target"),
    (
        _text("source", "The user that comes first in the alphabet", person=True),
        _text("target", "The other user", person=True),
        _number("weight", "Cosine similarity of their interest profiles, in (0, 1]"),
    ),
    private=True,
)
MEMBERSHIPS = Table(
    "memberships",
    "communities",
    "a user and a community, as of the day",
    ("user_id", "community_id"),
    (
        _USER,
        _COMMUNITY,
        _number("probability", "Probability that the user belongs to the community, given their engagement"),
        Column("is_primary", pl.Boolean, "Whether it is the user's main community; users without one are unassigned"),
        _count("level", "Depth in the hierarchy, 0 at the top"),
    ),
    private=True,
)
COMMUNITIES = Table(
    "communities",
    "communities",
    "a community, as of the day",
    ("community_id",),
    (
        _COMMUNITY,
        _text("parent_id", "The community that contains it", True),
        _count("level", "Depth in the hierarchy, 0 at the top"),
        _count("users", "Members whose main community it is"),
        _text("verdict", "real, weak (not enough evidence yet) or artefact (no more than chance)"),
        _number("p_value", "Probability of so much shared engagement by chance", True),
        _number("q_value", "The same after Benjamini-Hochberg over the day's communities", True),
        _number("stability", "Share of yesterday's members, still present, who are members today", True),
        _text("name", "A short name from its most distinctive interests; kept while the community lives"),
        _text("summary", "One sentence that says what its members want"),
        _text("evidence", "JSON: most distinctive interests with lift and interval, and the test's counts"),
        _number("tested_users", "Effective number of users behind the test"),
        _number("excess", "State of the test: decayed sum of engagement beyond chance"),
        _number("excess_promised", "State of the test: decayed sum of what the profile of the day before promises"),
        _number("excess_square", "State of the test: decayed sum of its squares"),
        _number("excess_absolute", "State of the test: decayed sum of its sizes, signs left out"),
    ),
    private=True,
    shown=("community_id", "parent_id", "level", "verdict", "name", "summary"),
)
COMMUNITY_LINEAGE = Table(
    "community_lineage",
    "communities",
    "an event in a community's life",
    ("community_id", "event"),
    (
        _COMMUNITY,
        _text("event", "born, continued, split, merged or died"),
        _text("from_ids", "JSON list of the communities that it came from, largest overlap first"),
        _number("overlap", "Share of the smaller side that both have in common"),
    ),
    private=True,
    shown=("community_id", "event", "from_ids"),
)
STRATEGIES = Table(
    "strategies",
    "strategies",
    "a suggestion",
    ("strategy_id",),
    (
        _STRATEGY,
        _text(
            "kind",
            "boost_interest, explore_interest, close_supply_gap, diversify, seed_creators, bridge, timing, rest_interest or "
            "cold_start_bundle",
        ),
        _COMMUNITY,
        _text(
            "interest_id", "What it is about, or most about; null where it is about whatever members are shown", True
        ),
        _text(
            "creator_id",
            "Of seed_creators, who: interest_id is what most of their showings are about",
            True,
            person=True,
        ),
        _text("other_community_id", "Of bridge, the community whose items of the interest they are", True),
        _text("action", "JSON that a service can apply"),
        _count("users_affected", "Members of the community on that day"),
        _text("metric", "What effect, predicted and realised measure"),
        _number("baseline", "The metric today where the suggestion is not followed; null if it is not known", True),
        _number("effect", "Predicted difference from the baseline", True),
        _number("effect_low", "Lower end of its 90 % interval", True),
        _number("effect_high", "Upper end of its 90 % interval", True),
        _number("std_error", "Its standard error", True),
        _number("p_value", "One-sided p-value of no difference", True),
        _number("q_value", "The same after Benjamini-Hochberg over the day's candidates", True),
        _text("evaluability", "random_exposure, propensity, observational or not_evaluable"),
        _text("evidence", "JSON: counts, days and users behind the numbers"),
        _text("guardrail", "What must not get worse"),
        Column("expires_on", pl.Date, "The day from which the suggestion no longer holds"),
        _text("kill_criterion", "What stops it early"),
        _text("status", "proposed, or withheld with the reason"),
    ),
    private=True,
    shown=("strategy_id", "kind", "community_id", "interest_id", "metric", "evaluability", "expires_on", "status"),
)
EXPERIMENT_PLANS = Table(
    "experiment_plans",
    "strategies",
    "an A/B plan for a strategy",
    ("strategy_id",),
    (
        _STRATEGY,
        _text("unit", "user or community: what is randomised"),
        _number("leakage", "Share of the members' ties that lead out of the community"),
        _number("icc", "Intra-cluster correlation of the metric"),
        _number("mde", "Smallest effect that the plan can detect with 80 % power"),
        _count("users_per_arm", "Users needed in each arm"),
        _count("days", "Days needed at the present traffic; null if the community is too small", True),
        _number("alpha_adjusted", "Significance level after correction for the day's strategies"),
        _text("metrics", "JSON: primary and guardrail metrics with today's mean and standard deviation"),
    ),
    private=True,
    shown=("strategy_id", "unit", "users_per_arm", "days"),
)
STRATEGY_SCORECARD = Table(
    "strategy_scorecard",
    "strategies",
    "an earlier suggestion, scored on the day",
    ("strategy_id", "issued_on", "horizon_days"),
    (
        _STRATEGY,
        Column("issued_on", pl.Date, "The day of the suggestion"),
        _count(
            "horizon_days",
            "How many days later it is scored, 7 to 28; of what was shipped, days in force. Of what nobody shipped, "
            "7 and 14 count in the track record",
        ),
        _number("predicted", "The effect that was predicted"),
        _number("realised", "The same measure on what happened since", True),
        _number("realised_error", "Standard error of realised", True),
        _number("placebo", "The same measure for random groups of the same size", True),
        _number(
            "popularity", "What the same would bring for everybody, of a gain; zero for differences from others", True
        ),
        Column("in_interval", pl.Boolean, "Whether prediction and outcome agree within both errors at 90 %", True),
        _text("verdict", "hit, miss or not_scorable"),
        Column("why_not", pl.String, "Of what is not scorable, why", True),
        Column(
            "shipped_on",
            pl.Date,
            "Of what was shipped, the first day of the change: realised is what its showings bring while it is in force",
            True,
        ),
    ),
    private=True,
    shown=("strategy_id", "issued_on", "horizon_days", "verdict", "shipped_on"),
)
MART_INTEREST_TRENDS = Table(
    "mart_interest_trends",
    "reports",
    "an interest, for analysts",
    ("interest_id",),
    (
        _INTEREST,
        _text("domain", "The domain of the interest"),
        _text("interest", "Its name"),
        _count(
            "users_rounded", "Users who engaged, rounded down to a multiple of 5; null below the disclosure size", True
        ),
        _number("demand_share", "Share of the day's engagement, no finer than five of the day's active users", True),
        _number("supply_share", "Share of the day's new items", True),
        _number("gap", "demand_share - supply_share", True),
        _number(
            "baseline_share",
            "Share of active users over the seven days before, from rounded counts; null if one is hidden",
            True,
        ),
        _number("trend_ratio", "Today's share of active users over that baseline, from rounded counts", True),
        _number(
            "q_value",
            "False alarms to expect among interests that change as clearly, as a share; from rounded counts",
            True,
        ),
        _text(
            "trend",
            "rising, falling, steady or unknown; where the baseline is null, as far as hidden counts allow no doubt",
        ),
    ),
    made_by_dbt=True,
)
MART_COMMUNITY_DAY = Table(
    "mart_community_day",
    "reports",
    "a community, for analysts",
    ("community_id",),
    (
        _COMMUNITY,
        _text("name", "Its name"),
        _text("verdict", "real, weak or artefact"),
        _count("users_rounded", "Members, rounded down to a multiple of 5"),
        _number(
            "q_value", "False alarms to expect among communities as clear, as a share; rounded up to one digit", True
        ),
        _number("stability", "Share of yesterday's members who stayed, no finer than five of them", True),
        _text("event", "What happened to it that day: born, continued, split or merged", True),
        _text("summary", "One sentence that says what its members want"),
        _count("proposed_strategies", "Suggestions made for it that day"),
    ),
    made_by_dbt=True,
)
MART_STRATEGY_BOARD = Table(
    "mart_strategy_board",
    "reports",
    "a suggestion with its plan and track record, for analysts",
    ("strategy_id",),
    (
        _STRATEGY,
        _text("kind", "What is suggested"),
        _text("community", "Name of the community"),
        _text("interest", "Name of the interest; all interests where it is about whatever members are shown"),
        _count("users_rounded", "Members, rounded down to a multiple of 5"),
        _text("metric", "What the effect measures"),
        _number(
            "baseline",
            "The metric where the suggestion is not followed, rounded like the effect; null if not evaluable",
            True,
        ),
        _number("effect", "Predicted difference, rounded to between a fifth and a half of its standard error", True),
        _number("effect_low", "Lower end of its 90 % interval, rounded like the effect", True),
        _number("effect_high", "Upper end of its 90 % interval, rounded like the effect", True),
        _number(
            "q_value", "False alarms to expect among candidates as clear, as a share; rounded up to one digit", True
        ),
        _text("evaluability", "How the effect is known"),
        _text("status", "proposed; warning, where its kind keeps missing; or withheld; with the reason"),
        _count("users_per_arm", "Users needed in each arm of a test", True),
        _count("test_days", "Days that the test needs", True),
        _count("scored", "How often suggestions of this kind were scored in the last 28 days", True),
        _number("hit_rate", "Share of those that came true within their interval", True),
        Column("expires_on", pl.Date, "The day from which the suggestion no longer holds"),
    ),
    made_by_dbt=True,
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            RAW_EVENTS,
            RAW_ITEMS,
            QUARANTINE,
            ENGAGEMENT,
            LABEL_VOCABULARY,
            ITEM_LABELS,
            PROPAGATED_LABELS,
            LABEL_QUALITY,
            INTEREST_DAILY,
            USER_INTERESTS,
            INTEREST_GRAPH,
            USER_GRAPH,
            MEMBERSHIPS,
            COMMUNITIES,
            COMMUNITY_LINEAGE,
            STRATEGIES,
            EXPERIMENT_PLANS,
            STRATEGY_SCORECARD,
            MART_INTEREST_TRENDS,
            MART_COMMUNITY_DAY,
            MART_STRATEGY_BOARD,
        )
    }
)


def markdown(tables: Iterable[Table] = TABLES.values()) -> str:
    """The contracts as a Markdown page: what docs/tables.md holds."""
    parts = [
        "# Tables",
        "",
        "Generated from `coterie/tables.py` by `coterie catalog --markdown`; edit that file, not this one.",
        "Every table also has the column `day` (DATE), its partition.",
    ]
    for table in tables:
        made = "dbt" if table.made_by_dbt else "Python"
        parts += [
            "",
            f"## `{table.name}`",
            "",
            f"One row is {table.row}. Group `{table.group}`, made by {made}. {_privacy(table)}",
            f"Key within a day: {', '.join(f'`{k}`' for k in table.key)}.",
            "",
            "| column | type | null | meaning |",
            "| --- | --- | --- | --- |",
        ]
        parts += [
            f"| `{c.name}` | {table.schema[c.name]} | {'yes' if c.nullable else 'no'} | {c.meaning} |"
            for c in table.columns
        ]
    return "\n".join(parts) + "\n"


def _privacy(table: Table) -> str:
    if table.private:
        if table.group == "labels":
            return "Private: words of texts, of which a rare one can be a name."
        return "Private: rows about single users." if table.persons else "Private: exact numbers about users."
    if table.group == "reports":
        return "May leave the lake: nothing about fewer users than the disclosure size, and rounded."
    return f"About items, not users{f', `{table.persons[0]}` apart' if table.persons else ''}."
