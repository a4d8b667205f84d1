"""What labels by Claude cost: tokens, requests and dollars per 1,000 titles, through the real SDK.

Belongs here: the ways of asking that are compared, and their figures. Does not belong here: whether labels are right
(benchmarks.labels), the service that counts (benchmarks.claude_meter).

The texts are titles of the pack `post_titles`, each answered with the interest that it has there. No model is asked:
tokens are counted as benchmarks.claude_meter says, dollars follow from the shipped table of prices.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import anthropic
import polars as pl

from benchmarks.claude_meter import Meter, serving
from benchmarks.section import Options, Section, Setting, rows
from benchmarks.worlds import taxonomy
from coterie.labels import asking
from coterie.labels.asking import SIZES, Desk
from coterie.labels.claude import ClaudeLabeller
from coterie.labels.ledger import Ledger
from coterie.labels.pricing import price_list
from coterie.labels.prompts import wire_text
from coterie.labels.purse import USAGE
from coterie.simulate.texts import load_pack

MODEL = "claude-haiku-4-5"
TITLES, FEWER = 10_000, 1_000
TARGET = 20
PEERS = (0.34, 2.69)  # US dollars per 1,000 that others published: Kura's 6,000 conversations, Autolabel's example
KINDS = ("input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens")


@dataclass(frozen=True)
class Way:
    """A way of asking.

    Attributes:
        titles: how many are asked.
        size: titles a request.
        mode: as in COTERIE_LABEL_MODE.
        warm: whether the cache is warmed before a batch.
        hour: whether what is cached is kept for an hour.
        minutes: between a batch's submission and the work on it.
    """

    titles: int
    size: int = SIZES[0]
    mode: str = "batch"
    warm: bool = True
    hour: bool = True
    minutes: float = 2.0


ONE = "one call a title"
WAITED = "batch, worked on after 30 minutes, cached for 5"
WAYS = {
    "batch": Way(TITLES),
    "online": Way(TITLES, mode="online", hour=False),
    ONE: Way(FEWER, size=1, mode="online", hour=False),
    "batch, worked on after 30 minutes": Way(TITLES, minutes=30.0),
    WAITED: Way(TITLES, minutes=30.0, hour=False),
    "batch, not warmed": Way(TITLES, warm=False),
    **{f"batch of {size} a request": Way(FEWER * (5 if size > 20 else 1), size=size) for size in (1, 5, 10, 20, 100)},
}


def _settings(_: Options) -> list[Setting]:
    return [Setting({"way": name}) for name in WAYS]


def _measure(setting: Setting, _: int) -> pl.DataFrame:
    way = WAYS[str(setting["way"])]
    usage = _usage(way)
    return rows({("counted", kind): usage[kind] * 1000 / way.titles for kind in USAGE} | {("counted", "n"): way.titles})


def _usage(way: Way) -> dict[str, float]:
    """What labelling took, counted by the service and told by the labeller."""
    pack = load_pack("en").frame.filter(pl.col("text").is_not_null()).unique("text", keep="first", maintain_order=True)
    some = pack.head(way.titles)
    assert some.height == way.titles
    items = some.select("text", text_hash=pl.int_range(some.height).cast(pl.String).str.zfill(6), hashtags=pl.lit("[]"))
    answers = {wire_text(text, "[]"): interest for text, interest in some.select("text", "interest_id").iter_rows()}
    with TemporaryDirectory() as folder, serving(Meter(answers, way.minutes)) as meter, _asked(way):
        labeller = ClaudeLabeller(
            anthropic.Anthropic(api_key="none", base_url=meter.url),
            taxonomy(),
            Ledger(Path(folder) / "labels.sqlite"),
            model=MODEL,
            mode="online" if way.mode == "online" else "batch",
            budget_usd=1000.0,
        )
        if way.hour != (way.mode == "batch"):
            labeller._desk = _desk_for_five_minutes(labeller._desk)
            labeller._batches._desk = labeller._desk
        labelled = labeller.label(items)
        assert not labelled.failed
        assert labelled.labels.height == way.titles
        return dict(labelled.usage)


def _desk_for_five_minutes(desk: Desk) -> Desk:
    desk.purse.keeps_an_hour = False
    return Desk(desk.client, taxonomy(), desk.ledger, model=desk.model, purse=desk.purse)


@contextmanager
def _asked(way: Way) -> Iterator[None]:
    """The product's ways with another size, or a batch that is not warmed."""
    sizes, warms = asking.SIZES, Desk.warms
    asking.SIZES = (way.size, *sizes[1:])
    if not way.warm:
        Desk.warms = lambda self, run, hashes, size: False  # type: ignore[method-assign]
    try:
        yield
    finally:
        asking.SIZES = sizes
        Desk.warms = warms  # type: ignore[method-assign]


