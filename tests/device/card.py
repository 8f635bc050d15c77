"""A graphics card that is not there: tensors that are on `cuda` as far as all code can tell, and a count of who waits.

`Card` is entered like any context. Inside, what is made on or sent to `cuda` is an `OnCard`: torch takes it for a CUDA
tensor (device checks, autocast, fused optimizers), while a tensor of the host stands in for its memory: a real one, so
that the numbers are the CPU's (`values=True`), or one without memory, so that the largest networks cost nothing.

A real card works on while the host queues more. Two things stop that, and both are counted by the line that did them:
`waits`, where the host needs what the card has found (`item`, copies to the host, `nonzero`, masks as indices) or a
copy to the card is not merely queued; `queued` copies cost nothing. Operations across devices raise as on a real card.

Autograd's own engine asks a driver for its streams: the same graph is walked in Python instead (walked.py).
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest import mock

import torch
import torch.fx.experimental._config
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from walked import current_pass, run_backward

aten = torch.ops.aten
CUDA = torch.device("cuda:0")
STAGED = 1 << 16  # bytes up to which the driver takes a copy of unpinned memory and lets the host go on
PLACES = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
SIZED_BY_VALUES = {  # the host must know how many there are
    aten.nonzero.default, aten.masked_select.default, aten._unique2.default, aten.unique_dim.default,
    aten.bincount.default, aten.repeat_interleave.Tensor, aten.equal.default,
}  # fmt: skip


class OnCard(Tensor):
    """A tensor on the card; `inner` stands in for its memory."""

    inner: Tensor

    @staticmethod
    def __new__(cls, inner: Tensor) -> "OnCard":
        dense = inner.layout == torch.strided  # a sparse one looks dense from outside
        made = Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride() if dense else None, dtype=inner.dtype, device=CUDA,
            storage_offset=inner.storage_offset() if dense else None,
        )  # fmt: skip
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} of a tensor on the card, which has been left")

    def __repr__(self, **_: Any) -> str:
        return f"OnCard({list(self.shape)}, {self.dtype})"


class Card(TorchDispatchMode):
    """The card; `waits` and `queued` count by `what file:line function`."""

    def __init__(self, *, values: bool) -> None:
        super().__init__()
        self.values = values
        self.waits, self.queued = Counter[str](), Counter[str]()

    def forget(self) -> None:
        """Count anew."""
        self.waits.clear()
        self.queued.clear()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        wanted = kwargs.get("device")
        flat = list(_tensors((*args, *kwargs.values())))
        there = [x for x in flat if isinstance(x, OnCard)]
        if func is aten._pin_memory.default:
            pinned = args[0].clone()
            pinned.is_pinned_here = True
            return pinned
        if not there and (wanted is None or wanted.type != "cuda"):
            return func(*args, **kwargs)  # of the host alone
        if func in (aten._to_copy.default, aten.copy_.default):
            return self._copied(func, args, kwargs)
        here = [x for x in flat if not isinstance(x, OnCard)]
        self._check_devices(func, args, here)
        if func is aten._local_scalar_dense.default:
            self._wait("item")
            return func(args[0].inner) if self.values else _some_number(args[0].dtype)
        self._count(func, args)
        return self._computed(func, args, kwargs)

    def _copied(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Copies between and within devices."""
        to, source = (args[0], args[1]) if func is aten.copy_.default else (None, args[0])
        quickly = kwargs.get("non_blocking") or (func is aten.copy_.default and args[2:] == (True,))
        device = (kwargs.get("device") or source.device) if to is None else to.device
        if source.device.type == device.type:
            return self._computed(func, args, kwargs)
        if device.type == "cpu":
            self._wait("to the host")
            inner = source.inner if self.values else torch.ones_like(source.inner, device="cpu")
            rest = {name: value for name, value in kwargs.items() if name != "device"}
            return func(inner, **rest) if to is None else to.copy_(inner)
        waited = not quickly or (source.nbytes > STAGED and not getattr(source, "is_pinned_here", False))
        (self._wait if waited else self._queue)("to the card")
        rest = kwargs | ({} if to is not None else {"device": torch.device("cpu" if self.values else "meta")})
        return OnCard(func(source, **rest)) if to is None else self._filled(to, source)

    def _filled(self, to: OnCard, source: Tensor) -> OnCard:
        to.inner.copy_(source)
        return to

    def _check_devices(self, func: Any, args: Any, here: Sequence[Tensor]) -> None:
        """Devices mix only in numbers of the host, and where a table of the card is indexed by places of the host."""
        if func in PLACES:
            table, places = args[0], args[1]
            if not isinstance(table, OnCard):
                raise RuntimeError(f"{func}: a table of the host is indexed by, or given, what is on the card")
            for place in places:
                if place is not None and not isinstance(place, OnCard):
                    self._wait("to the card, to index")
            here = [x for x in here if all(x is not place for place in places)]
        if any(x.ndim for x in here):
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, found the card and the host")

    def _count(self, func: Any, args: Any) -> None:
        masked = func in PLACES and any(p is not None and p.dtype == torch.bool for p in args[1])
        if func in SIZED_BY_VALUES or masked:
            self._wait(f"{func.overloadpacket.__name__}{' by a mask' if masked else ''}")

    def _computed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The operation itself, on what stands in for the memory."""
        known: dict[int, OnCard] = {}

        def unwrapped(x: Any) -> Any:
            if isinstance(x, OnCard):
                known[id(x.inner)] = x
                return x.inner
            if isinstance(x, Tensor):  # of the host: a number, or places
                return x if self.values or not x.ndim else x.to("meta")
            if isinstance(x, torch.device):
                return torch.device("cpu" if self.values else "meta")
            return x

        if not self.values and _is_in_place(func):
            return args[0] if func._schema.returns else None  # there is no memory that could change
        out = self._done(func, _mapped(unwrapped, args), {name: _mapped(unwrapped, x) for name, x in kwargs.items()})
        return _mapped(lambda x: _wrapped(x, known) if isinstance(x, Tensor) else x, out)

    def _done(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Without values, an operation on shapes that were seen before need not be worked out again."""
        if self.values or not _is_remembered(func):
            return func(*args, **kwargs)
        key = (func, _described(args), _described(tuple(kwargs.items())))
        if key not in _shapes:
            out = func(*args, **kwargs)
            _shapes[key] = _mapped(lambda x: (x.shape, x.stride(), x.dtype) if isinstance(x, Tensor) else x, (out,))
            return out
        return _remade(_shapes[key][0])

    def _wait(self, what: str) -> None:
        self.waits[f"{what}  {_line()}"] += 1

    def _queue(self, what: str) -> None:
        self.queued[f"{what}  {_line()}"] += 1


