"""How much memory the clustering needs, before it is begun."""

SEARCHED_AT_ONCE = 1024  # rows of similarities that exist at a time
COPIES = 3  # of the features: as they came, without their camera, and what is in between
BYTES_A_NEIGHBOUR = 350  # lists, their reciprocal patterns, weights, and their transposes; measured
PAIRS_A_NEIGHBOUR = 15  # pairs nearer than 1 for each neighbour of a picture; measured: 2 (tight people) to 55 (noise)
BYTES_A_PAIR = 40  # the pairs, their blocks before they are joined, and the copies that DBSCAN makes of near ones


def clustering_bytes(size: int, *, dimension: int, k1: int) -> int:
    """About the most memory in bytes that clustering `size` pictures takes, their features included.

    dimension: numbers a feature; k1: neighbours of the k-reciprocal sets. Features that tell people apart need less;
    for features that are close to noise, with many more pairs of shared neighbours, it may be exceeded.
    """
    features = COPIES * 4 * dimension * size
    search = 3 * 4 * SEARCHED_AT_ONCE * size
    graph = k1 * size * (BYTES_A_NEIGHBOUR + PAIRS_A_NEIGHBOUR * BYTES_A_PAIR)
    return features + max(search, graph)


def pictures_that_fit(available: int, *, dimension: int, k1: int) -> int:
    """The number of pictures whose clustering takes at most `available` bytes."""
    return available // max(1, clustering_bytes(1, dimension=dimension, k1=k1))