def _render(frame: pl.DataFrame, _: Path) -> str:
    found = {
        way: dict(frame.filter(pl.col("way") == way).select("measure", "value").iter_rows())
        for way in WAYS
        if way in set(frame["way"])
    }
    whole = {way: sum(of[kind] for kind in KINDS) for way, of in found.items()}
    price = price_list().of(MODEL)
    one = found[ONE]
    read = sum(one[kind] for kind in KINDS[:3])
    uncached = price.usd(fresh=read, output=one["output_tokens"])
    batch, online = found["batch"], found["online"]
    told = [
        f"Titles of `post_titles`, asked of a service on this machine that counts four characters as a token and keeps "
        f"a cache as documented (`benchmarks/claude_meter.py`); the real SDK, the shipped taxonomy "
        f"({len(taxonomy().interests)} interests). Dollars are those of {MODEL}, {price_list().source}, checked "
        f"{price_list().checked}. A real tokenizer counts otherwise; ratios hardly depend on it.",
        f"**{SIZES[0]} titles a request, in batches: {whole['batch']:,.0f} tokens and ${batch['usd']:.3f} per 1,000 "
        f"titles**, {batch['requests'] * batch['n'] / 1000:.0f} requests for {batch['n']:,.0f}. One call a title takes "
        f"{whole[ONE]:,.0f} tokens: {whole[ONE] / whole['batch']:.0f} times as many (at least {TARGET} was aimed at); in "
        f"dollars ${uncached:.2f} without a cache, {uncached / batch['usd']:.0f} times as many, and ${one['usd']:.2f} "
        f"with one. Online it is {whole[ONE] / whole['online']:.0f} times as many tokens and ${online['usd']:.3f}. "
        f"Others published ${PEERS[0]} to ${PEERS[1]} per 1,000 of their items (Kura, Autolabel).",
        "| per 1,000 titles | requests | tokens in, fresh | to cache | from cache | out | all tokens | to one call | $ |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        + "\n".join(
            f"| {way} | {of['requests']:,.1f} | "
            + " | ".join(f"{of[kind]:,.0f}" for kind in KINDS)
            + f" | {whole[way]:,.0f} | 1/{whole[ONE] / whole[way]:.0f} | {of['usd']:.4f} |"
            for way, of in found.items()
        ),
        f"*Not warmed*, every request of a batch writes the prompt anew: "
        f"{found['batch, not warmed']['usd'] / batch['usd']:.1f} times the cost. *Cached for five minutes*, it is gone "
        f"before a batch that waits is worked on: {found[WAITED]['usd'] / batch['usd']:.1f} times. An hour costs "
        f"${price.usd(written_1h=1e6) - price.usd(written=1e6):.2f} more a million tokens, once. *From {SIZES[0]} to 100 "
        f"titles a request* would save {1 - found['batch of 100 a request']['usd'] / batch['usd']:.0%} more, but an answer "
        f"that is spoilt takes twice as many titles with it, and the room for it exceeds what the SDK waits for without "
        f"a stream where the model thinks first.",
    ]
    return "\n\n".join(told)


SECTION = Section("label_cost", "What labels by Claude cost", _settings, _measure, _render, seeds=1)
