"""One random stream per purpose, so that no picture depends on which others are drawn."""

import zlib

import numpy as np


def stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """A generator of its own for one purpose, e.g. `stream(seed, "picture", person, camera, number)`.

    Streams with different purposes or numbers are independent; the same arguments give the same numbers.
    """
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def chosen(random: np.random.Generator, shares: dict[str, float]) -> str:
    """One of the keys, with probability in proportion to its share."""
    weights = np.array(list(shares.values()))
    return str(list(shares)[random.choice(len(weights), p=weights / weights.sum())])
