"""What a log would need for the kinds that it cannot support."""

import itertools

from coterie.strategies.kinds import BRIDGE, DIVERSIFY, REST, SEED_CREATORS, TIMING
from coterie.strategies.support import lacking


def test_a_log_that_has_everything_lacks_nothing() -> None:
    assert lacking(exposures=True, comparable=True, creators=True) == {}


def test_each_kind_names_what_is_missing_and_nothing_else() -> None:
    words = {"exposures": "exposure", "comparable": "propensity or is_random", "creators": "creator_id"}
    for there in itertools.product((False, True), repeat=3):
        given = dict(zip(words, there, strict=True))
        found = lacking(**given)
        of_the_feed = ("exposures", "comparable")
        for kind, asks in (
            (DIVERSIFY, of_the_feed),
            (BRIDGE, of_the_feed),
            (TIMING, of_the_feed),
            (REST, of_the_feed),
            (SEED_CREATORS, tuple(words)),
        ):
            missing = [words[name] for name in asks if not given[name]]
            assert (kind in found) == bool(missing)
            assert all((word in found.get(kind, "")) == (word in missing) for word in words.values())
