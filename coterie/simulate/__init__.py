"""A platform with known truth: users, communities, items and a log, to rehearse on and to test and measure with."""

from coterie.simulate.simulate import simulate

__all__ = ["simulate"]
