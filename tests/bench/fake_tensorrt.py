"""A stand-in for the module `tensorrt`: the calls that NVIDIA documents, in the order it asks for, and no others.

`module(version)` gives what that version has. What it computes is right: at the addresses it is given it reads and
writes memory as the device would, and ONNX Runtime computes in between. Memory is the CPU's, and so is the queue.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import types

import numpy as np
import onnx
import onnxruntime as ort

SIZES = {"FLOAT": np.float32, "HALF": np.float16}
ONNX_TYPES = {onnx.TensorProto.FLOAT: "FLOAT", onnx.TensorProto.FLOAT16: "HALF"}


class Queue(contextlib.nullcontext):
    """The stream of the stand-in: what is called has happened."""

    handle = 77
    waits = 0

    def synchronize(self):
        self.waits += 1


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    INTERNAL_ERROR, ERROR, WARNING = Severity

    def __init__(self):
        self.made = True  # pybind refuses a subclass that does not call this


class ParserError:
    def __init__(self, operator, node):
        self._operator, self._node = operator, node

    def desc(self):
        return f"In node {self._node} with operator {self._operator}:\nno importer"

    def node(self):
        return self._node


class ParserError10(ParserError):
    def node_operator(self):
        return self._operator


class Network:
    def __init__(self, flags):
        self.flags, self.onnx = flags, None


class HostMemory:
    def __init__(self, data):
        self._data = data

    def __bytes__(self):
        return self._data

    @property
    def nbytes(self):
        return len(self._data)


class Context:
    def __init__(self, engine):
        self._engine, self._addresses = engine, {}

    def set_tensor_address(self, name, memory):
        assert type(memory) is int
        if name not in self._engine.tensors or memory % 4:
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle):
        assert stream_handle == Queue.handle
        tensors = self._engine.tensors
        if set(self._addresses) != set(tensors):
            return False  # as TensorRT does for an address that was never set
        given = {name: self._memory(name).copy() for name, row in tensors.items() if row.reads}
        session = self._engine.session
        names = [value.name for value in session.get_outputs()]
        for name, array in zip(names, session.run(names, given), strict=True):
            self._memory(name)[...] = array
        return True

    def _memory(self, name):
        row = self._engine.tensors[name]
        dtype = np.dtype(SIZES[row.type])
        size = int(np.prod(row.shape)) * dtype.itemsize
        buffer = (ctypes.c_char * size).from_address(self._addresses[name])
        return np.frombuffer(buffer, dtype=dtype).reshape(row.shape)


class Engine:
    def __init__(self, data, data_type, drops_unread):
        model = onnx.load_from_string(data)
        if drops_unread:
            read = {name for node in model.graph.node for name in node.input}
            kept = [value for value in model.graph.input if value.name in read]
            del model.graph.input[:]
            model.graph.input.extend(kept)
        self.session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        self.tensors = {}
        for values, reads in ((model.graph.input, True), (model.graph.output, False)):
            for value in values:
                tensor = value.type.tensor_type
                self.tensors[value.name] = types.SimpleNamespace(
                    shape=tuple(size.dim_value for size in tensor.shape.dim),
                    type=ONNX_TYPES[tensor.elem_type],
                    reads=reads,
                )
        self._data_type = data_type

    @property
    def num_io_tensors(self):
        return len(self.tensors)

    def get_tensor_name(self, index):
        return list(self.tensors)[index]

    def get_tensor_shape(self, name):
        return self.tensors[name].shape

    def get_tensor_dtype(self, name):
        return self._data_type[self.tensors[name].type]

    def create_execution_context(self):
        return Context(self)


def module(version, *, unknown=(), fast=True, builds=True, drops_unread=False):
    """The module of that version. `unknown` are operators it cannot read; `fast` what the GPU says of fp16 and int8."""
    major = int(version.split(".")[0])
    flags = ["TF32"] if major >= 11 else ["FP16", "INT8", "TF32"]
    creation = ["STRONGLY_TYPED"] if major >= 11 else ["EXPLICIT_BATCH", "STRONGLY_TYPED"][: 2 if major >= 10 else 1]
    trt = types.ModuleType("tensorrt")
    trt.__version__ = version
    trt.ILogger = ILogger
    trt.BuilderFlag = enum.Enum("BuilderFlag", flags)
    trt.NetworkDefinitionCreationFlag = enum.IntEnum("NetworkDefinitionCreationFlag", creation, start=0)
    trt.DataType = enum.Enum("DataType", ["FLOAT", "HALF", "INT8", "INT32"])
    trt.seen = seen = []

    class Config:
        def __init__(self):
            self.flags = {trt.BuilderFlag.TF32}

        def set_flag(self, flag):
            self.flags.add(flag)

        def clear_flag(self, flag):
            self.flags.remove(flag)

    class Builder:
        def __init__(self, logger):
            assert logger.made
            self._logger = logger
            if major < 11:
                self.platform_has_fast_fp16 = self.platform_has_fast_int8 = fast

        def create_network(self, flags=0):
            seen.append(("create_network", flags))
            return Network(flags)

        def create_builder_config(self):
            return Config()

        def build_serialized_network(self, network, config):
            assert network.onnx is not None
            seen.append(("build", {flag.name for flag in config.flags}))
            if not builds:
                self._logger.log(ILogger.WARNING, "it may be slow")
                self._logger.log(ILogger.ERROR, "Error Code 10: no implementation\nfor node Conv_7")
                return None
            return HostMemory(network.onnx)

    class OnnxParser:
        def __init__(self, network, logger):
            assert logger.made
            self._network, self._errors = network, []

        @property
        def num_errors(self):
            return len(self._errors)

        def get_error(self, index):
            return self._errors[index]

        def parse(self, model):
            graph = onnx.load_from_string(model)
            error = ParserError10 if major >= 10 else ParserError
            self._errors = [
                error(node.op_type, index) for index, node in enumerate(graph.graph.node) if node.op_type in unknown
            ]
            seen.append(("parse", graph))
            self._network.onnx = model
            return not self._errors

    class Runtime:
        def __init__(self, logger):
            assert logger.made

        def deserialize_cuda_engine(self, data):
            assert isinstance(data, bytes)
            return Engine(data, trt.DataType, drops_unread)

    trt.Builder, trt.OnnxParser, trt.Runtime = Builder, OnnxParser, Runtime
    return trt
