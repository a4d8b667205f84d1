"""Communities against the truth: who is put with whom, and what that says about what they do next.

Belongs here: the worlds, the week that is learnt from and the week held out, the page's section. Does not belong here:
methods (peers) and measures (scores).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from benchmarks import peers, pipeline, scores, show
from benchmarks.section import Options, Section, Setting
from benchmarks.worlds import Known, WorldDay, local_labels, run_world, true_labels
from coterie.simulate import Scenario

MIXINGS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
USERS, COMMUNITIES, EVENTS, DAYS, LEARN = 1_500, 6, 8_000, 14, 7
LABELS = {"true": true_labels, "local": local_labels}
NO_LABELS = "none"
METHODS = (
    peers.COTERIE, peers.ORACLE, peers.LEIDEN, peers.LOUVAIN, peers.KMEANS, peers.NMF_, peers.LDA, peers.PLACEBO,
    peers.OWN, peers.TRUTH,
)  # fmt: skip
SCHEMA = {"labels": pl.String, "method": pl.String, "measure": pl.String, "value": pl.Float64}


def settings(options: Options) -> Sequence[Setting]:
    """One for each share of what members want that everybody wants too."""
    return [Setting({"mixing": mixing}) for mixing in MIXINGS]


def scenario(mixing: float, seed: int) -> Scenario:
    """The world of a seed."""
    return Scenario(
        seed=seed, days=DAYS, users=USERS, events_per_day=EVENTS, communities=COMMUNITIES, mixing=mixing
    )  # fmt: skip


def measure(setting: Setting, seed: int) -> pl.DataFrame:
    """labels, method, measure (ari, nmi, coverage, ece, gain, recall, groups), value."""
    days, known = run_world(scenario(float(setting["mixing"]), seed))
    learn, later = _engagement(days[:LEARN]), _engagement(days[LEARN:])
    # Engagement is counted by true interests whatever a method's labels are: what is held out is the truth.
    data = scores.split(learn, later, true_labels(known))
    truth = scores.groups_of(data.users, known.communities_on(days[LEARN - 1].on), "community")
    oracle = peers.oracle(data, days[:LEARN], known)
    rows: list[tuple[str, str, str, float | None]] = []
    found: dict[tuple[str, str], scores.Groups] = {
        (NO_LABELS, peers.ORACLE): oracle.groups,
        (NO_LABELS, peers.LOUVAIN): peers.louvain(data, seed)[0],
        (NO_LABELS, peers.TRUTH): truth,
    }
    for name in LABELS:
        last = _last(name, days, known)
        found |= {
            (name, method): groups for method, groups in _by_labels(name, days, known, last, data.users, seed).items()
        }
        off = scores.calibration_error(last.memberships, known.communities_on(last.on))
        rows.append((name, peers.COTERIE, "ece", off))
    for (labels, method), groups in found.items():
        values: dict[str, float | None] = {
            **scores.agreement(truth, groups),
            "groups": float(len(set(groups[groups >= 0]))),
        }
        profile = oracle.profile if method == peers.ORACLE else scores.profiles(data.learnt, groups)
        values |= scores.foretold(data, profile)
        rows += [(labels, method, what, value) for what, value in values.items()]
    everybody = scores.profiles(data.learnt, scores.nobody(len(truth)))
    for method, profile in ((peers.POPULARITY, everybody), (peers.OWN, scores.own_shares(data.learnt))):
        rows += [(NO_LABELS, method, what, value) for what, value in scores.foretold(data, profile).items()]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _engagement(days: Sequence[WorldDay]) -> pl.DataFrame:
    return pl.concat([day.engagement.select("user_id", "item_id", "strength") for day in days])


def _last(name: str, days: Sequence[WorldDay], known: Known) -> pipeline.Found:
    """What Coterie has found at the end of the week that is learnt from."""
    *_, last = pipeline.run(days[:LEARN], LABELS[name](known), exposures=True)
    return last


def _by_labels(
    name: str, days: Sequence[WorldDay], known: Known, last: pipeline.Found, users: pl.Series, seed: int
) -> dict[str, scores.Groups]:
    """Groups of all methods that read labels, by those labels."""
    labels = LABELS[name](known)
    data = scores.split(_engagement(days[:LEARN]), _engagement(days[LEARN:]), labels)
    coterie = scores.groups_of(users, last.memberships.filter("is_primary"), "community_id")
    found = {
        peers.COTERIE: coterie,
        peers.LEIDEN: peers.leiden(users, last.user_graph, seed)[0],
        peers.PLACEBO: peers.placebo(coterie, seed),
    }
    for method, groups in peers.by_matrix(data, COMMUNITIES, seed).items():
        found[method] = scores.moved(groups, data.users, users)
    return found


def render(rows: pl.DataFrame, folder: Path) -> str:
    """Tables by mixing, and two plots."""
    panels = {name: _beside(rows, name) for name in LABELS}
    both = pl.concat([part.with_columns(panel=pl.lit(f"{name} labels")) for name, part in panels.items()])

    def plot(what: str, title: str, name: str) -> str:
        chart = show.lines(
            both.filter(pl.col("measure") == what),
            "mixing",
            _shown(what),
            panel="panel",
            x_title="mixing",
            y_title=title,
        )
        return show.save(chart, folder, f"communities-{name}", f"{title} over mixing, by method, true and local labels")

    told = [
        f"{USERS:,} users, {COMMUNITIES} communities, {EVENTS:,} events a day with showings logged, {DAYS} days. Methods "
        f"learn from days 1 to {LEARN}; days {LEARN + 1} to {DAYS} are held out. *Mixing* is the share of what members "
        "want that everybody wants. With *true labels* methods are told each item's interest; with *local labels* the "
        "shipped labeller reads the items' texts. What does not read labels stands in both.",
        "- The **oracle** knows the rules of the simulation, every preference and every label, and reads the same log: "
        "nobody can be right about more users. *True communities* is what knowing each user's community would bring.\n"
        "- *Leiden, same graph*: igraph's Leiden, resolution 1, on Coterie's user graph. *Louvain, shared items*: "
        "python-louvain on a networkx projection, users tied by the number of items both engaged with. k-means, NMF "
        "and LDA (scikit-learn) read the matrix of users and interests and are **given the true number of "
        "communities**.\n- *Placebo*: Coterie's sizes with random members. *Own week*: no groups, each user's own week, smoothed.",
        "### Agreement with the true communities\n\nAdjusted Rand index over users who have a true community and engaged "
        "with anything in the first week. A user whom a method leaves without a group counts as a group of one.",
        plot("ari", "adjusted Rand index", "ari"),
        _tables(panels, "ari", "ARI"),
        show.folded("Normalised mutual information, over the same users", _tables(panels, "nmi", "NMI")),
        show.folded("Coverage: the share of these users whom a method gives a group", _tables(panels, "coverage", "Coverage")),
        "### Are probabilities of membership honest?\n\nExpected calibration error in ten bins, over all memberships of "
        "at least 0.1: a found community stands for the true one that most of its main members are of.",
        "\n".join(
            f"**Calibration error, {name} labels**\n\n"
            + show.grid(panel.filter(pl.col("measure") == "ece"), "mixing", [peers.COTERIE], corner="mixing", digits=3)
            for name, panel in panels.items()
        ),
        "### What the groups say about next week\n\nA group's profile is its members' engagement by true interest in the "
        f"first week, smoothed with {scores.SMOOTHING:.0f} engagements of everybody's; users without a group have "
        "everybody's. *Gain* is the mean of log2(profile / everybody's share) over next week's engagement, by strength: "
        "bits per engagement by which the profile foretells it better than global popularity, which is 0 by definition.",
        plot("gain", "bits per engagement over popularity", "gain"),
        _tables(panels, "gain", "Gain in bits"),
        "Recall@5 of new interests: of the interests that a user engages with next week and had not before, the share "
        "among the first five of the group's profile (interests known to the user left out).",
        _tables(panels, "recall", "Recall@5 of new interests"),
    ]  # fmt: skip
    return "\n\n".join(part.strip() for part in told)


def _beside(rows: pl.DataFrame, labels: str) -> pl.DataFrame:
    """Rows with these labels, and of methods that read none."""
    return rows.filter(pl.col("labels").is_in([labels, NO_LABELS]))


def _shown(what: str) -> list[str]:
    """Methods for which a measure says something: the truth agrees with itself, for one."""
    left_out = {
        "ari": {peers.TRUTH, peers.OWN},
        "nmi": {peers.TRUTH, peers.OWN},
        "coverage": {peers.TRUTH, peers.OWN, peers.PLACEBO, peers.LOUVAIN},
        "gain": set(),
        "recall": {peers.OWN},
    }[what]
    more = [peers.POPULARITY] if what == "recall" else []
    return [method for method in (*METHODS, *more) if method not in left_out]


def _tables(panels: Mapping[str, pl.DataFrame], what: str, title: str) -> str:
    """A table for each kind of labels."""
    return "\n".join(
        f"**{title}, {name} labels**\n\n"
        + show.grid(panel.filter(pl.col("measure") == what), "mixing", _shown(what), corner="mixing")
        for name, panel in panels.items()
    )


SECTION = Section("communities", "Communities", settings, measure, render, version=2)
