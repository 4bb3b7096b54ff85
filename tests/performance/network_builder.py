"""What networks.py builds its networks from: one class over onnx.helper, the nodes those of PyTorch's exporter at opset 17.

Weights are random. So that activations keep their size through any depth without a pass over data, every value carries an estimate of its
mean square ("moment"), and a layer draws its weights for outputs of mean square 1 (He et al. 2015, arXiv:1502.01852, with the
activation's factor generalised to what the layer reads).
"""
import math
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MOMENT_AFTER = {"relu": 0.5, "silu": 0.41, "hardswish": 0.36, "gelu": 0.43}  # of a standard normal variable (silu: a little wider)
GATE_MOMENT = 0.3  # of a sigmoid near 0
AVERAGE_MOMENT = 0.3  # of the mean over an image, relative to its elements: they are positive mostly, after an activation
MAXIMUM_MOMENT = 2.0  # of a window's maximum, likewise


class Value(NamedTuple):
    """A tensor of the graph."""
    name: str
    shape: tuple
    moment: float = 1.0

    @property
    def channels(self):
        return self.shape[1]


class Network:
    """A graph that grows by one layer per call; every method appends nodes and returns the last one's output."""

    def __init__(self, name, seed=0, folded=True):
        self.name, self.folded, self.rng = name, folded, np.random.default_rng(seed)
        self.parameters = 0  # trainable ones, as papers count them: with two per channel of a folded BatchNormalization
        self.inputs, self.nodes, self.initializers = [], [], []

    def input(self, name, shape, element=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, element, shape))
        return Value(name, tuple(shape))

    def model(self, output):
        """The finished model. It states the output's shape as known here, so that shape inference can contradict it."""
        outputs = [helper.make_tensor_value_info(output.name, TensorProto.FLOAT, output.shape)]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, outputs, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="networks.py")

    def op(self, kind, inputs, shape, moment=1.0, outputs=1, **attributes):
        """One node. Inputs that are arrays become initializers. A Value, or a list of them if outputs > 1 (all of one shape)."""
        node, names = f"{kind.lower()}_{len(self.nodes)}", []
        for i, value in enumerate(inputs):
            names.append(value.name if isinstance(value, Value) else f"{node}.{i}")
            if not isinstance(value, Value):
                self.initializers.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        results = [Value(node if outputs == 1 else f"{node}:{i}", tuple(shape), moment) for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, [r.name for r in results], node, **attributes))
        return results[0] if outputs == 1 else results

    def normal(self, shape, deviation, mean=0.0):
        """Trainable parameters."""
        self.parameters += math.prod(shape)
        values = self.rng.standard_normal(shape, dtype=np.float32)
        return values * np.float32(deviation) + np.float32(mean)

    # Layers of convolutional networks.

    def conv(self, x, channels, kernel, stride=1, groups=1, act=None, end="norm", pad=None):
        """end: "norm", a BatchNormalization follows, which exporters fold into weights and bias; "bias", the layer has one; or "none"."""
        pad, fan_in = kernel // 2 if pad is None else pad, x.channels // groups * kernel * kernel
        weight = self.normal((channels, x.channels // groups, kernel, kernel), (fan_in * x.moment) ** -0.5)
        inputs = [x, weight]
        if end == "bias" or (end == "norm" and self.folded):
            inputs.append(self.normal((channels,), 0.1))
            self.parameters += channels if end == "norm" else 0
        shape = (x.shape[0], channels, *((s + 2 * pad - kernel) // stride + 1 for s in x.shape[2:]))
        y = self.op("Conv", inputs, shape, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, dilations=[1, 1], group=groups)
        return self.activate(self.batch_norm(y) if end == "norm" and not self.folded else y, act)

    def conv_transpose(self, x, channels, kernel):
        """Windows side by side: every output is read from one place of x."""
        inputs = [x, self.normal((x.channels, channels, kernel, kernel), (x.channels * x.moment) ** -0.5), self.normal((channels,), 0.1)]
        shape = (x.shape[0], channels, x.shape[2] * kernel, x.shape[3] * kernel)
        return self.op("ConvTranspose", inputs, shape, kernel_shape=[kernel] * 2, strides=[kernel] * 2, pads=[0] * 4)

    def batch_norm(self, x, act=None):
        scale, bias = self.normal((x.channels,), 0.1, 1.0), self.normal((x.channels,), 0.1)
        mean = self.rng.normal(0, 0.1, x.channels).astype(np.float32)
        variance = (x.moment * self.rng.uniform(0.8, 1.2, x.channels)).astype(np.float32)
        return self.activate(self.op("BatchNormalization", [x, scale, bias, mean, variance], x.shape, epsilon=1e-5), act)

    def activate(self, x, act):
        if act is None:
            return x
        moment = x.moment * MOMENT_AFTER[act]
        if act == "relu":
            return self.op("Relu", [x], x.shape, moment)
        if act == "hardswish":
            return self.op("HardSwish", [x], x.shape, moment)
        if act == "silu":
            return self.op("Mul", [x, self.op("Sigmoid", [x], x.shape)], x.shape, moment)
        share = self.op("Erf", [self.op("Div", [x, np.float32(math.sqrt(2))], x.shape)], x.shape)
        product = self.op("Mul", [x, self.op("Add", [share, np.float32(1)], x.shape)], x.shape)
        return self.op("Mul", [product, np.float32(0.5)], x.shape, moment)

    def pool(self, kind, x, kernel, stride, pad=0):
        """kind: MaxPool or AveragePool."""
        shape = (*x.shape[:2], *((s + 2 * pad - kernel) // stride + 1 for s in x.shape[2:]))
        moment = x.moment * (MAXIMUM_MOMENT if kind == "MaxPool" else AVERAGE_MOMENT)
        return self.op(kind, [x], shape, moment, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    def global_average(self, x):
        return self.op("GlobalAveragePool", [x], (*x.shape[:2], 1, 1), x.moment * AVERAGE_MOMENT)

    def image_mean(self, x):
        """The same as exporters write x.mean([2, 3]): without the dimensions of length 1."""
        return self.op("ReduceMean", [x], x.shape[:2], x.moment * AVERAGE_MOMENT, axes=[2, 3], keepdims=0)

    def squeeze_excite(self, x, squeezed, act, gate):
        """gate: Sigmoid or HardSigmoid."""
        y = self.conv(self.global_average(x), squeezed, 1, act=act, end="bias")
        y = self.conv(y, x.channels, 1, end="bias")
        y = self.op(gate, [y], y.shape, **({"alpha": 1 / 6} if gate == "HardSigmoid" else {}))
        return self.op("Mul", [y, x], x.shape, x.moment * GATE_MOMENT)

    def add(self, x, y, act=None):
        return self.activate(self.op("Add", [x, y], x.shape, x.moment + y.moment), act)

    def concat(self, values, axis=1):
        sizes = [v.shape[axis] for v in values]
        shape = (*values[0].shape[:axis], sum(sizes), *values[0].shape[axis + 1:])
        moment = sum(v.moment * size for v, size in zip(values, sizes)) / sum(sizes)
        return self.op("Concat", values, shape, moment, axis=axis)

    def flatten(self, x):
        return self.op("Flatten", [x], (x.shape[0], math.prod(x.shape[1:])), x.moment, axis=1)

    def gemm(self, x, features, act=None):
        weight = self.normal((features, x.shape[1]), (x.shape[1] * x.moment) ** -0.5)
        y = self.op("Gemm", [x, weight, self.normal((features,), 0.1)], (x.shape[0], features), transB=1)
        return self.activate(y, act)

    # Layers of transformers; features are the last dimension.

    def reshape(self, x, *shape):
        return self.op("Reshape", [x, np.array(shape, np.int64)], shape, x.moment)

    def transpose(self, x, *permutation):
        return self.op("Transpose", [x], [x.shape[p] for p in permutation], x.moment, perm=permutation)

    def split(self, x, parts, axis):
        """Equal parts."""
        shape = (*x.shape[:axis], x.shape[axis] // parts, *x.shape[axis + 1:])
        return self.op("Split", [x, np.full(parts, shape[axis], np.int64)], shape, x.moment, outputs=parts, axis=axis)

    def linear(self, x, features, act=None):
        weight = self.normal((x.shape[-1], features), (x.shape[-1] * x.moment) ** -0.5)
        product = self.op("MatMul", [x, weight], (*x.shape[:-1], features))
        return self.activate(self.op("Add", [self.normal((features,), 0.1), product], product.shape), act)

    def layer_norm(self, x, epsilon):
        inputs = [x, self.normal((x.shape[-1],), 0.1, 1.0), self.normal((x.shape[-1],), 0.1)]
        return self.op("LayerNormalization", inputs, x.shape, axis=-1, epsilon=epsilon)

    def attention(self, q, k, v, masked=None):
        """Of values [batch, heads, tokens, size], back to [batch, tokens, features]. masked: true where a key does not count."""
        batch, heads, tokens, size = q.shape
        q = self.op("Div", [q, np.float32(math.sqrt(size))], q.shape)
        scores = self.op("MatMul", [q, self.transpose(k, 0, 1, 3, 2)], (batch, heads, tokens, tokens))
        if masked is not None:
            scores = self.op("Where", [masked, np.float32(np.finfo(np.float32).min), scores], scores.shape)
        shares = self.op("Softmax", [scores], scores.shape, axis=-1)
        mixed = self.op("MatMul", [shares, v], q.shape, v.moment * AVERAGE_MOMENT)
        return self.reshape(self.transpose(mixed, 0, 2, 1, 3), batch, tokens, heads * size)
