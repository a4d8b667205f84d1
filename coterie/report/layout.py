"""Where communities lie on the map: those that want the same things lie close, and no two cover one another.

Belongs here: positions. Does not belong here: drawing.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import rankdata

Array = NDArray[np.float64]

ROUNDS = 400  # of pushing circles apart
MAJORISATIONS, POWERS = 300, 200
FILL = 0.3  # what all circles together cover, in the same unit as places
LARGEST = 0.14  # of a circle's radius
WIDTH = 1.7  # how much wider than high the map is
# A name stands below its circle, in a box of its own.
NAME_HALF_WIDTH, NAME_HEIGHT = 0.13, 0.075
MARGIN = 0.01


def positions(communities: pl.DataFrame, neighbours: pl.DataFrame) -> pl.DataFrame:
    """Places of communities on a map that is wider than high.

    Multidimensional scaling of the ranks of 1 - overlap, by stress majorisation (SMACOF; de Leeuw 1977) from the
    classical solution (Torgerson 1952); then circles are pushed apart until neither circles nor their names cover one
    another. Sums are numpy's own, not those of a library of linear algebra, whose order depends on threads.

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
    places = _apart(_unit(_scaled(_ranks(distance))) * [WIDTH, 1.0], radius)
    return pl.DataFrame(
        {"community_id": ids, "x": places[:, 0].round(4), "y": places[:, 1].round(4), "radius": radius.round(5)}
    )


def _ranks(distance: Array) -> Array:
    """Ranks of distances between different communities, 0 to 1: which pair is nearer counts, not by how much."""
    n = len(distance)
    upper = np.triu_indices(n, 1)
    out = np.zeros((n, n))
    out[upper] = rankdata(distance[upper].round(6)) / max(1, len(upper[0]))
    return out + out.T


def _scaled(distance: Array) -> Array:
    n = len(distance)
    places = _classical(distance)
    for _ in range(MAJORISATIONS):
        step = places[:, None, :] - places[None, :, :]
        length = np.hypot(step[..., 0], step[..., 1])
        pull = -np.divide(distance, length, out=np.zeros_like(distance), where=length > 1e-12)
        np.fill_diagonal(pull, 0.0)
        np.fill_diagonal(pull, -pull.sum(axis=1))
        places = np.einsum("ij,jk->ik", pull, places) / n
    return places


def _classical(distance: Array) -> Array:
    """Torgerson's solution by power iteration, from a start that is always the same."""
    n = len(distance)
    centred = -0.5 * distance**2
    centred = centred - centred.mean(axis=0) - centred.mean(axis=1)[:, None] + centred.mean()
    places = np.zeros((n, 2))
    for axis in range(2):
        vector = np.cos(2.399963 * np.arange(1, n + 1) * (axis + 1))
        value = 0.0
        for _ in range(POWERS):
            pushed = np.einsum("ij,j->i", centred, vector)
            value = float(np.sqrt((pushed**2).sum()))
            if value < 1e-12:
                break
            vector = pushed / value
        places[:, axis] = vector * np.sqrt(value)
        centred = centred - value * vector[:, None] * vector[None, :]
    return places


def _unit(places: Array) -> Array:
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    out: Array = np.where(span > 1e-9, (places - low) / np.where(span > 1e-9, span, 1.0), 0.5)
    return out


def _apart(places: Array, radius: Array) -> Array:
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
