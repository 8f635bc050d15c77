"""How long the clustering takes, how much memory, and against what: `python recipes/bench_clustering.py --help`.

Random features with the shape of real ones: people of uneven numbers of pictures, seen by six cameras. Times are CPU
seconds of this process (set OMP_NUM_THREADS=1 for one thread). Each line of the output is a JSON object.

peak_GB is that of the whole process, libraries_GB what it had before; estimate_GB is what `gcl cluster` tells when it
knows the neighbours, usual_GB what it tells before. With `--against faiss`, the search among the nearest cells: what
each process of a team does (the index), and what they share (the lists), apart.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.cluster import DBSCAN

from gcl_cli.clustering.agreement import adjusted_rand_index
from gcl_cli.clustering.approximate import approximate_neighbours
from gcl_cli.clustering.density import dbscan
from gcl_cli.clustering.jaccard import jaccard_of_neighbours
from gcl_cli.clustering.kernels import compiled_loops
from gcl_cli.clustering.neighbours import nearest_neighbours
from gcl_cli.clustering.radius import percentile_radius
from gcl_cli.clustering.ram import clustering_bytes

K1, K2, RHO, MIN_SAMPLES = 30, 6, 2e-3, 4
CHUNK = 1024


def features_of(size: int, dimension: int, seed: int = 0) -> torch.Tensor:
    """Unit rows [N, D] float32: a person, what a camera adds to that person, noise, and what all share."""
    rng = np.random.default_rng(seed)
    people = max(2, size // 17)
    share = rng.gamma(2.0, size=people)
    person, camera = rng.choice(people, size, p=share / share.sum()), rng.integers(6, size=size)
    rows = rng.standard_normal((people, dimension), dtype=np.float32)[person]
    rows += rng.standard_normal((size, dimension), dtype=np.float32)
    seen = rng.standard_normal((people, 6, dimension // 8), dtype=np.float32)
    rows[:, : dimension // 8] += 1.8 * seen[person, camera]
    rows += 0.7 * rng.standard_normal(dimension, dtype=np.float32)
    return torch.nn.functional.normalize(torch.from_numpy(rows), dim=1)


def by_faiss(parts: dict[str, Any]) -> Callable[..., np.ndarray]:
    """The approximate search, in two: lists of one picture alone cost the index, those of the others come on top."""

    def search(rows: torch.Tensor, k: int) -> np.ndarray:
        approximate_neighbours(rows[:1000], k=k)  # load the library
        parts["faiss_index"], _ = timed(lambda: approximate_neighbours(rows, k=k, rows=torch.tensor([0])))
        whole, nearest = timed(lambda: approximate_neighbours(rows, k=k))
        parts["faiss_lists"] = whole - parts["faiss_index"]
        return nearest

    return search


def ours(features: torch.Tensor, rho: float, search: Callable[..., np.ndarray]) -> tuple[np.ndarray, float, int]:
    """Labels, seconds of the neighbour search, and the number of pairs."""
    begun = time.process_time()
    nearest = search(features, k=K1)
    seconds = time.process_time() - begun
    distance = jaccard_of_neighbours(features, nearest, k2=K2)
    radius = percentile_radius(distance, rho=rho)
    return dbscan(distance, radius=radius, min_samples=MIN_SAMPLES), seconds, len(distance.values)


def dense(features: torch.Tensor, rho: float) -> np.ndarray:
    """The same mathematics in N x N matrices and loops over pictures."""
    rows, size = features.numpy(), len(features)
    nearest = np.concatenate([(part @ features.T).topk(K1, dim=1).indices.numpy() for part in features.split(CHUNK)])

    def reciprocal(i: int, k: int) -> np.ndarray:
        ahead = nearest[i, :k]
        return ahead[(nearest[ahead, :k] == i).any(axis=1)]

    halves = [reciprocal(i, round(K1 / 2) + 1) for i in range(size)]
    weights = np.zeros((size, size), dtype=np.float32)
    for i in range(size):
        mine = reciprocal(i, K1)
        joining = [halves[q] for q in mine if len(np.intersect1d(halves[q], mine)) > 2 / 3 * len(halves[q])]
        chosen = np.unique(np.concatenate((mine, *joining)))
        closeness = np.exp(2 * rows[chosen] @ rows[i] - 2)
        weights[i, chosen] = closeness / closeness.sum()
    expanded = np.empty_like(weights)
    for i in range(size):
        expanded[i] = weights[nearest[i, :K2]].mean(axis=0)
    del weights
    holders = [np.flatnonzero(expanded[:, g]) for g in range(size)]
    distance = np.empty_like(expanded)
    for i in range(size):
        shared = np.zeros(size, dtype=np.float32)
        for g in np.flatnonzero(expanded[i]):
            shared[holders[g]] += np.minimum(expanded[i, g], expanded[holders[g], g])
        distance[i] = np.maximum(1 - shared / (2 - shared), 0)
    pairs = distance[np.triu_indices(size, 1)]
    pairs = np.sort(pairs[pairs > 1e-6])
    radius = pairs[: round(rho * len(pairs))].mean()
    labels: np.ndarray = DBSCAN(eps=radius, min_samples=MIN_SAMPLES, metric="precomputed").fit_predict(distance)
    return labels


def full_search(features: torch.Tensor) -> None:
    """The neighbour search alone, each similarity computed twice, as a library does it."""
    for part in features.split(CHUNK):
        (part @ features.T).topk(K1, dim=1)


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """CPU seconds and what comes back."""
    begun = time.process_time()
    result = function(*arguments)
    return time.process_time() - begun, result


def measure(size: int, dimension: int, what: list[str]) -> dict[str, Any]:
    """One line of figures."""
    if compiled_loops(size) is not None:
        ours(features_of(5_000, 32), RHO, nearest_neighbours)  # compile
    libraries = peak()
    features = features_of(size, dimension)
    rho = min(RHO, RHO * 12_936 / size)  # the people grow with the pictures: the share of pairs within one falls
    seconds, (labels, searching, pairs) = timed(ours, features, rho, nearest_neighbours)
    line = {"size": size, "dimension": dimension, "numba": compiled_loops(size) is not None, "seconds": seconds}
    line |= {"search": searching, **found(labels), "pairs_a_picture": pairs / size}
    line |= {"libraries_GB": libraries, "peak_GB": peak()}
    line["estimate_GB"] = clustering_bytes(size, dimension=dimension, k1=K1, pairs=pairs) / 1e9
    line["usual_GB"] = clustering_bytes(size, dimension=dimension, k1=K1) / 1e9
    if "search" in what:
        alone, _ = timed(full_search, features)
        line |= {"search_alone": alone, "whole_over_search_alone": seconds / alone}
    if "dense" in what:
        other, expected = timed(dense, features, rho)
        line |= {"dense": other, "ratio": other / seconds, "equal": bool((labels == expected).all())}
    if "faiss" in what:
        approximate = ours(features, rho, by_faiss(line))[0]
        line["faiss"] = line["faiss_index"] + line["faiss_lists"] + seconds - searching
        line |= {f"faiss_{name}": value for name, value in found(approximate).items()}
        line["faiss_ari"] = adjusted_rand_index(labels, approximate)
    return line


def found(labels: np.ndarray) -> dict[str, float]:
    """What labels say."""
    return {"clusters": int(labels.max()) + 1, "labelled": float((labels >= 0).mean())}


def peak() -> float:
    """The most memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    """Measure each size, then the exponent over all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="+", help="numbers of pictures")
    parser.add_argument("--dimension", type=int, default=2048)
    parser.add_argument("--against", nargs="*", default=[], choices=["search", "dense", "faiss"])
    parser.add_argument("--without-numba", action="store_true")
    asked = parser.parse_args()
    if asked.without_numba:
        sys.modules["numba"] = None  # type: ignore[assignment]
    lines = []
    for size in sorted(asked.sizes):
        lines.append(measure(size, asked.dimension, asked.against))
        sys.stdout.write(json.dumps(lines[-1]) + "\n")
        sys.stdout.flush()
    if len(lines) > 1:
        sizes, seconds = (np.log([line[key] for line in lines]) for key in ("size", "seconds"))
        sys.stdout.write(json.dumps({"exponent": float(np.polyfit(sizes, seconds, 1)[0])}) + "\n")


if __name__ == "__main__":
    main()
