"""Who belongs together, whether it is real, and what became of it since yesterday."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import polars as pl

from assets.gate import Candidate, Yielded, gate, in_fives
from assets.pictures import drawn
from assets.tables import YESTERDAY, shares, table_asset, today, yesterday
from coterie.communities import communities, lineage, memberships
from coterie.communities.acts import WINDOW_DAYS, acts_of
from coterie.tables import COMMUNITIES, COMMUNITY_LINEAGE, MEMBERSHIPS
from resources.audit import Finding
from resources.configurable import Log, Method, Storage
from resources.warehouse import Warehouse

WINDOW = (1 - WINDOW_DAYS, 0)
SIZES = "No community has fewer members than the disclosure size"
ONE_PRIMARY = "No user has two main communities, and no user's probabilities sum to more than 1"
COUNTED = "Every community counts exactly its main members, and none is missing"
CONTINUED = "A community continues exactly if it stood yesterday and stands today"


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the group `communities`."""

    @table_asset(
        MEMBERSHIPS,
        days,
        deps=["user_graph", "user_interests", "propagated_labels"],
        looks_back={"memberships": YESTERDAY, "engagement": WINDOW, "item_labels": WINDOW},
        kinds={"python", "igraph"},
        says=(
            "Who belongs to which community, with a probability: Leiden proposes, what foretells held-out engagements "
            "best is kept, and so are ids from yesterday."
        ),
        checks={"sizes": SIZES, "one_primary": ONE_PRIMARY},
    )
    def members(
        context: dg.AssetExecutionContext, storage: Storage, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        profiles = lake.read("user_interests", day)
        first = max(day + timedelta(days=WINDOW[0]), date.fromisoformat(method.first_day))
        engagement = lake.read_days("engagement", first, day, ["user_id", "item_id", "strength"])
        frame, tried = memberships(
            day=day,
            acts=acts_of(
                engagement,
                warehouse.labels_of(lake, engagement["item_id"], last=day, spread_on=day),
                profiles,
                half_life_days=method.half_life_days,
            ),
            user_graph=lake.read("user_graph", day),
            yesterday=yesterday(lake, method, "memberships", day),
            min_size=method.disclosure_size,
            max_users=method.graph_users,
        )
        primary = frame.filter("is_primary")
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    MEMBERSHIPS,
                    frame,
                    findings=[_sizes(primary, method.disclosure_size), _one_primary(frame)],
                    metadata=shares(
                        communities=primary["community_id"].n_unique(),
                        assigned_users=in_fives(primary.height),
                        unassigned_users=in_fives(profiles["user_id"].n_unique() - primary.height),
                        **_tried(tried),
                    ),
                )
            ],
        )

    @table_asset(
        COMMUNITIES,
        days,
        deps=["engagement", "item_labels", "propagated_labels"],
        looks_back={"communities": YESTERDAY, "memberships": (-1, 0), "user_interests": (-1, 0)},
        kinds={"python", "scipy"},
        says=(
            "Each community with its verdict. It is real if its members, fixed yesterday, engage today with one "
            "another's interests more than chance allows."
        ),
        checks={"counted": COUNTED},
    )
    def verdicts(
        context: dg.AssetExecutionContext, storage: Storage, log: Log, method: Method, warehouse: Warehouse
    ) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        engagement = lake.read("engagement", day, ["user_id", "item_id", "exposures", "strength"])
        todays, profiles = lake.read("memberships", day), lake.read("user_interests", day)
        members_before = yesterday(lake, method, "memberships", day)
        before, names = yesterday(lake, method, "communities", day), log.taxonomy().frame()
        frame = communities(
            day=day,
            memberships=todays,
            yesterday_memberships=members_before,
            user_interests=profiles,
            yesterday_user_interests=yesterday(lake, method, "user_interests", day),
            engagement=engagement,
            labels=warehouse.labels_of(lake, engagement["item_id"], last=day, spread_on=day),
            yesterday_communities=before,
            taxonomy=names,
            exposures_logged=log.open().source.exposures_logged,
            disclosure_k=method.disclosure_size,
        )
        verdict = {name: frame.filter(pl.col("verdict") == name).height for name in ("real", "weak", "artefact")}
        yield from gate(
            context,
            lake,
            [
                Candidate(
                    COMMUNITIES,
                    frame,
                    findings=[_counted(frame, todays)],
                    metadata={
                        **shares(communities=frame.height, **verdict),
                        **drawn(
                            warehouse,
                            day,
                            communities=frame,
                            before=before,
                            memberships=todays,
                            memberships_before=members_before,
                            user_interests=profiles,
                            taxonomy=names,
                            disclosure_k=method.disclosure_size,
                        ),
                    },
                )
            ],
        )

    @table_asset(
        COMMUNITY_LINEAGE,
        days,
        deps=[],
        looks_back={"memberships": (-1, 0)},
        kinds={"python"},
        says="Births, continuations, splits, mergers and deaths since yesterday.",
        checks={"continued": CONTINUED},
    )
    def lives(context: dg.AssetExecutionContext, storage: Storage, method: Method) -> Iterator[Yielded]:
        day, lake = today(context), storage.lake
        before = yesterday(lake, method, "memberships", day)
        now = lake.read("memberships", day)
        frame = lineage(before, now)
        events = dict(sorted(frame["event"].value_counts().iter_rows()))
        yield from gate(
            context,
            lake,
            [Candidate(COMMUNITY_LINEAGE, frame, findings=[_continued(frame, before, now)], metadata=shares(**events))],
        )

    return [members, verdicts, lives]


