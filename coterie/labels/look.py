"""What a person sees of a day's labels: counts, what they cost, and some examples.

Belongs here: figures and rows for the UI, made of what a labeller answered. Does not belong here: Dagster (assets), how
labels are made.
"""

import html
from collections.abc import Iterator

import polars as pl

from coterie.labels.base import Labelled, texts_of
from coterie.labels.prompts import wire_text

EXAMPLES = 10
SHOWN_CHARACTERS = 100
_KINDS = (("labelled", 7), ("abstained", 2), ("failed", 1))  # how many examples of each, where there are enough


def figures(labelled: Labelled) -> dict[str, float | int]:
    """Texts by verdict, and what the labeller used; `cache_share` is the share of tokens read that the cache had."""
    used = dict(labelled.usage)
    read = sum(used.get(kind, 0) for kind in ("input_tokens", "cache_write_tokens", "cache_read_tokens"))
    return {
        "labelled": labelled.labels["text_hash"].n_unique(),
        "abstained": len(labelled.abstained),
        "failed": len(labelled.failed),
        **used,
        **({"cache_share": used.get("cache_read_tokens", 0) / read} if read else {}),
    }


def examples(items: pl.DataFrame, labelled: Labelled) -> pl.DataFrame:
    """Ten texts with their labels: the first by hash, which is as good as drawn and the same every time.

    Args:
        items: text_hash, text, hashtags.
        labelled: what was answered for them.

    Returns:
        verdict, text (masked, cut, harmless as Markdown), labels.
    """
    by_text = labelled.labels.sort("text_hash", -pl.col("confidence"), "interest_id").group_by(
        "text_hash", maintain_order=True
    )
    labels = {
        str(key[0]): ", ".join(f"{i} {c:.2f}" for i, c in rows.select("interest_id", "confidence").iter_rows())
        for key, rows in by_text
    }
    verdicts: dict[str, dict[str, str]] = {
        "labelled": labels,
        "abstained": dict.fromkeys(labelled.abstained, ""),
        "failed": dict(labelled.failed),
    }
    texts = {h: _harmless(wire_text(text, tags)) for h, text, tags in _rows(items)}
    first = [(kind, h) for kind, most in _KINDS for h in sorted(verdicts[kind].keys() & texts.keys())[:most]]
    rest = [(kind, h) for kind, most in _KINDS for h in sorted(verdicts[kind].keys() & texts.keys())[most:]]
    chosen = [*first, *rest[: EXAMPLES - len(first)]]
    order = {kind: place for place, (kind, _) in enumerate(_KINDS)}
    return pl.DataFrame(
        [(k, texts[h], verdicts[k][h]) for k, h in sorted(chosen, key=lambda pair: (order[pair[0]], pair[1]))],
        schema={"verdict": pl.String, "text": pl.String, "labels": pl.String},
        orient="row",
    )


def _rows(items: pl.DataFrame) -> Iterator[tuple[str, str | None, str | None]]:
    return texts_of(items).select("text_hash", "text", "hashtags").iter_rows()


def _harmless(text: str) -> str:
    """A stranger's text as a cell: nothing in it is markup, a link or an image, or moves the cursor."""
    plain = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)
    cut = plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 1] + "…"
    return html.escape(cut.replace("](", "] ("), quote=False).replace("`", "'")
