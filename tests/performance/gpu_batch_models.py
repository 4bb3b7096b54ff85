#!/usr/bin/env python3
"""The same networks at another batch: rewrites ONNX files that were exported with batch 1.

    gpu_batch_models.py --batch 16 --out DIR [--check] MODEL.onnx ...

The first dimension of inputs and outputs becomes the batch, and so does what an exporter wrote into the graph as constants: the
leading 1 of shapes that tensors are reshaped or expanded to, and the index of the one sample in attention masks. Everything else
is left to broadcasting. --check runs both files in ONNX Runtime: each sample's outputs must be those of the file with batch 1.
Needs onnx and numpy; --check also onnxruntime.
"""
import argparse, os, sys
import numpy as np, onnx
from onnx import numpy_helper

RESHAPING = {"Reshape": 1, "Expand": 1}  # operator -> which input is the shape
THROUGH = {"Where", "Equal", "Concat", "Identity", "Cast"}  # what exporters put between a constant shape and its use


def constants_of(graph):
    """Name -> the tensor, of integer constants."""
    found = {t.name: t for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = node.attribute[0].t
    return {name: t for name, t in found.items() if t.data_type == onnx.TensorProto.INT64}


def shape_names(graph):
    """Values that reach the shape input of a Reshape or Expand."""
    maker = {output: node for node in graph.node for output in node.output}
    open_names = [node.input[RESHAPING[node.op_type]] for node in graph.node if node.op_type in RESHAPING]
    seen = set()
    while open_names:
        name = open_names.pop()
        if name in seen:
            continue
        seen.add(name)
        node = maker.get(name)
        if node is not None and node.op_type in THROUGH:
            open_names += node.input
    return seen


def sample_indices(graph, constants):
    """Constants of one zero that are multiplied with an extent: the index of the only sample, times its size."""
    maker = {output: node for node in graph.node for output in node.output}

    def is_extent(name):
        node = maker.get(name)
        return node is not None and (node.op_type == "Shape" or (node.op_type == "Gather" and is_extent(node.input[0])))

    for node in graph.node:
        if node.op_type == "Mul" and any(is_extent(name) for name in node.input):
            for name in node.input:
                if name in constants and not numpy_helper.to_array(constants[name]).any():
                    yield name


def with_batch(model, batch):
    """Changes the model, which must have batch 1, and returns it. ValueError if its batch is another."""
    graph = model.graph
    initializers = {t.name for t in graph.initializer}
    for value in [v for v in graph.input if v.name not in initializers] + list(graph.output):
        dim = value.type.tensor_type.shape.dim[0]
        if dim.dim_value != 1:
            raise ValueError(f"{value.name}: the first dimension is {dim.dim_value or dim.dim_param}, not 1")
        dim.dim_value = batch
    constants = constants_of(graph)
    indices = set(sample_indices(graph, constants))
    for name in indices:
        index = np.arange(batch, dtype=np.int64)
        shape = (batch,) + (1,) * (len(constants[name].dims) - 1)
        constants[name].CopyFrom(numpy_helper.from_array(index.reshape(shape), constants[name].name))
    for name in shape_names(graph) - indices:
        if name not in constants:
            continue
        shape = numpy_helper.to_array(constants[name]).copy()
        if shape.ndim == 1 and shape.size > 1 and shape[0] == 1:
            shape[0] = batch
            constants[name].CopyFrom(numpy_helper.from_array(shape, constants[name].name))
    del graph.value_info[:]
    return model


def random_feeds(session, seed=1):
    rng, feeds = np.random.default_rng(seed), {}
    for value in session.get_inputs():
        if value.type == "tensor(float)":
            feeds[value.name] = rng.standard_normal(value.shape, dtype=np.float32)
        else:
            high = 2 if "mask" in value.name else 1000
            feeds[value.name] = rng.integers(0, high, value.shape)
    return feeds


def difference(single, batched):
    """Largest relative L2 of a sample's outputs in the batch to the same sample alone."""
    import onnxruntime
    one, many = (onnxruntime.InferenceSession(f, providers=["CPUExecutionProvider"]) for f in (single, batched))
    feeds, worst = random_feeds(many), 0.0
    together = many.run(None, feeds)
    for sample in range(len(together[0])):
        alone = one.run(None, {name: value[sample:sample + 1] for name, value in feeds.items()})
        for a, b in zip(alone, together):
            worst = max(worst, float(np.linalg.norm(a[0] - b[sample]) / np.linalg.norm(a[0])))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+"), parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--out", required=True), parser.add_argument("--check", action="store_true")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    wrong = 0
    for path in a.models:
        out = os.path.join(a.out, os.path.basename(path))
        onnx.save(with_batch(onnx.load(path), a.batch), out)
        line = out
        if a.check:
            worst = difference(path, out)
            wrong += not worst < 1e-5
            line += f"  relative L2 to single samples at most {worst:.2g}"
        print(line, flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
