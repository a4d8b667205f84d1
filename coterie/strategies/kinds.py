"""The kinds of suggestion, by name.

Belongs here: names alone, so that whoever needs them loads nothing else. Does not belong here: triggers (candidates).
"""

BOOST, EXPLORE, CLOSE_GAP = "boost_interest", "explore_interest", "close_supply_gap"
DIVERSIFY, SEED_CREATORS, BRIDGE = "diversify", "seed_creators", "bridge"
TIMING, REST, COLD_START = "timing", "rest_interest", "cold_start_bundle"
KINDS = (BOOST, EXPLORE, CLOSE_GAP, DIVERSIFY, SEED_CREATORS, BRIDGE, TIMING, REST, COLD_START)
# They move showings of what bears a label, or of whom: labels that miss items miss nothing of it.
MOVING_KINDS = (BOOST, DIVERSIFY, SEED_CREATORS, BRIDGE, REST)
