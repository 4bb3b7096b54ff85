"""An ONNX graph computed in double precision, and how far outputs are from it.

Every float tensor and type of the graph becomes double; the ONNX project's reference evaluator runs it, with convolutions and pooling as
sums over taps, since its own take minutes. What stays in single precision: attributes (they are exact as doubles).
"""
import itertools

import numpy as np, onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def to_double(graph):
    """Changes the graph, subgraphs included: whatever is f32 becomes f64."""
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))
    for value in itertools.chain(graph.input, graph.output, graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(attribute.t).astype(np.float64), attribute.t.name))
            elif attribute.type == onnx.AttributeProto.GRAPH:
                to_double(attribute.g)
            elif attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
                values = attribute.f if attribute.name == "value_float" else list(attribute.floats)
                attribute.CopyFrom(onnx.helper.make_attribute("value", numpy_helper.from_array(np.array(values, np.float64))))


class Window:
    """Taps of a convolution or a pooling window over the spatial axes of x, padded with `fill`."""

    def __init__(self, x, kernel, strides, pads, dilations, auto_pad, fill, ceil_mode=0):
        rank = len(kernel)
        self.kernel, self.strides, self.dilations = kernel, strides or [1] * rank, dilations or [1] * rank
        span = [(k - 1) * d + 1 for k, d in zip(kernel, self.dilations)]
        low, high = (list(pads[:rank]), list(pads[rank:])) if pads else ([0] * rank, [0] * rank)
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            total = [max((-(-n // s) - 1) * s + w - n, 0) for n, s, w in zip(x.shape[2:], self.strides, span)]
            less, more = [t // 2 for t in total], [t - t // 2 for t in total]
            low, high = (less, more) if auto_pad == "SAME_UPPER" else (more, less)
        room = [n + l + h - w for n, l, h, w in zip(x.shape[2:], low, high, span)]
        self.out = [(-(-r // s) if ceil_mode else r // s) + 1 for r, s in zip(room, self.strides)]
        # A window of ceil mode that would begin in the padding behind the input does not exist.
        self.out = [o - 1 if ceil_mode and (o - 1) * s >= n + l else o for o, s, n, l in zip(self.out, self.strides, x.shape[2:], low)]
        need = [max((o - 1) * s + w - n - l, h) for o, s, w, n, l, h in zip(self.out, self.strides, span, x.shape[2:], low, high)]
        self.padded = np.pad(x, [(0, 0), (0, 0)] + list(zip(low, need)), constant_values=fill)
        self.explicit = [n + l + h for n, l, h in zip(x.shape[2:], low, high)]

    def taps(self):
        for tap in itertools.product(*(range(k) for k in self.kernel)):
            begin = [t * d for t, d in zip(tap, self.dilations)]
            cut = tuple(slice(b, b + (o - 1) * s + 1, s) for b, o, s in zip(begin, self.out, self.strides))
            yield tap, self.padded[(slice(None), slice(None)) + cut]


class Conv(OpRun):
    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=None, kernel_shape=None, pads=None, strides=None):
        group = group or 1
        window = Window(x, w.shape[2:], strides, pads, dilations, auto_pad, 0)
        n, m = x.shape[0], w.shape[0]
        y = np.zeros((n, group, m // group, int(np.prod(window.out))))
        weights = w.reshape((group, m // group) + w.shape[1:])
        for tap, part in window.taps():
            y += weights[(slice(None),) * 3 + tap] @ part.reshape(n, group, w.shape[1], -1)
        y = y.reshape([n, m] + window.out)
        return (y if b is None else y + b.reshape([-1] + [1] * len(window.out)),)


class MaxPool(OpRun):
    def _run(self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None, strides=None):
        window = Window(x, kernel_shape, strides, pads, dilations, auto_pad, -np.inf, ceil_mode)
        return (np.maximum.reduce([part for _, part in window.taps()]),)


class AveragePool(OpRun):
    def _run(self, x, auto_pad=None, ceil_mode=None, count_include_pad=None, dilations=None, kernel_shape=None, pads=None, strides=None):
        window = Window(x, kernel_shape, strides, pads, dilations, auto_pad, 0, ceil_mode)
        if count_include_pad:  # but not what ceil mode added behind it
            beyond = [p - e for p, e in zip(window.padded.shape[2:], window.explicit)]
            count = Window(np.ones([1, 1] + window.explicit), kernel_shape, strides, [0] * len(beyond) + beyond, dilations, None, 0)
        else:
            count = Window(np.ones((1, 1) + x.shape[2:]), kernel_shape, strides, pads, dilations, auto_pad, 0, ceil_mode)
        return (sum(part for _, part in window.taps()) / sum(part for _, part in count.taps()),)


class GatherElements(OpRun):
    """The evaluator's own one wants less than 64 rows."""

    def _run(self, data, indices, axis=None):
        axis = (axis or 0) % data.ndim
        cut = tuple(slice(None) if d == axis else slice(n) for d, n in enumerate(indices.shape))
        return (np.take_along_axis(data[cut], indices, axis),)


OPERATORS = [Conv, MaxPool, AveragePool, GatherElements]


def run_in_double(path, feeds):
    """Outputs by name."""
    model = onnx.load(path)
    to_double(model.graph)
    for op in OPERATORS:
        op.op_domain = ""
    evaluator = ReferenceEvaluator(model, new_ops=OPERATORS)
    feeds = {name: value.astype(np.float64) if value.dtype == np.float32 else value for name, value in feeds.items()}
    return dict(zip(evaluator.output_names, evaluator.run(None, feeds)))


def with_scaled_weights(path, out, seed=0):
    """Writes the model with hard weights: scales of output channels over three decades, every hundredth weight ten times as large."""
    model, rng = onnx.load(path), np.random.default_rng(seed)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in weights:
            continue
        tensor = weights.pop(node.input[1])
        value = numpy_helper.to_array(tensor).astype(np.float64)
        rows = any(a.name == "transB" and a.i for a in node.attribute)
        axis = 0 if node.op_type == "Conv" or rows else value.ndim - 1
        scales = 10 ** rng.uniform(-1.5, 1.5, value.shape[axis])
        outliers = np.where(rng.random(value.shape) < 0.01, 10, 1)
        hard = value * outliers * scales.reshape([-1 if d == axis else 1 for d in range(value.ndim)])
        hard *= np.linalg.norm(value) / max(np.linalg.norm(hard), 1e-30)  # so that activations neither grow nor vanish
        tensor.CopyFrom(numpy_helper.from_array(hard.astype(np.float32), tensor.name))
    onnx.save(model, out)


def error(outputs, exact):
    """Worst relative L2 over the outputs, and over their channels (axis 1 of images and volumes, the last axis of sequences)."""
    whole, channel = 0.0, 0.0
    for name, want in exact.items():
        off = outputs[name].astype(np.float64) - want
        if want.size == 0 or not np.issubdtype(want.dtype, np.floating):
            whole = max(whole, float(np.any(off != 0)))
            continue
        whole = max(whole, float(np.linalg.norm(off) / np.linalg.norm(want)))
        if want.ndim > 2:
            axes = tuple(i for i in range(want.ndim) if i != (1 if want.ndim > 3 else want.ndim - 1))
            size = np.sqrt((want**2).sum(axes))
            channel = max(channel, float((np.sqrt((off**2).sum(axes)) / np.maximum(size, 1e-300)).max()))
    return {"whole": whole, "channel": channel}
