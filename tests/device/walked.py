"""Autograd's graph walked in Python: its own engine asks a driver for the streams of tensors that are on `cuda`."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Any

import torch
from torch import Tensor

_engine = torch.autograd._engine_run_backward
_passes: list[int] = []  # numbers of the backward passes that are going on
_numbers = count(1 << 40)


def run_backward(
    roots: Sequence[Tensor], gradients: Sequence[Tensor | None], keep_graph: bool, create_graph: bool,
    inputs: Sequence[Any], allow_unreachable: bool = False, accumulate_grad: bool = False,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """What autograd's engine does, without its streams."""
    if not roots[0].is_cuda:
        rest = {"allow_unreachable": allow_unreachable, "accumulate_grad": accumulate_grad}
        return _engine(roots, gradients, keep_graph, create_graph, inputs, **rest)
    _passes.append(next(_numbers))
    try:
        with torch.set_grad_enabled(create_graph):
            return _walked(roots, gradients, inputs)
    finally:
        _passes.pop()


def _walked(
    roots: Sequence[Tensor], gradients: Sequence[Tensor | None], inputs: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """Gradients of `inputs`, or of all leaves, which then keep them."""
    edge = torch.autograd.graph.get_gradient_edge
    starts, wanted = [edge(root) for root in roots], [edge(tensor) for tensor in inputs]
    order = _order([start.node for start in starts], {one.node for one in wanted})
    arrived: dict[Any, dict[int, Tensor]] = defaultdict(dict)
    for start, gradient in zip(starts, gradients, strict=True):
        _add(arrived[start.node], start.output_nr, gradient)
    found = dict[tuple[Any, int], Tensor]()
    for node in order:
        given = arrived.pop(node, {})
        found |= {(node, place): gradient for place, gradient in given.items()}
        if hasattr(node, "variable"):
            if not inputs:
                _keep(node.variable, given[0])
            continue
        if not given:
            continue
        made = node(*(given.get(place) for place in range(len(node._input_metadata))))
        for (after, place), gradient in zip(node.next_functions, _tuple(made), strict=True):
            if after is not None and gradient is not None:
                _add(arrived[after], place, _fitted(gradient, after._input_metadata[place]))
    return tuple(found.get((one.node, one.output_nr)) for one in wanted)


def _tuple(made: Any) -> tuple[Any, ...]:
    return made if isinstance(made, tuple) else (made,)


def _order(starts: Sequence[Any], wanted: set[Any]) -> list[Any]:
    """The nodes after `starts`, each before those that follow it; where some are wanted, those on the way there."""
    seen, done, useful = set[Any](), list[Any](), set(wanted)
    stack = [(start, False) for start in starts]
    while stack:
        node, left = stack.pop()
        if left:
            after = [following for following, _ in node.next_functions if following is not None]
            if not wanted or node in wanted or any(one in useful for one in after):
                useful.add(node)
                done.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(after, False) for after, _ in node.next_functions if after is not None and after not in seen]
    return done[::-1]


def _fitted(gradient: Tensor, wanted: Any) -> Tensor:
    """A gradient as what it belongs to: formulas leave sums over broadcast dimensions, and types, to the engine."""
    gradient = gradient if gradient.shape == tuple(wanted.shape) else gradient.sum_to_size(wanted.shape)
    return gradient if gradient.dtype == wanted.dtype else gradient.to(wanted.dtype)


def _add(arrived: dict[int, Tensor], place: int, gradient: Tensor | None) -> None:
    if gradient is not None:
        arrived[place] = gradient if place not in arrived else arrived[place] + gradient


def _keep(leaf: Tensor, gradient: Tensor) -> None:
    if leaf.grad is None:
        leaf.grad = gradient if torch.is_grad_enabled() else gradient.detach()
    else:
        leaf.grad += gradient


def current_pass() -> int:
    """The number of the backward pass that is going on, -1 where none is: checkpoints ask for it."""
    return _passes[-1] if _passes else -1
