"""Ways to correct an interest's share for label error, by coverage and width: what docs/method.md says lost.

Run: `python -m benchmarks.label_shares` (a minute). Worlds are simulated here: interests from common to rare, each with
its own chance of being recognised and of being taken for another, texts about nothing, and a labeller that abstains.
Gold sets are drawn as `coterie gold draw` draws them. Intervals are 90 %.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from statsmodels.stats.proportion import proportion_confint

from coterie.labels.gold import Marked
from coterie.labels.gold_draw import UNLABELLED, allocate
from coterie.labels.gold_measures import Z, share
from coterie.labels.gold_quality import FEWEST, corrected, error_rates

SHARES = np.array([0.20, 0.14, 0.10, 0.08, 0.06, 0.05, 0.04, 0.03, 0.02, 0.015, 0.01, 0.005])
TEXTS = 50_000
FEW = 300  # effective number of texts of a day on which a few have most of the engagement
RARE = 0.03
SIZES = (200, 500, 1000)

Interval = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class World:
    """A platform's texts by truth (rows; the last: about nothing) and label (columns; the last: none), as shares."""

    joint: np.ndarray
    day: np.ndarray  # the same on a later day
    texts: int  # of that day

    @property
    def labelled(self) -> np.ndarray:
        """Share of the day's texts with each label; the last: without one."""
        return self.day.sum(axis=0)

    @property
    def truth(self) -> np.ndarray:
        """Share of the day's texts that are about each interest."""
        return self.day.sum(axis=1)[:-1]


def world(rng: np.random.Generator, *, noise: float = 1.0, grown: bool = False, texts: int = TEXTS) -> World:
    """A world whose labels err differently for each interest.

    Args:
        rng: what chance there is.
        noise: 0: every label is right.
        grown: on the day, one interest in three has doubled since the gold set was drawn.
        texts: how many texts the day's engagement rests on.
    """
    k = len(SHARES)
    prevalence = np.append(SHARES, 1 - SHARES.sum())
    hit = 1 - noise * rng.uniform(0.05, 0.6, k)
    confusion = np.zeros((k + 1, k + 1))
    for j in range(k):
        missed = 1 - hit[j]
        silent = rng.uniform(0.3, 0.8)
        # What is mistaken goes to two other interests, whatever their size: the rare ones suffer.
        others = rng.choice(np.delete(np.arange(k), j), 2, replace=False)
        confusion[j, j] = hit[j]
        confusion[j, k] += missed * silent
        confusion[j, others] += missed * (1 - silent) * np.array([0.7, 0.3])
    false = noise * rng.uniform(0.05, 0.25)
    confusion[k, :k] = false * rng.dirichlet(np.ones(k))
    confusion[k, k] = 1 - false

    def made(of: np.ndarray, many: int) -> np.ndarray:
        counts = rng.multinomial(many, (of[:, None] * confusion).ravel())
        return counts.reshape(confusion.shape) / many

    joint = made(prevalence, TEXTS)
    if not grown and texts == TEXTS:
        return World(joint, joint, TEXTS)
    later = prevalence * np.where(grown & (np.arange(k + 1) % 3 == 1), 2.0, 1.0)
    later[-1] = prevalence[-1]
    return World(joint, made(later / later.sum(), texts), texts)


def gold(of: World, size: int, rng: np.random.Generator) -> Marked:
    """A gold set of a world, stratified by label."""
    k = len(SHARES)
    by_label = of.joint.sum(axis=0)
    counts = np.round(by_label * TEXTS).astype(np.int64)
    names = [*(f"x.{j:02d}" for j in range(k)), UNLABELLED]
    present = counts > 0
    frame = pl.DataFrame({"stratum": [n for n, p in zip(names, present, strict=True) if p], "texts": counts[present]})
    take = np.zeros(k + 1, dtype=np.int64)
    take[present] = allocate(frame, size)
    label = np.repeat(np.arange(k + 1), take)
    truth = np.concatenate(
        [
            np.repeat(np.arange(k + 1), rng.multinomial(n, of.joint[:, h] / by_label[h])) if n else []
            for h, n in enumerate(take)
        ]
    ).astype(np.int64)
    one = np.eye(k + 1)
    return Marked(
        texts=tuple(map(str, range(len(label)))), interests=tuple(names[:-1]),
        weight=(counts / np.maximum(take, 1))[label], chosen=one[truth][:, :k], given=one[label][:, :k],
        truth=one[truth][:, :k], labels=one[label][:, :k], confidence=one[label][:, :k] * 0.9,
        first_truth=one[truth], first_label=label,
    )  # fmt: skip


def naive(of: World, _: Marked) -> Interval:
    """The share of labels as it is, with the day's sampling error."""
    x = of.labelled[:-1]
    return x, *proportion_confint(x * of.texts, of.texts, alpha=0.1, method="wilson")


def gold_only(_: World, g: Marked) -> Interval:
    """The gold set alone."""
    found = share(g.weight, g.truth, np.ones_like(g.truth))
    return found.value, found.low, found.high


