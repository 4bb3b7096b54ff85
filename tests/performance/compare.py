#!/usr/bin/env python3
"""Latency of ONNX files in libaltrt and in ONNX Runtime and OpenVINO, in one run on this machine.

    compare.py [--altrt build/bin/altrt] [--threads 2] [--rounds 7] [--seconds 1] [--budget 0] [--providers own]
               [--also NAME=OPTIONS]... MODEL.onnx ...

Engines alternate; every round of every engine runs in a process of its own (an idle engine's spinning threads slow the next one down).
--budget 60s tunes each model first, into --cache. --also adds libaltrt once more, with options of the tool that come last and win:
--also "untuned=--cache none", --also "both=--providers own,onednn". --peers "" leaves the peers out; they come from PyPI:
python3 -m venv V && V/bin/pip install onnx onnxruntime openvino.
Prints a Markdown table: median over rounds of each round's median, and the ratio of each engine's to the first one's with its bootstrap
90 % interval.
"""
import argparse, json, os, random, shlex, statistics, subprocess, sys, tempfile, time


def feeds_of(path, batch_of={"batch": 4, "sequence": 96}):
    import numpy as np, onnx
    model, rng, feeds = onnx.load(path, load_external_data=False), np.random.default_rng(1), {}
    constants = {i.name for i in model.graph.initializer}
    for value in model.graph.input:
        if value.name in constants:
            continue
        shape = [d.dim_value or batch_of.get(d.dim_param, 1) for d in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            feeds[value.name] = np.ones(shape, np.int64) if "mask" in value.name else rng.integers(0, 1000, shape)
        else:
            feeds[value.name] = rng.standard_normal(shape).astype(np.float32)
    return feeds


def onnxruntime_runner(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def openvino_runner(path, threads):
    import openvino
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                                                 "INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    return lambda feeds: request.infer(feeds, share_inputs=True, share_outputs=True)


PEERS = {"onnxruntime": onnxruntime_runner, "openvino": openvino_runner}


def peer_round(engine, path, threads, seconds):
    run, feeds, times = PEERS[engine](path, threads), feeds_of(path), []
    for _ in range(3):
        run(feeds)
    end = time.time() + seconds
    while time.time() < end or len(times) < 8:
        start = time.perf_counter()
        run(feeds)
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def options_of(engine, a):
    """Of the tool, for one of our own engines. A later option takes the place of an earlier one."""
    chosen = {"--threads": str(a.threads), "--cache": a.cache, "--providers": a.providers}
    words = shlex.split(a.ours[engine])
    for name, value in zip(words[::2], words[1::2]):
        chosen[name] = value
    return [word for pair in chosen.items() for word in pair] + [f"--shape={s}" for s in a.shape]


def measure(engine, path, a):
    """Median latency in ms of one round in a fresh process."""
    if engine in PEERS:
        command = [sys.executable, __file__, "--round", engine, "--threads", str(a.threads), "--seconds", str(a.seconds), path]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1])
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [a.altrt, "bench", path, "--seconds", str(a.seconds), "--json", out.name] + options_of(engine, a)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        result = json.load(open(out.name))
        a.shares[engine] = result["provider_share"]
        return result["latency_ms"]["median"]


def interval(ours, peer, rng):
    """Bootstrap 90 % interval of median(peer) / median(ours)."""
    ratios = sorted(statistics.median(rng.choices(peer, k=len(peer))) / statistics.median(rng.choices(ours, k=len(ours)))
                    for _ in range(2000))
    return ratios[100], ratios[1899]


def compare(path, engines, a):
    for engine in a.ours:
        options = options_of(engine, a)
        if a.budget != "0" and options[options.index("--cache") + 1] != "none":
            subprocess.run([a.altrt, "tune", path, "--budget", a.budget] + options, check=True, stdout=subprocess.DEVNULL)
    times = {engine: [] for engine in engines}
    for _ in range(a.rounds):
        for engine in engines:
            times[engine].append(measure(engine, path, a))
    rng, cells = random.Random(0), [os.path.basename(path), f"{statistics.median(times['altrt']):.3f}"]
    for engine in engines[1:]:
        low, high = interval(times["altrt"], times[engine], rng)
        ratio = statistics.median(times[engine]) / statistics.median(times["altrt"])
        cells.append(f"{statistics.median(times[engine]):.3f}, {ratio:.2f} ({low:.2f} to {high:.2f})")
    shares = "; ".join(f"{engine} " + ", ".join(f"{p} {share:.0%}" for p, share in a.shares[engine].items()) for engine in a.ours)
    print("| " + " | ".join(cells + [shares]) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+"), parser.add_argument("--round", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--altrt", default="build/bin/altrt"), parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7), parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--budget", default="0"), parser.add_argument("--cache", default="none")
    parser.add_argument("--providers", default="own"), parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--peers", default="onnxruntime,openvino"), parser.add_argument("--also", action="append", default=[])
    a = parser.parse_args()
    if a.round:
        return print(peer_round(a.round, a.models[0], a.threads, a.seconds))
    a.ours, a.shares = {"altrt": ""} | dict(also.split("=", 1) for also in a.also), {}
    engines = list(a.ours) + [peer for peer in a.peers.split(",") if peer]
    print(f"{a.threads} threads, {a.rounds} rounds of {a.seconds} s, budget {a.budget}, providers {a.providers}\n")
    print("| model | libaltrt ms | " + " | ".join(f"{e} ms, ratio to ours (90 % interval)" for e in engines[1:]) + " | time by provider |")
    print("| --- " * (len(engines) + 2) + "|")
    for path in a.models:
        compare(path, engines, a)


if __name__ == "__main__":
    main()
