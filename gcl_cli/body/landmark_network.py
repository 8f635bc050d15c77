"""The landmark network in torch, read from the same file: for batches on a GPU."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor
from torch.nn import functional as F

from gcl_cli.body.landmarks import NETWORK_FILE, NetworkOutput, named_outputs
from gcl_cli.body.shipped import whole
from gcl_cli.machine.devices import sent

_NUMBERS = {0: np.float32, 1: np.float16, 2: np.int32, 4: np.int64}  # tensor types of the file format
_ACTIVATIONS: dict[int, Callable[[Tensor], Tensor]] = {0: lambda x: x, 1: F.relu, 3: F.relu6}
_SAME_PADDING = 0


class Operator(NamedTuple):
    """One step of the graph; tensors are known by their number."""

    kind: str
    inputs: list[int]
    output: int
    options: Any  # the file's record of strides, padding and activation


class TorchLandmarkRunner:
    """The graph of the landmark network, operator by operator.

    Same input and output as `landmarks.LandmarkRunner`; agrees with it within 0.01 crop pixels.
    """

    def __init__(self, device: str) -> None:
        graph, self._operators, constants = _read_graph()
        self._device = torch.device(device)
        self._input = int(graph.inputs[0])
        self._outputs = {int(index): graph.tensors[index].name.decode() for index in graph.outputs}
        self._settings = {index: value.tolist() for index, value in constants.items() if value.dtype.kind == "i"}
        self._weights = {
            index: _oriented(operator.kind, constants[index]).to(self._device)
            for operator in self._operators
            for index in operator.inputs
            if index in constants and index not in self._settings
        }

    @torch.inference_mode()
    def __call__(self, inputs: np.ndarray) -> NetworkOutput:
        """inputs: [B, 256, 96, 3] float32 in [0, 1], the `landmarks.INPUT_COLUMNS` of each square."""
        tensors = {self._input: sent(torch.from_numpy(inputs), self._device).permute(0, 3, 1, 2)}  # [B, 3, 256, 96]
        # Products of 19 bits (TF32, a GPU's default for convolutions) would move landmarks by visible amounts.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # without `enabled` it would be switched off
            for operator in self._operators:
                tensors[operator.output] = self._step(operator, [tensors[i] for i in operator.inputs if i in tensors])
        outputs = {name: tensors[index] for index, name in self._outputs.items()}
        return named_outputs({name: _channels_last(x).cpu().numpy() for name, x in outputs.items()})

    def _step(self, operator: Operator, sources: list[Tensor]) -> Tensor:
        options, x = operator.options, sources[0]
        match operator.kind:
            case "CONV_2D" | "DEPTHWISE_CONV_2D":
                return self._convolution(operator, x)
            case "SLICE":
                begin, size = (self._settings[index] for index in operator.inputs[1:])
                return x[:, :, begin[1] : begin[1] + size[1], begin[2] : begin[2] + size[2]]
            case "CONCATENATION":  # of columns, with those that black beside the crop gives
                maps = [self._weights.get(index, x) for index in operator.inputs]
                return torch.cat([part.expand(len(x), -1, -1, -1) for part in maps], dim=3)
            case "ADD":
                return _ACTIVATIONS[options.fusedActivationFunction](x + sources[1])
            case "PAD":
                _, (top, bottom), (left, right), (front, back) = self._settings[operator.inputs[1]]
                return F.pad(x, (left, right, top, bottom, front, back))
            case "RESIZE_BILINEAR":  # half-pixel centres
                return F.interpolate(x, self._settings[operator.inputs[1]], mode="bilinear", align_corners=False)
            case "MAX_POOL_2D":
                return _max_pool(x, options)
            case "RESHAPE":
                return _channels_last(x).flatten(1)
            case "LOGISTIC":
                return torch.sigmoid(x)
        raise NotImplementedError(f"operator {operator.kind} of the landmark network")

    def _convolution(self, operator: Operator, x: Tensor) -> Tensor:
        options = operator.options
        kernel, bias = (self._weights[index] for index in operator.inputs[1:3])
        stride = (options.strideH, options.strideW)
        if options.padding == _SAME_PADDING:
            x = F.pad(x, _same_padding(x, (kernel.shape[2], kernel.shape[3]), stride))
        groups = kernel.shape[0] if operator.kind == "DEPTHWISE_CONV_2D" else 1
        return _ACTIVATIONS[options.fusedActivationFunction](F.conv2d(x, kernel, bias, stride, groups=groups))


def _max_pool(x: Tensor, options: Any) -> Tensor:
    kernel, stride = (options.filterHeight, options.filterWidth), (options.strideH, options.strideW)
    if options.padding == _SAME_PADDING:
        x = F.pad(x, _same_padding(x, kernel, stride), value=-torch.inf)
    return F.max_pool2d(x, kernel, stride)


def _channels_last(x: Tensor) -> Tensor:
    """[B, C, h, w] -> [B, h, w, C], the file's order; anything else as it is."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def _read_graph() -> tuple[Any, list[Operator], dict[int, np.ndarray]]:
    """The file's graph, its operators in order, and its constants by tensor number (half precision widened)."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(whole(NETWORK_FILE).read_bytes(), 0))
    graph = model.subgraphs[0]
    kinds = operator_kinds(model)
    constants = {}
    for index, tensor in enumerate(graph.tensors):
        content = model.buffers[tensor.buffer].data
        if content is not None and len(content):
            constants[index] = np.frombuffer(bytes(content), _NUMBERS[tensor.type]).reshape(tensor.shape)
    operators = []
    for entry in graph.operators:
        kind, inputs, output = kinds[entry.opcodeIndex], [int(i) for i in entry.inputs], int(entry.outputs[0])
        if kind == "DEQUANTIZE":  # stored in half precision, used in single
            constants[output] = constants[inputs[0]].astype(np.float32)
        else:
            operators.append(Operator(kind, inputs, output, entry.builtinOptions))
    return graph, operators, constants


def operator_kinds(model: Any) -> list[str]:
    """What each operator code of a file stands for, by the format's own names: CONV_2D."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    return [names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]


def _oriented(kind: str, constant: np.ndarray) -> Tensor:
    """A constant in torch's order: kernels [out, h, w, in] (depthwise [1, h, w, out]) -> [out, in or 1, h, w]."""
    if constant.ndim != 4:
        return torch.tensor(constant)
    order = (3, 0, 1, 2) if kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
    return torch.tensor(constant).permute(order).contiguous()


def _same_padding(x: Tensor, kernel: tuple[int, int], stride: tuple[int, int]) -> tuple[int, int, int, int]:
    """The padding (left, right, top, bottom) after which windows give ceil(size / stride) outputs; odd pixel last."""
    down, across = (
        max((-(-size // step) - 1) * step + span - size, 0)
        for size, span, step in zip(x.shape[2:], kernel, stride, strict=True)
    )
    return across // 2, across - across // 2, down // 2, down - down // 2