def _wrapped(inner: Tensor, known: dict[int, OnCard]) -> OnCard:
    """What is known as `inner`: an operation in place returns what it was given."""
    return known[id(inner)] if id(inner) in known else OnCard(inner)


_shapes: dict[Any, Any] = {}  # what operations on tensors without memory give


@cache
def _is_in_place(func: Any) -> bool:
    """Whether it changes values alone, of its first argument."""
    first = func._schema.arguments[0] if func._schema.arguments else None
    changes = first is not None and first.alias_info is not None and first.alias_info.is_write
    return changes and func not in (aten.unsqueeze_.default, aten.squeeze_.dim, aten.transpose_.default)


@cache
def _is_remembered(func: Any) -> bool:
    """Whether its results are new tensors, that say nothing of one another."""
    schema = func._schema
    return all(x.alias_info is None for x in (*schema.arguments, *schema.returns))


def _described(x: Any) -> Any:
    if isinstance(x, Tensor):
        return x.shape, x.stride(), x.dtype, x.device.type
    return tuple(map(_described, x)) if isinstance(x, list | tuple) else x


def _remade(x: Any) -> Any:
    if isinstance(x, tuple) and len(x) == 3 and isinstance(x[2], torch.dtype):
        return torch.empty_strided(x[0], x[1], dtype=x[2], device="meta")
    return type(x)(map(_remade, x)) if isinstance(x, list | tuple) else x


def _tensors(x: Iterable[Any]) -> Iterator[Tensor]:
    for y in x:
        if isinstance(y, Tensor):
            yield y
        elif type(y) in (list, tuple):
            yield from _tensors(y)


def _mapped(change: Callable[[Any], Any], x: Any) -> Any:
    """`change` of every entry of nested lists and tuples."""
    return type(x)(_mapped(change, y) for y in x) if type(x) in (list, tuple) else change(x)


def _line() -> str:
    """The line of this project that is being executed."""
    frame = sys._getframe(2)
    while frame is not None:
        if "/gcl_cli/" in frame.f_code.co_filename:
            where = frame.f_code.co_filename.partition("/gcl_cli/")[2]
            return f"{where}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"


def _some_number(dtype: torch.dtype) -> float | int | bool:
    return True if dtype == torch.bool else 0.5 if dtype.is_floating_point else 1


@contextmanager
def card(*, values: bool) -> Iterator[Card]:
    """A card to work on; see the head of this file."""
    torch._C._ensureCUDADeviceGuardSet()  # a guard that does nothing in place of the driver's
    with ExitStack() as stack:
        for name, instead in (
            ("torch.cuda._lazy_init", lambda: None),
            ("torch.cuda.amp.common.amp_definitely_not_available", lambda: False),
            ("torch.cuda.is_bf16_supported", lambda *_, **__: True),
            ("torch.fx.experimental._config.meta_nonzero_assume_all_nonzero", True),  # without values, all count
            ("torch.autograd._engine_run_backward", run_backward),
            ("torch._C._current_graph_task_id", current_pass),
        ):
            stack.enter_context(mock.patch(name, instead))
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device="cuda") is made here and then copied
        stack.callback(torch._C._set_only_lift_cpu_tensors, False)
        torch.__future__.set_overwrite_module_params_on_conversion(True)  # a weight that moves becomes an OnCard
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, False)
        stack.enter_context(torch.backends.cudnn.flags(enabled=False))  # its operations have no counterpart elsewhere
        yield stack.enter_context(Card(values=values))
