"""The landmark network without what a crop never reaches: the same numbers in three quarters of the time.

A crop fills the middle third of the network's square input; beside it is black. Near the input, what the network makes
of columns far from the crop is what it makes of black, whatever the crop shows: that is computed here, once, and put
beside the other columns as a constant. Near the output, the mask is asked for about the crop alone. All that remains
is computed as before, and comes out bit for bit the same.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from gcl_cli.body.landmark_network import operator_kinds
from gcl_cli.body.landmarks import INPUT_COLUMNS

FILE_MARK = b"TFL3"
TENSOR_TYPES = {np.dtype(np.float32): 0, np.dtype(np.int32): 2}
ACROSS = 2  # the axis of columns in [1, rows, columns, channels]


class Widening(NamedTuple):
    """The columns of a map that are right, and those that go on: what lies between the two is black's."""

    right: range
    wanted: range


# A kernel that reaches over the edge of a stretch makes a column wrong, one that reaches the crop makes it another than
# black's: stretches are as narrow as they can be with the two apart. Tensors go by their numbers in the file.
GIVEN = range(INPUT_COLUMNS.start, INPUT_COLUMNS.stop)  # 80 to 176 of 256: input, and mask
COMPUTED = range(64, 192)
WIDENINGS = {
    212: Widening(range(17, 47), range(12, 52)),  # [1, 64, 64, 24], after two strides
    219: Widening(range(14, 50), range(0, 64)),  # [1, 64, 64, 48], which heatmaps and mask are made from
    222: Widening(range(8, 25), range(0, 32)),  # [1, 32, 32, 32], after three strides
}
MASK_BEGINS, MASK_STRETCH = 280, range(16, 48)  # of 64: the first tensor that only the mask is made from; its
# stretch becomes 64 to 192 of the mask's 256 columns, which are right from 78 to 178


