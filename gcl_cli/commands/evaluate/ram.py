"""What an evaluation holds in memory, told before it begins, and refused where it cannot fit."""

from gcl_cli import console
from gcl_cli.commands.evaluate.features import CHUNK
from gcl_cli.config import Architecture, EvaluateSettings
from gcl_cli.errors import GclError
from gcl_cli.machine.ram import free_memory
from gcl_cli.metrics.ranking import queries_at_once
from gcl_cli.retrieval.whole_gallery import uses_gallery

PROGRAM = 0.6e9  # the interpreter, its libraries, and an encoder at work
DISTANCE = 8  # bytes for each distance of a block: this one and the last
RERANKED = 40  # the same with re-ranking, whose sums are float64
LOOKED_AT = 24  # bytes for each gallery picture while one row is looked at
LISTED = 150  # bytes for each entry of the neighbour lists of re-ranking
COPIES = 4  # of all embeddings, while cameras or neighbours change them
REMEMBERED = 20  # entries of the neighbour weights for each neighbour, as a rule
LEAST_QUERIES = 16  # in a block: fewer make the products crawl


def plan_memory(queries: int, gallery: int, width: int, architecture: Architecture, settings: EvaluateSettings) -> int:
    """How many queries to rank at a time; says what is needed. GclError where not even a few fit.

    width: of the embeddings. The limit is `--set memory=GB`, or what is free.
    """
    free = free_memory() if settings.memory is None else settings.memory * 1e9
    fixed = _fixed(queries + gallery, gallery, width, architecture, settings)
    each = (RERANKED if settings.rerank else DISTANCE) * gallery
    at_once = min(queries, queries_at_once(gallery), int(max(0, free - fixed) // each))
    if at_once < min(queries, LEAST_QUERIES):
        least = fixed + min(queries, LEAST_QUERIES) * each
        anyway = _fixed(queries, 0, width, architecture, settings)
        fits = int(gallery * max(0, free - anyway) / (least - anyway))
        without = "leave --rerank out, " if settings.rerank else ""
        raise GclError(
            f"{queries:,} queries and {gallery:,} gallery pictures of {width} numbers need {least / 1e9:.1f} GB of "
            f"memory; {free / 1e9:.1f} GB are free.",
            f"A gallery of about {fits:,} pictures would fit; {without}free memory, or use --set memory=GB.",
        )
    needed = fixed + at_once * each
    console.say(
        f"Memory: about {needed / 1e9:.1f} GB of {free / 1e9:.1f} GB, for {queries:,} queries, {at_once:,} at a time, "
        f"against {gallery:,} gallery pictures."
    )
    return at_once


def _fixed(pictures: int, gallery: int, width: int, architecture: Architecture, settings: EvaluateSettings) -> float:
    """Bytes whatever the size of a block."""
    decoded = 3 * architecture.height * architecture.width * CHUNK
    embeddings = 4 * width * pictures
    total = PROGRAM + decoded + embeddings + LOOKED_AT * gallery
    if uses_gallery(settings):
        total += COPIES * embeddings
    if settings.rerank:  # the features once more, side by side, the lists, and the weights
        total += embeddings + pictures * settings.rerank_k1 * (LISTED + 12 * REMEMBERED)
    return total
