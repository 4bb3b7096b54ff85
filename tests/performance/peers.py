#!/usr/bin/env python3
"""ONNX Runtime and OpenVINO on the CPU: the virtual environment that holds them, and one round of one of them.

    peers.py ENGINE MODEL INPUTS.npz [--threads 2] [--seconds 1] [--shape NAME=VALUE]... [--outputs FILE.npz]

prints as JSON one round's median latency in ms, resident memory in MB (of the whole process, and before the engine was there), and
the time that loading the model took, the engine's import included.
"""
import argparse, json, os, statistics, subprocess, sys, time

PACKAGES = ["numpy", "onnx", "onnxruntime", "openvino", "matplotlib"]


def environment(folder):
    """Python of a virtual environment with the peers, made from PyPI where it is not there."""
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    if subprocess.run([python, "-c", "import " + ", ".join(PACKAGES)], capture_output=True).returncode != 0:
        subprocess.run([python, "-m", "pip", "install", "--quiet"] + PACKAGES, check=True)
    return python


def feeds_of(path, shapes={"batch": "4", "sequence": "96"}):
    """Seeded inputs by name. `shapes`: of inputs ("1x3x224x224") and of dimensions that the model leaves open ("4"), else 1."""
    import numpy as np, onnx
    model, rng, feeds = onnx.load(path, load_external_data=False), np.random.default_rng(1), {}
    constants = {i.name for i in model.graph.initializer}
    for value in model.graph.input:
        if value.name in constants:
            continue
        shape = [d.dim_value or int(shapes.get(d.dim_param, 1)) for d in value.type.tensor_type.shape.dim]
        if value.name in shapes:
            shape = [int(extent) for extent in shapes[value.name].split("x")]
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            feeds[value.name] = np.ones(shape, np.int64) if "mask" in value.name else rng.integers(0, 1000, shape)
        else:
            feeds[value.name] = rng.standard_normal(shape).astype(np.float32)
    return feeds


def onnxruntime_runner(path, threads, feeds, shapes):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    for name, value in shapes.items():
        if name not in feeds:
            options.add_free_dimension_override_by_name(name, int(value))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return [o.name for o in session.get_outputs()], lambda: session.run(None, feeds)


def openvino_runner(path, threads, feeds, shapes):
    import openvino
    core = openvino.Core()
    model = core.read_model(path)
    if model.is_dynamic():
        model.reshape({name: list(value.shape) for name, value in feeds.items()})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                                 "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    names = [output.get_any_name() for output in compiled.outputs]
    return names, lambda: list(request.infer(feeds, share_inputs=True, share_outputs=True).values())


PEERS = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


def resident_mb():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=PEERS), parser.add_argument("model"), parser.add_argument("inputs")
    parser.add_argument("--threads", type=int, default=2), parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--shape", action="append", default=[]), parser.add_argument("--outputs")
    a = parser.parse_args()
    import numpy as np
    feeds = dict(np.load(a.inputs))
    before = resident_mb()
    start = time.perf_counter()
    names, run = PEERS[a.engine](a.model, a.threads, feeds, dict(s.split("=", 1) for s in a.shape))
    ready_ms = (time.perf_counter() - start) * 1e3
    for _ in range(3):
        outputs = run()
    if a.outputs:
        np.savez(a.outputs, **{name: np.array(value) for name, value in zip(names, outputs)})
    times, end = [], time.time() + a.seconds
    while time.time() < end or len(times) < 8:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps({"ms": statistics.median(times), "resident_mb": resident_mb(), "before_mb": before, "ready_ms": ready_ms}))


if __name__ == "__main__":
    main()
