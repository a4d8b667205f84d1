"""The interest graph and the user graph."""

from collections.abc import Iterator

import dagster as dg

from assets.gate import Candidate, Yielded, gate, in_fives
from assets.tables import shares, table_asset, today
from coterie.graphs import interest_graph, user_graph
from coterie.tables import INTEREST_GRAPH, USER_GRAPH
from resources.audit import Finding
from resources.configurable import Method, Storage

KNOWN = "Both ends of every pair are users of user_interests"


def build(days: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The assets of the group `graphs`."""

    @table_asset(
        INTEREST_GRAPH,
        days,
        deps=["user_interests"],
        kinds={"python", "scipy"},
        says="Which interests go together: users engaged with both, against what chance allows.",
    )
    def interests(context: dg.AssetExecutionContext, storage: Storage) -> Iterator[Yielded]:
        frame = interest_graph(storage.lake.read("user_interests", today(context)))
        significant = frame.filter(frame["weight"] > 0).height
        yield from gate(
            context,
            storage.lake,
            [Candidate(INTEREST_GRAPH, frame, metadata=shares(pairs=frame.height, significant=significant))],
        )

    @table_asset(
        USER_GRAPH,
        days,
        deps=["user_interests"],
        kinds={"python", "numpy"},
        says="Which users are alike: each user's nearest neighbours by what they engage with beyond exposure.",
        checks={"users_known": KNOWN},
    )
    def users(context: dg.AssetExecutionContext, storage: Storage, method: Method) -> Iterator[Yielded]:
        profiles = storage.lake.read("user_interests", today(context))
        frame = user_graph(profiles, max_users=method.graph_users)
        known = set(profiles["user_id"])
        strangers = sum(1 for end in ("source", "target") for user in frame[end].unique() if user not in known)
        yield from gate(
            context,
            storage.lake,
            [
                Candidate(
                    USER_GRAPH,
                    frame,
                    findings=[
                        Finding(
                            "users_known",
                            strangers == 0,
                            KNOWN if not strangers else f"user_graph: {strangers} users are not in user_interests",
                            numbers={"unexpected": strangers},
                        )
                    ],
                    metadata=shares(
                        users=in_fives(len(set(frame["source"]) | set(frame["target"]))),
                        users_with_interests=in_fives(len(known)),
                        ties=frame.height,
                    ),
                )
            ],
        )

    return [interests, users]
