"""A platform with known truth, for tests, demos, benchmarks and rehearsals."""

from coterie.simulate.scenario import Boost, LifeEvent, Scenario, default_life, parse_boost, parse_life
from coterie.simulate.world import World
from coterie.simulate.write import simulate

__all__ = ["Boost", "LifeEvent", "Scenario", "World", "default_life", "parse_boost", "parse_life", "simulate"]
