"""Ways to estimate from a log of showings what a boost gains, against the truth: what docs/method.md says lost.

Run: `python -m benchmarks.strategy_estimators [SEEDS]` (about a quarter of a minute a seed and mixing). Worlds, members
and the truth are those of the bench's strategies, with true labels; only the estimate of the gain differs. Intervals are
90 %, before any shrinkage.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from benchmarks import pipeline, show
from benchmarks.strategies import DAYS, EVENTS, MIXINGS, USERS
from benchmarks.strategy_scores import LastDay, last_day
from benchmarks.strategy_truths import showings_of, truths
from benchmarks.worlds import run_world, true_labels
from coterie.matrices import Array
from coterie.simulate import Scenario
from coterie.strategies.gain import feed_mean, gain
from coterie.strategies.outcome import GAIN, MIN_EFFECTIVE_ROWS, MIN_USERS, WINDOW_DAYS
from coterie.strategies.showings import weighted_showings
from coterie.strategies.shrinkage import Z90
from coterie.strategies.window import Exposure, Window, build_window, effective_rows

FOLDS, PRIOR_SHOWINGS = 5, 20.0


@dataclass(frozen=True)
class Estimate:
    """(C, J) gain and its standard error, NaN where there is none, and the effective number of showings."""

    gain: Array
    error: Array
    rows: Array


def of_window(window: Window) -> Estimate:
    """What the library makes of a window."""
    exposure = window.exposure
    assert exposure is not None
    found = gain(exposure, window.members)
    assert found is not None
    rows = effective_rows(exposure, window.members)
    fine = (found.sums.count >= MIN_USERS) & (rows >= MIN_EFFECTIVE_ROWS) & (found.variance > 0)
    values = (np.where(fine, of, np.nan) for of in (found.value - found.baseline, np.sqrt(found.variance)))
    return Estimate(*values, rows)


def weighing(weigh: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[LastDay], Estimate]:
    """The library's estimate with other weights; `weigh` is given the showings as `exposed_rows` has them."""

    def estimate(last: LastDay) -> Estimate:
        assert last.days.exposed is not None
        return of_window(_window(last, weigh(last.days.exposed)))

    return estimate


def _window(last: LastDay, weighted: pl.DataFrame) -> Window:
    """The window of the day, with these showings alone."""
    days, cited = last.days, last.cited["community_id"]
    members = days.memberships.filter("is_primary", pl.col("community_id").is_in(cited.implode()))
    nothing = pl.DataFrame(schema={"user_id": pl.String, "interest_id": pl.String, "engaged": pl.Float64})
    return build_window(
        engagement=days.engagement, labels=days.labels, members=members.select("user_id", "community_id"), prior=nothing,
        exposed=weighted, basis="propensity",
    )  # fmt: skip


def _averaged(exposed: pl.DataFrame) -> pl.DataFrame:
    weighted = weighted_showings(exposed)[1]
    assert weighted is not None
    return weighted


def _random(exposed: pl.DataFrame) -> pl.DataFrame:
    return exposed.filter("is_random").with_columns(weight=pl.lit(1.0))


def _plain(exposed: pl.DataFrame) -> pl.DataFrame:
    return exposed.with_columns(weight=pl.lit(1.0))


def _uniform(exposed: pl.DataFrame) -> pl.DataFrame:
    """Towards a draw of every item alike."""
    once = _averaged(exposed).join(
        exposed.select("day", "user_id", "item_id", "propensity").unique(), on=["day", "user_id", "item_id"]
    )
    inverse = pl.col("feed_weight") / pl.col("propensity")
    return once.with_columns(weight=inverse / inverse.mean().over("day"))


def unnormalised(last: LastDay) -> Estimate:
    """Horvitz and Thompson's: the sum of w y over what the sum of w is expected to be, the showings times the target."""
    window, exposure = _with_exposure(last)
    shown, strength = exposure.shown.toarray(), exposure.strength.toarray()
    assert exposure.feed is not None
    now = exposure.feed.shown[:, None]
    target = shown.sum(axis=0) / now.sum()
    members = window.members.toarray()
    whole = (members @ now) * target
    value = members @ strength / whole
    baseline = feed_mean(exposure.feed, window.members)
    influence = [
        strength / whole[c] - value[c] * now / (m @ now) - _on_mean(window, c, baseline[c, 0])
        for c, m in enumerate(members)
    ]
    error = [np.sqrt(m @ part**2) for m, part in zip(members, influence, strict=True)]
    return _masked(last, value - baseline, np.array(error))