def _tried(tried: pl.DataFrame) -> dict[str, str]:
    """What each start of the search foretells, as a person reads it."""
    return {
        f"start: {name}": f"{gain:+.3f} bits an engagement over popularity, {groups} groups"
        + (", taken" if kept else "")
        for name, groups, gain, kept in tried.iter_rows()
    }


def _sizes(primary: pl.DataFrame, fewest: int) -> Finding:
    small = primary.group_by("community_id").len("users").filter(pl.col("users") < fewest).sort("community_id")
    return Finding(
        "sizes",
        small.is_empty(),
        SIZES if small.is_empty() else f"memberships: {small.height} communities have fewer than {fewest} members",
        numbers={"communities": primary["community_id"].n_unique(), "too small": small.height, "bound": fewest},
        sample=small.head(10),
    )


def _one_primary(frame: pl.DataFrame) -> Finding:
    users = frame.group_by("user_id").agg(pl.col("is_primary").sum(), pl.col("probability").sum())
    wrong = users.filter((pl.col("is_primary") > 1) | (pl.col("probability") > 1 + 1e-9))
    return Finding(
        "one_primary",
        wrong.is_empty(),
        ONE_PRIMARY if wrong.is_empty() else f"memberships: {wrong.height} users belong to more than they can",
        numbers={"users": users.height, "unexpected": wrong.height},
    )


def _counted(frame: pl.DataFrame, members: pl.DataFrame) -> Finding:
    counted = members.filter("is_primary").group_by("community_id").len("counted")
    both = frame.select("community_id", "users").join(counted, on="community_id", how="full", coalesce=True)
    wrong = both.filter(pl.col("users").ne_missing(pl.col("counted").cast(pl.Int64))).sort("community_id")
    return Finding(
        "counted",
        wrong.is_empty(),
        COUNTED if wrong.is_empty() else f"communities: {wrong.height} communities do not count their members",
        numbers={"communities": frame.height, "unexpected": wrong.height},
        sample=wrong.head(10),
    )


def _continued(frame: pl.DataFrame, before: pl.DataFrame | None, now: pl.DataFrame) -> Finding:
    stood = set() if before is None else set(before.filter("is_primary")["community_id"])
    stands = set(now.filter("is_primary")["community_id"])
    found = set(frame.filter(pl.col("event") == "continued")["community_id"])
    wrong = sorted(found ^ (stood & stands))
    return Finding(
        "continued",
        not wrong,
        CONTINUED if not wrong else f"community_lineage: {', '.join(wrong[:5])} should (not) continue",
        numbers={"continued": len(found), "unexpected": len(wrong)},
    )
