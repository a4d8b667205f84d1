"""Which kinds of suggestion a log does not support, and what it would need for them.

Belongs here: what each kind asks of a log. Does not belong here: whether a log that has it has enough of it (outcome).
"""

from coterie.strategies.kinds import BRIDGE, DIVERSIFY, REST, SEED_CREATORS, TIMING

_SHOWN = "an event type of the kind exposure"
_COMPARABLE = "the column propensity or is_random"
_CREATORS = "the items' column creator_id"


def lacking(*, exposures: bool, comparable: bool, creators: bool) -> dict[str, str]:
    """What is missing for each kind that a log cannot support; the other kinds make do with less, see `propose`.

    Args:
        exposures: whether the log says what was shown.
        comparable: whether it has propensities, or says which showings were random.
        creators: whether it says who made the items.

    Returns:
        Kind to what it would need, in words.
    """
    shown = [need for need, there in ((_SHOWN, exposures), (_COMPARABLE, comparable)) if not there]
    missing = dict.fromkeys((DIVERSIFY, BRIDGE, TIMING, REST), shown)
    missing[SEED_CREATORS] = [*shown, *([] if creators else [_CREATORS])]
    return {kind: ", ".join(needs) for kind, needs in missing.items() if needs}
