"""Where communities lie on the map: those that want the same things lie close, and no two cover one another.

Belongs here: positions. Does not belong here: drawing.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

ROUNDS = 400
FILL = 0.3  # what all circles together cover, in the same unit as places
LARGEST = 0.14  # of a circle's radius
WIDTH = 1.7  # how much wider than high the map is
# A name stands below its circle, in a box of its own.
NAME_HALF_WIDTH, NAME_HEIGHT = 0.13, 0.075
MARGIN = 0.01


def positions(communities: pl.DataFrame, neighbours: pl.DataFrame) -> pl.DataFrame:
    """Places of communities on a map that is wider than high.

    Classical multidimensional scaling (Torgerson 1952) of 1 - overlap, then circles are pushed apart until neither
    circles nor their names cover one another. Signs are fixed, so equal tables give equal maps.

    Args:
        communities: community_id and users_rounded (pl.Int64), in any order.
        neighbours: community_id, neighbour_id and overlap (pl.Float64, 0 to 1); pairs that are missing share nothing.

    Returns:
        community_id, x (about 0 to 1.7), y (about 0 to 1) and radius (in the same unit), sorted by community_id.
    """
    rows = communities.select("community_id", "users_rounded").sort("community_id")
    ids = rows["community_id"].to_list()
    if not ids:
        return pl.DataFrame(schema={"community_id": pl.String, "x": pl.Float64, "y": pl.Float64, "radius": pl.Float64})
    at = {name: n for n, name in enumerate(ids)}
    distance = np.ones((len(ids), len(ids)))
    np.fill_diagonal(distance, 0.0)
    for a, b, overlap in neighbours.select("community_id", "neighbour_id", "overlap").iter_rows():
        if a in at and b in at:
            distance[at[a], at[b]] = 1.0 - overlap
    radius = np.sqrt(rows["users_rounded"].to_numpy().astype(float))
    radius *= np.sqrt(FILL / np.pi / np.sum(radius**2))
    radius = np.minimum(radius, LARGEST)
    places = _apart(_unit(_scaled(distance)) * [WIDTH, 1.0], radius)
    return pl.DataFrame(
        {"community_id": ids, "x": places[:, 0].round(4), "y": places[:, 1].round(4), "radius": radius.round(5)}
    )


def _scaled(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(distance)
    centre = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(-0.5 * centre @ distance**2 @ centre)
    places = np.zeros((n, 2))
    for axis in range(min(2, n)):
        vector = vectors[:, -1 - axis] * np.sqrt(max(values[-1 - axis], 0.0))
        # An eigenvector's sign means nothing: its largest part is made positive. The rounding makes ties ties.
        strongest = int(np.argmax(np.abs(vector).round(9)))
        places[:, axis] = vector if vector[strongest] >= 0 else -vector
    return places


def _unit(places: NDArray[np.float64]) -> NDArray[np.float64]:
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    out: NDArray[np.float64] = np.where(span > 1e-9, (places - low) / np.where(span > 1e-9, span, 1.0), 0.5)
    return out


def _apart(places: NDArray[np.float64], radius: NDArray[np.float64]) -> NDArray[np.float64]:
    n = len(places)
    # Circles at the very same place are told apart by their order, on a spiral.
    turn = np.arange(n) * 2.399963
    places = places + 1e-4 * np.column_stack([np.cos(turn), np.sin(turn)])
    half = np.column_stack([np.maximum(radius, NAME_HALF_WIDTH), radius + NAME_HEIGHT / 2]) + MARGIN
    wanted = half[:, None, :] + half[None, :, :]
    # y points up, and a name hangs below: the box is centred below the circle.
    middle = np.array([0.0, -NAME_HEIGHT / 2])
    for _ in range(ROUNDS):
        step = (places + middle)[:, None, :] - (places + middle)[None, :, :]
        lacking = np.maximum(wanted - np.abs(step), 0.0)
        np.einsum("iij->ij", lacking)[:] = 0.0
        overlapping = np.minimum(lacking[..., 0], lacking[..., 1]) > 1e-6
        if not overlapping.any():
            break
        # Two boxes are parted along the axis on which less is lacking.
        along = np.stack([lacking[..., 0] <= lacking[..., 1], lacking[..., 0] > lacking[..., 1]], axis=-1)
        push = np.where(overlapping[..., None] & along, np.where(step >= 0, 1.0, -1.0) * lacking, 0.0)
        places = places + 0.3 * push.sum(axis=1)
    return places