class Graph:
    """The graph of a network's file; `record` is the format's own."""

    def __init__(self, file: bytes) -> None:
        self._model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(file, 0))
        self.record = self._model.subgraphs[0]
        self._kinds = operator_kinds(self._model)

    def file(self) -> bytes:
        """The graph as a file."""
        builder = flatbuffers.Builder(1 << 23)
        builder.Finish(self._model.Pack(builder), file_identifier=FILE_MARK)
        return bytes(builder.Output())

    def kind(self, operator: Any) -> str:
        """What an operator does, by the format's name for it."""
        return self._kinds[operator.opcodeIndex]

    def shape(self, tensor: int) -> list[int]:
        return self.record.tensors[tensor].shape.tolist()

    def constant(self, values: np.ndarray) -> int:
        """A new tensor that holds these numbers."""
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self._model.buffers.append(buffer)
        return self._tensor(values.shape, TENSOR_TYPES[values.dtype], len(self._model.buffers) - 1)

    def operator(self, kind: str, inputs: list[int], columns: int, options: Any) -> Any:
        """A new operator, whose output is its first input with so many columns; the caller puts it in its place."""
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs = self._code(kind), np.array(inputs, np.int32)
        shape = self.shape(inputs[0])
        shape[ACROSS] = columns
        operator.outputs = np.array([self._tensor(shape, TENSOR_TYPES[np.dtype(np.float32)], 0)], np.int32)
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        operator.builtinOptions = options
        return operator

    def _tensor(self, shape: Any, type_: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = np.array(shape, np.int32), type_, buffer
        tensor.name = f"narrowed/{len(self.record.tensors)}".encode()
        self.record.tensors.append(tensor)
        return len(self.record.tensors) - 1

    def _code(self, kind: str) -> int:
        if kind not in self._kinds:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
            code.version = 1
            self._model.operatorCodes.append(code)
            self._kinds.append(kind)
        return self._kinds.index(kind)


def narrowed(file: bytes) -> bytes:
    """The file of a network for inputs [1, 256, 96, 3] and masks [1, 256, 96, 1], the columns `GIVEN` of both."""
    return _Narrowing(Graph(file), _features_of_black(file)).file()


def _features_of_black(file: bytes) -> dict[int, np.ndarray]:
    """What the whole network makes of black, for the tensors of `WIDENINGS`."""
    graph = Graph(file)
    graph.record.outputs = np.array(list(WIDENINGS), np.int32)
    network = Interpreter(model_content=graph.file(), num_threads=1)
    network.allocate_tensors()
    entry = network.get_input_details()[0]
    network.set_tensor(entry["index"], np.zeros(entry["shape"], np.float32))
    network.invoke()
    return {tensor: network.get_tensor(tensor) for tensor in WIDENINGS}  # outputs keep the file's numbers


class _Narrowing:
    """One walk over the operators of a graph, which leaves each as wide as what it reads is by then."""

    def __init__(self, graph: Graph, black: Mapping[int, np.ndarray]) -> None:
        self._graph, self._black = graph, black
        tensors = graph.record.tensors
        self._width = {
            index: int(tensor.shape[ACROSS])
            for index, tensor in enumerate(tensors)
            if tensor.shape is not None and len(tensor.shape) == 4
        }
        self._stretch: dict[int, range] = {}  # of maps that are not whole
        self._instead: dict[int, int] = {}  # what is read in a tensor's place
        self._operators: list[Any] = []

    def file(self) -> bytes:
        """The narrowed graph as a file."""
        record = self._graph.record
        first, *rest = record.operators
        self._pad_input(first)
        for operator in rest:
            self._take(operator)
        mask = next(tensor for tensor in record.outputs.tolist() if tensor in self._stretch)
        given = self._cut(mask, GIVEN)
        record.tensors[given].name, record.tensors[mask].name = record.tensors[mask].name, b"narrowed/mask"
        record.outputs = np.array([given if tensor == mask else tensor for tensor in record.outputs], np.int32)
        record.operators = self._operators
        return self._graph.file()

    def _pad_input(self, operator: Any) -> None:
        """The first operator puts a black border around the picture; around less of it, it puts more."""
        source, output = int(operator.inputs[0]), int(operator.outputs[0])
        border = (self._width[output] - self._width[source]) // 2
        beside = border + GIVEN.start - COMPUTED.start, border + COMPUTED.stop - GIVEN.stop
        margins = self._graph.constant(np.array([[0, 0], [border, border], beside, [0, 0]], np.int32))
        operator.inputs = np.array([source, margins], np.int32)
        self._width[output] = self._width[source]  # columns are counted without the border
        self._set_columns(source, len(GIVEN))
        self._set_columns(output, len(COMPUTED) + 2 * border)
        self._stretch[output] = COMPUTED
        self._operators.append(operator)

    def _take(self, operator: Any) -> None:
        """Let an operator read and make the columns that there are."""
        kind, output = self._graph.kind(operator), int(operator.outputs[0])
        inputs = operator.inputs.tolist()
        maps = inputs[: 2 if kind == "ADD" else 1]
        read = [self._columns(tensor) for tensor in maps]
        common = range(max(columns.start for columns in read), min(columns.stop for columns in read))
        if output == MASK_BEGINS:
            common = MASK_STRETCH
        operator.inputs = np.array([*(self._cut(tensor, common) for tensor in maps), *inputs[len(maps) :]], np.int32)
        whole = self._width.get(maps[0], 0)
        if common != range(0, whole):
            self._narrow(operator, kind, common, whole)
        self._operators.append(operator)
        if output in WIDENINGS:
            self._widen(output, *WIDENINGS[output])

    def _narrow(self, operator: Any, kind: str, read: range, whole: int) -> None:
        """Make the output as wide as follows from the columns that are read, of a map `whole` columns wide."""
        output = int(operator.outputs[0])
        if kind == "PAD":
            made, border = read, self._width[output] - whole
            self._width[output] = whole  # columns are counted without the border
        else:
            edges = (edge * self._width[output] // whole for edge in (read.start, read.stop))
            made, border = range(*edges), 0
        self._stretch[output] = made
        self._set_columns(output, len(made) + border)
        if kind == "RESIZE_BILINEAR":
            size = self._graph.constant(np.array(self._graph.shape(output)[1:3], np.int32))
            operator.inputs = np.array([operator.inputs[0], size], np.int32)

    def _widen(self, tensor: int, right: range, wanted: range) -> None:
        """Put black's columns on both sides of those that are right."""
        black = self._black[tensor]
        left, beyond = black[:, :, wanted.start : right.start], black[:, :, right.stop : wanted.stop]
        parts = [self._graph.constant(left), self._cut(tensor, right), self._graph.constant(beyond)]
        options = schema.ConcatenationOptionsT()
        options.axis = ACROSS
        self._instead[tensor] = self._append("CONCATENATION", parts, len(wanted), options)
        self._stretch[tensor] = wanted

    def _cut(self, tensor: int, columns: range) -> int:
        """A stretch of a map, by a new operator where it is not all that there is."""
        there, stored = self._columns(tensor), self._instead.get(tensor, tensor)
        if columns == there:
            return stored
        begin, size = [0, 0, columns.start - there.start, 0], self._graph.shape(stored)
        size[ACROSS] = len(columns)
        bounds = [self._graph.constant(np.array(values, np.int32)) for values in (begin, size)]
        return self._append("SLICE", [stored, *bounds], len(columns), schema.SliceOptionsT())

    def _columns(self, tensor: int) -> range:
        return self._stretch.get(tensor, range(0, self._width.get(tensor, 0)))

    def _set_columns(self, tensor: int, columns: int) -> None:
        shape = self._graph.shape(tensor)
        shape[ACROSS] = columns
        self._graph.record.tensors[tensor].shape = np.array(shape, np.int32)

    def _append(self, kind: str, inputs: list[int], columns: int, options: Any) -> int:
        operator = self._graph.operator(kind, inputs, columns, options)
        self._operators.append(operator)
        return int(operator.outputs[0])