def ppi(of: World, g: Marked) -> Interval:
    """Prediction-powered inference (Angelopoulos et al. 2023): the label share plus the gold set's mean error."""
    return _rectified(of, g, np.ones(len(SHARES)))


def ppi_tuned(of: World, g: Marked) -> Interval:
    """PPI++ (Angelopoulos, Duchi and Zrnic 2023): as much of the labels as makes the variance least."""
    w = (g.weight / g.weight.sum())[:, None]
    f, y = g.labels - (w * g.labels).sum(axis=0), g.truth - (w * g.truth).sum(axis=0)
    square = (w * f * f).sum(axis=0)
    return _rectified(of, g, np.divide((w * f * y).sum(axis=0), square, out=np.zeros(len(SHARES)), where=square > 0))


def _rectified(of: World, g: Marked, power: np.ndarray) -> Interval:
    w = (g.weight / g.weight.sum())[:, None]
    left = g.truth - power * g.labels
    mean = (w * left).sum(axis=0)
    error = np.sqrt((w**2 * (left - mean) ** 2).sum(axis=0))
    value = mean + power * of.labelled[:-1]
    return value, value - Z * error, value + Z * error


def parts(of: World, g: Marked) -> Interval:
    """PPI++ as post-stratification: true shares of texts with the label and without, Wilson's intervals by MOVER."""
    x = of.labelled[:-1]
    within = [(x, share(g.weight, g.truth * g.labels, g.labels))]
    within.append((1 - x, share(g.weight, g.truth * (1 - g.labels), 1 - g.labels)))
    value = np.sum([p * e.value for p, e in within], axis=0)
    below = np.sqrt(np.sum([(p * (e.value - e.low)) ** 2 for p, e in within], axis=0))
    above = np.sqrt(np.sum([(p * (e.high - e.value)) ** 2 for p, e in within], axis=0))
    return value, np.maximum(value - below, 0), np.minimum(value + above, 1)


def rogan_gladen(of: World, g: Marked) -> Interval:
    """Rogan and Gladen (1978), interval of Lang and Reiczigel (2014), each interest against all else: what is used."""
    return corrected(of.labelled[:-1], error_rates(g), 1 / of.texts)


WAYS: dict[str, Callable[[World, Marked], Interval]] = {
    "labels as they are": naive,
    "gold set alone": gold_only,
    "PPI": ppi,
    "PPI++": ppi_tuned,
    "PPI++ as post-stratification": parts,
    "Rogan-Gladen (used)": rogan_gladen,
}


def measured(way: Callable[[World, Marked], Interval], runs: list[tuple[World, Marked]]) -> dict[str, float]:
    """Coverage over interests that are corrected at all (common, rare, the worst one), and width over the truth."""
    covered, width, used = [], [], []
    for of, g in runs:
        value, low, high = way(of, g)
        truth = of.truth
        covered.append((low <= truth + 1e-12) & (truth <= high + 1e-12))
        wide = np.minimum(high, 1) - np.maximum(low, 0)
        width.append(np.divide(wide, truth, out=np.full_like(wide, np.nan), where=truth > 0))
        used.append((g.given.sum(axis=0) >= FEWEST) & np.isfinite(value))
    c, w, u = (np.array(a) for a in (covered, width, used))
    common = np.broadcast_to(SHARES >= RARE, c.shape)
    each = [c[u[:, j], j].mean() for j in range(c.shape[1]) if u[:, j].sum() >= 20]
    return {
        "common": float(c[u & common].mean()), "rare": float(c[u & ~common].mean()), "worst": float(min(each)),
        "width": float(np.nanmedian(w[u & common])), "width_rare": float(np.nanmedian(w[u & ~common])),
    }  # fmt: skip


def main() -> None:
    """Print the comparison as Markdown."""
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    days = (
        ("The day is like the days of the draw", False, TEXTS),
        ("One interest in three has doubled", True, TEXTS),
        ("And the day's engagement rests on 300 texts", True, FEW),
    )
    for title, grown, texts in days:
        print(f"\n{title}: coverage of common and of rare interests, and of the worst one; width over the share\n")
        print("| way | " + " | ".join(f"gold {n}: common, rare, worst | width" for n in SIZES) + " |")
        print("| --- |" + " --- | --- |" * len(SIZES))
        rng = np.random.default_rng(1)
        places = [world(rng, grown=grown, texts=texts) for _ in range(worlds)]
        runs = {size: [(w, gold(w, size, rng)) for w in places] for size in SIZES}
        for name, way in WAYS.items():
            told = []
            for size in SIZES:
                m = measured(way, runs[size])
                told.append(
                    f"{m['common']:.2f}, {m['rare']:.2f}, {m['worst']:.2f} | {m['width']:.2f}, {m['width_rare']:.2f}"
                )
            print(f"| {name} | {' | '.join(told)} |")


if __name__ == "__main__":
    main()