def doubly_robust(last: LastDay) -> Estimate:
    """A model of strength by community and interest, cross-fitted over users, plus the weighted mean of what it misses."""
    window, exposure = _with_exposure(last)
    shown, strength = exposure.shown.toarray(), exposure.strength.toarray()
    assert exposure.feed is not None
    now = exposure.feed.shown[:, None]
    members = window.members.toarray()
    fold = np.random.default_rng(0).integers(0, FOLDS, len(now))
    model = np.zeros(shown.shape)
    for part in range(FOLDS):
        others = (fold != part)[:, None]
        x, y = shown * others, strength * others
        everybody = y.sum(axis=0) / np.maximum(x.sum(axis=0), 1e-9)
        theirs = (members @ y + PRIOR_SHOWINGS * everybody) / (members @ x + PRIOR_SHOWINGS)
        for c, m in enumerate(members):
            model[(m > 0) & (fold == part)] = theirs[c]
    direct, missed = members @ (now * model) / (members @ now), strength - model * shown
    whole = np.maximum(members @ shown, 1e-9)
    rest = members @ missed / whole
    baseline = feed_mean(exposure.feed, window.members)
    influence = [
        (missed - rest[c] * shown) / whole[c]
        + now * (model - direct[c]) / (m @ now)
        - _on_mean(window, c, baseline[c, 0])
        for c, m in enumerate(members)
    ]
    error = [np.sqrt(m @ part**2) for m, part in zip(members, influence, strict=True)]
    return _masked(last, direct + rest - baseline, np.array(error))


def _with_exposure(last: LastDay) -> tuple[Window, Exposure]:
    assert last.days.exposed is not None
    window = _window(last, _averaged(last.days.exposed))
    assert window.exposure is not None
    return window, window.exposure


def _on_mean(window: Window, community: int, baseline: float) -> Array:
    """(n, 1) influence of each user on the mean of a showing as it is."""
    assert window.exposure is not None
    feed = window.exposure.feed
    assert feed is not None
    member = sparse.csr_array(window.members[[community]]).toarray()[0]
    return np.asarray(((feed.strength - baseline * feed.shown) / (member @ feed.shown))[:, None])


def _masked(last: LastDay, value: Array, error: Array) -> Estimate:
    """With numbers for the same pairs as the way that is used."""
    assert last.days.exposed is not None
    used = of_window(_window(last, _averaged(last.days.exposed)))
    known = np.isfinite(used.gain)
    return Estimate(np.where(known, value, np.nan), np.where(known, error, np.nan), used.rows)


WAYS: Mapping[str, Callable[[LastDay], Estimate]] = {
    "towards the average feed, self-normalised (used)": weighing(_averaged),
    "the same, doubly robust": doubly_robust,
    "the same, not self-normalised": unnormalised,
    "towards a uniform draw, self-normalised": weighing(_uniform),
    "random slice alone": weighing(_random),
    "plain mean of all showings": weighing(_plain),
}


def compared(last: LastDay, truth: pl.DataFrame) -> pl.DataFrame:
    """One row a pair and way: way, truth, gain, error, rows, common (whether every way has a number)."""
    pairs = [(c, i) for c in last.window.communities for i in last.window.interests]
    of_gain = truth.filter(pl.col("metric") == GAIN).select("community_id", "interest_id", "truth")
    every = pl.DataFrame(pairs, schema=["community_id", "interest_id"], orient="row").join(
        of_gain, on=["community_id", "interest_id"], how="left", maintain_order="left"
    )
    parts = []
    for way, estimate in WAYS.items():
        found = estimate(last)
        columns = {"gain": found.gain.ravel(), "error": found.error.ravel(), "rows": found.rows.ravel()}
        parts.append(every.with_columns(pl.lit(way).alias("way"), **{k: pl.Series(v) for k, v in columns.items()}))
    frame = pl.concat(parts).with_columns(pl.col("gain", "error").fill_nan(None))
    has = pl.col("gain").is_not_null() & pl.col("truth").is_not_null()
    return frame.with_columns(common=has.all().over("community_id", "interest_id")).filter(has)


def table(frame: pl.DataFrame) -> str:
    """Markdown: each way's pairs with a number, bias, error, coverage, and the error on pairs that all ways have."""
    off = pl.col("gain") - pl.col("truth")
    found = frame.group_by("way", maintain_order=True).agg(
        pairs=pl.len(), rows=pl.col("rows").median(), bias=off.mean(), error=(off**2).mean().sqrt(),
        covered=(off.abs() <= Z90 * pl.col("error")).mean(), common=(off**2).filter("common").mean().sqrt(),
    )  # fmt: skip
    lines = [
        [r["way"], f"{r['pairs']:,}", f"{r['rows']:.0f}", f"{r['bias']:+.4f}", f"{r['error']:.4f}", f"{r['covered']:.2f}",
         f"{r['common']:.4f}"]
        for r in found.iter_rows(named=True)
    ]  # fmt: skip
    columns = ["", "pairs", "effective showings", "bias", "root mean square error", "coverage", "error, common pairs"]
    return show.table(columns, lines)


def main(seeds: int) -> None:
    """Print the table over worlds of so many seeds and every mixing."""
    parts = []
    for seed in range(1, seeds + 1):
        for mixing in MIXINGS:
            days, known = run_world(Scenario(seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, mixing=mixing))
            labels = true_labels(known)
            last = last_day(days, known, labels, list(pipeline.run(days, labels, exposures=True)), by_text=labels)
            truth = truths(last.window, last.days, known, showings_of(days[-WINDOW_DAYS:], known))
            parts.append(compared(last, truth))
            print(f"seed {seed}, mixing {mixing:g}: done", file=sys.stderr)
    print(table(pl.concat(parts)))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
