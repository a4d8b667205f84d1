"""A cascade: the local labeller reads every text, Claude one in ten, and what Claude says certifies the others.

Belongs here: which texts are asked about, whose label counts. Does not belong here: asking (coterie.labels.claude),
reading (coterie.labels.local), the bound (coterie.labels.certificate).

A twentieth of the texts is drawn by a hash of the text, so that it is a random sample and the same whenever it is drawn;
it judges the local labels and decides nothing else. As many again are those where an answer is worth most: the chance that
the local label is wrong, times how often the text's items were met. A text that Claude judged has Claude's label. Any
other has the local one, if it is as sure as the certificate asks.
"""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from coterie.graphs import stable_hashes, stable_sample
from coterie.labels.base import LABELS, Labelled, Labeller
from coterie.labels.certificate import Certificate, certificate
from coterie.labels.preview import Preview

if TYPE_CHECKING:  # the SDK is loaded only where it is used
    from coterie.labels.claude import ClaudeLabeller

DRAWN_SHARE = 0.05
WORTH_SHARE = 0.05
MOST_DRAWN = 2_000  # of the day and the days before; of 2,000 labels 177 may be wrong where one in ten may be
_WHOLE = 2.0**64


class CascadeLabeller:
    """Labels by two labellers, the cheap one certified by the better one.

    Args:
        local: reads every text.
        claude: reads the texts that are drawn, and those where it is worth most.
        past: text_hash, text, hashtags, language of the days before, of which the drawn ones certify, too.
    """

    name = "cascade"

    def __init__(self, local: Labeller, claude: "ClaudeLabeller", past: pl.DataFrame) -> None:
        self.model = f"{claude.model}, {local.model}"
        self.prompt_version = claude.prompt_version
        self.certificate = certificate(np.empty(0), np.empty(0, dtype=np.bool_))
        self._local = local
        self._claude = claude
        self._past = past.filter(drawn(past["text_hash"]))

    def label(self, items: pl.DataFrame) -> Labelled:
        """Label texts; see `Labeller`. A column `seen`, how often a text's items were met, weighs what is asked.

        `labels` also has the columns labeller and model: whose each label is.
        """
        sample = self._sample(items)
        local = self._local.label(pl.concat([items.select(sample.columns), sample]).unique("text_hash", keep="first"))
        asked = pl.concat([sample, self._worth(items, sample, local)])
        better = self._claude.label(asked)
        judged = pl.Series([*better.labels["text_hash"].unique(), *better.abstained], dtype=pl.String)
        self.certificate = _certified(local.labels, better.labels, sample["text_hash"], judged)
        mine = pl.col("text_hash").is_in(items["text_hash"].implode())
        by_claude = better.labels.filter(mine)
        rest = local.labels.filter(mine, ~pl.col("text_hash").is_in(judged.implode()))
        if self.certificate.told_enough:
            least = 2.0 if self.certificate.threshold is None else self.certificate.threshold
            rest = rest.filter(pl.col("confidence").max().over("text_hash") >= least)
        labels = pl.concat([_by(by_claude, self._claude), _by(rest, self._local)]).sort("text_hash", "interest_id")
        # A text that Claude could not judge has the local label, or none: nothing has failed for want of a label.
        silent = items.filter(~pl.col("text_hash").is_in(labels["text_hash"].implode()))["text_hash"].sort()
        return Labelled(
            labels,
            abstained=[h for h in silent if h not in better.failed],
            failed={h: why for h, why in better.failed.items() if h in set(silent)},
            usage={**better.usage, **_figures(self.certificate, sample, asked)},
        )

    def preview(self, items: pl.DataFrame) -> Preview:
        """What `label` would buy for these texts now."""
        sample = self._sample(items)
        return self._claude.preview(pl.concat([sample, self._worth(items, sample, self._local.label(items))]))

    def _sample(self, items: pl.DataFrame) -> pl.DataFrame:
        """Drawn texts of today and of the days before."""
        columns = ["text_hash", "text", "hashtags", "language"]
        today = items.filter(drawn(items["text_hash"])).select(columns)
        both = pl.concat([today, self._past.select(columns)]).unique("text_hash", keep="first").sort("text_hash")
        # Of more than are needed those with the smallest hashes: still at random, and the same ones tomorrow.
        return both[stable_sample(both["text_hash"], MOST_DRAWN)]

    def _worth(self, items: pl.DataFrame, sample: pl.DataFrame, local: Labelled) -> pl.DataFrame:
        """Texts that are not in the sample, those first where an answer is worth most."""
        sure = local.labels.group_by("text_hash").agg(pl.col("confidence").max())
        seen = pl.col("seen") if "seen" in items.columns else pl.lit(1.0)
        worth = (1 - pl.col("confidence").fill_null(0.0)) * seen
        others = items.join(sample, on="text_hash", how="anti").join(sure, on="text_hash", how="left")
        return (
            others.sort(-worth, "text_hash")
            .head(int(WORTH_SHARE * items.height))
            .select("text_hash", "text", "hashtags", "language")
        )


def drawn(hashes: pl.Series) -> pl.Series:
    """Whether each text is in the sample that certifies."""
    return pl.Series(stable_hashes(hashes) < DRAWN_SHARE * _WHOLE, dtype=pl.Boolean)


def _certified(local: pl.DataFrame, better: pl.DataFrame, sample: pl.Series, judged: pl.Series) -> Certificate:
    """Judge the local labels of sampled texts: the first is wrong if the better labeller did not give it."""
    known = sample.filter(sample.is_in(judged.implode()))
    first = (
        local.filter(pl.col("text_hash").is_in(known.implode()))
        .sort("text_hash", -pl.col("confidence"), "interest_id")
        .unique("text_hash", keep="first", maintain_order=True)
    )
    told = first.join(
        better.select("text_hash", "interest_id", right=pl.lit(True)), on=["text_hash", "interest_id"], how="left"
    )
    return certificate(told["confidence"].to_numpy(), told["right"].is_null().to_numpy())


def _by(labels: pl.DataFrame, labeller: Labeller) -> pl.DataFrame:
    return labels.select(list(LABELS)).with_columns(labeller=pl.lit(labeller.name), model=pl.lit(labeller.model))


def _figures(found: Certificate, sample: pl.DataFrame, asked: pl.DataFrame) -> dict[str, float]:
    return {
        "texts_drawn": sample.height,
        "texts_asked": asked.height,
        "local_labels_sampled": found.sampled,
        "local_labels_wrong": found.wrong,
        "wrong_at_most": found.at_most,
        **({} if found.threshold is None else {"certified_from": found.threshold}),
    }
