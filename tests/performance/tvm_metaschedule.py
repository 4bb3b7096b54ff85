#!/usr/bin/env python3
"""TVM MetaSchedule as a peer on single operators: tunes them channels last with layout-free (packed) weights, and times the result.

    tvm_metaschedule.py tune OPS_DIR WORK_DIR NAME[,NAME...] [--trials 300] [--threads 2] [--seed 1]
    tvm_metaschedule.py time OPS_DIR WORK_DIR NAME [--threads 2] [--seconds 1]

OPS_DIR holds ops.json and models of one operator each, as make_ops.py writes them. `tune` leaves WORK_DIR/NAME/tune.json: seconds, trials
asked for, built and run. `time` prints the median of one process in ms. Needs python packages apache-tvm, apache-tvm-ffi, xgboost, psutil,
cloudpickle, onnx, numpy.

Convolutions of all kinds are topi.nn.conv in NHWC, or NWC and NDHWC, with weights HWIO; transposed ones in topi's only form, NCHW; all of
them with `layout_free_buffers`, so that the tuner packs the weights to suit the loops it finds.
"""
import argparse, json, os, statistics, sys, time

import numpy as np

SPATIAL = {1: "W", 2: "HW", 3: "DHW"}


def stand_in_for_intrinsics():
    """tvm.s_tir.tensor_intrin takes longer to import than a builder may live; of all its parts the rules for this target ask for x86's."""
    import importlib
    import importlib.util
    import types
    import tvm.s_tir as parent
    name = "tvm.s_tir.tensor_intrin"
    if name not in sys.modules:
        module = types.ModuleType(name)
        module.__path__ = list(importlib.util.find_spec(name).submodule_search_locations)
        sys.modules[name] = parent.tensor_intrin = module
        importlib.import_module(name + ".x86")


def read_op(ops_dir, name):
    import onnx
    from onnx import numpy_helper
    model = onnx.load(os.path.join(ops_dir, name + ".onnx"))
    node = model.graph.node[0]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    return node.op_type, attributes, shape, numpy_helper.to_array(model.graph.initializer[0]).astype(np.float32)


def prim_func(ops_dir, name):
    from tvm import te, topi
    op, attributes, shape, weight = read_op(ops_dir, name)
    n = len(shape) - 2
    if op == "MatMul":
        a, b = te.placeholder(shape, name="x"), te.placeholder(weight.shape, name="w")
        k = te.reduce_axis((0, shape[1]), "k")
        y = te.compute((shape[0], weight.shape[1]), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="y")
    elif op == "ConvTranspose":
        a, b = te.placeholder(shape, name="x"), te.placeholder(weight.shape, name="w")
        function = {2: topi.nn.conv2d_transpose_nchw, 3: topi.nn.conv3d_transpose_ncdhw}[n]
        y = function(a, b, attributes["strides"], attributes["pads"][:n], "float32", [0] * n)
    else:
        groups = attributes.get("group", 1)
        a = te.placeholder([shape[0]] + shape[2:] + [shape[1]], name="x")
        strides, pads, dilations = attributes["strides"], attributes["pads"], attributes["dilations"]
        if groups == shape[1] and groups > 1:
            b = te.placeholder(list(weight.shape[2:]) + [shape[1], 1], name="w")
            y = topi.nn.depthwise_conv2d_nhwc(a, b, strides, pads[:n], dilations)
        else:
            b = te.placeholder(list(weight.shape[2:]) + [weight.shape[1], weight.shape[0]], name="w")
            y = topi.nn.conv(a, b, strides, pads, dilations, groups, "N" + SPATIAL[n] + "C", SPATIAL[n] + "IO", "float32")
    return te.create_prim_func([a, b, y]).with_attr("layout_free_buffers", [1])


def operands(ops_dir, name):
    op, attributes, shape, weight = read_op(ops_dir, name)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    if op != "Conv":
        return x, weight
    n = len(shape) - 2
    last = [0] + list(range(2, n + 2)) + [1]
    taps = list(range(2, n + 2))
    depthwise = attributes.get("group", 1) == shape[1] and shape[1] > 1
    return (np.ascontiguousarray(x.transpose(last)),
            np.ascontiguousarray(weight.transpose(taps + ([0, 1] if depthwise else [1, 0]))))


def target(threads):
    import tvm
    flags = open("/proc/cpuinfo").read()
    cpu = "skylake-avx512" if "avx512f" in flags else "haswell"
    if "AuthenticAMD" in flags:
        cpu = "znver4" if "avx512f" in flags else "znver3"
    return tvm.target.Target({"kind": "llvm", "mcpu": cpu, "num-cores": threads})


def tune(a, name):
    stand_in_for_intrinsics()
    from tvm.s_tir import meta_schedule as ms
    folder = os.path.join(a.work, name)
    os.makedirs(folder, exist_ok=True)
    start = time.time()
    builder = ms.builder.LocalBuilder(max_workers=a.threads, initializer=stand_in_for_intrinsics)
    ms.tir_integration.tune_tir(mod=prim_func(a.ops, name), target=target(a.threads), work_dir=folder, max_trials_global=a.trials,
                                num_trials_per_iter=min(32, a.trials), num_tuning_cores=a.threads, seed=a.seed, builder=builder)
    ran = sum(1 for line in open(os.path.join(folder, "database_tuning_record.json")) if '1e+10' not in line and '1e10' not in line)
    result = {"name": name, "seconds": time.time() - start, "trials": a.trials, "ran": ran}
    json.dump(result, open(os.path.join(folder, "tune.json"), "w"))
    print(json.dumps(result), flush=True)


def time_one(a, name):
    os.environ["TVM_NUM_THREADS"] = str(a.threads)
    stand_in_for_intrinsics()
    import tvm
    from tvm.s_tir import meta_schedule as ms
    from tvm.s_tir.transform import RemoveWeightLayoutRewriteBlock
    database = ms.database.JSONDatabase(work_dir=os.path.join(a.work, name))
    schedule = ms.tir_integration.compile_tir(database, prim_func(a.ops, name), target(a.threads))
    if schedule is None:
        raise SystemExit(f"{name}: no tuned record in {a.work}")
    # Timed with the weights already in the layout that was found, as packed constants are.
    module = RemoveWeightLayoutRewriteBlock(skip_tensor_rewrite=True)(schedule.mod)
    function = module["main"]
    shapes = [tuple(int(d) for d in p.shape) for p in function.params]
    run = tvm.compile(module, target=target(a.threads))["main"]
    x, w = operands(a.ops, name)
    arguments = [tvm.runtime.tensor(v) for v in (x.reshape(shapes[0]), np.resize(w, shapes[1]), np.zeros(shapes[2], np.float32))]
    for _ in range(5):
        run(*arguments)
    samples, end = [], time.time() + a.seconds
    while time.time() < end or len(samples) < 20:
        begin = time.perf_counter()
        run(*arguments)
        samples.append((time.perf_counter() - begin) * 1e3)
    print(statistics.median(samples))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["tune", "time"])
    parser.add_argument("ops"), parser.add_argument("work"), parser.add_argument("names")
    parser.add_argument("--trials", type=int, default=300), parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1), parser.add_argument("--seconds", type=float, default=1.0)
    a = parser.parse_args()
    for name in a.names.split(","):
        (tune if a.command == "tune" else time_one)(a, name)


if __name__ == "__main__":
    main()
