"""Which groups of users exist, whether they are more than chance, and what becomes of them."""

from coterie.communities.identity import lineage
from coterie.communities.membership import memberships
from coterie.communities.verdict import communities

__all__ = ["communities", "lineage", "memberships"]
