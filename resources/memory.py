"""How much memory a query engine may take before it goes on in files.

Belongs here: what the machine, or the container, has, and how DuckDB is told. Does not belong here: what is done with it;
no result depends on it.
"""

import os
from pathlib import Path

from resources.lake import quoted

SHARE = 4  # as many runs as dagster.yaml lets go on at once
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def engine_memory() -> int:
    """Bytes that one query engine may take: a quarter of what there is."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    bound = _CONTAINER.read_text(encoding="utf-8").strip() if _CONTAINER.exists() else "max"
    return min(found, int(bound) if bound.isdigit() else found) // SHARE


def room_in(folder: Path) -> list[str]:
    """SQL that lets a DuckDB go on in a folder when it has taken its share."""
    return [f"set temp_directory = '{quoted(folder.absolute())}'", f"set memory_limit = '{engine_memory()}B'"]
