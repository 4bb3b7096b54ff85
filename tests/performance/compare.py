#!/usr/bin/env python3
"""Latency, memory and accuracy of ONNX files in libaltrt, ONNX Runtime and OpenVINO, in one run on this machine.

    compare.py [--altrt build/bin/altrt] [--work DIR] [--threads 2,1] [--rounds 7] [--seconds 1] [--budget 0]
               [--providers own,onednn] [--also NAME=OPTIONS]... [--shape NAME=VALUE,...]... [--batch 1,8]
               [--peers onnxruntime,openvino] [--distance build/bin/altrt_core_distance] [--accuracy] [--png FILE] MODEL.onnx ...

Engines alternate; every round of every engine runs in a process of its own (an idle engine's spinning threads slow the next one down).
The peers come from PyPI, into a virtual environment (--venv, default DIR/venv) that is made once. --peers "" leaves them out.
--budget 60s tunes each model first, into --cache (default DIR/cache); what is timed are later starts, from the cache. --also adds
libaltrt once more, with options of the tool that come last and win: --also "untuned=--cache none", --also "own=--providers own",
--also "strict=--numerics strict", --also "lean=--memory lean".
--shape fixes symbolic dimensions and inputs of all engines, one row for each --shape; --batch rewrites models of batch 1 for others.
--accuracy compares outputs with those of the graph run in double precision (reference.py), once with the model's weights and once with
scales of channels spread over three decades and outliers (tuned in the same way).
--distance asks that program before and after each round how far the cores are apart. Virtual machines are moved: rounds in which they
were are repeated, and there are tables for each place ("near", "far") with the models for which every engine had at least three there.
What is measured goes to DIR/results.json at once: the same command goes on where it was stopped, and with --table it measures nothing.

Prints Markdown tables: median over rounds of each round's median, best peer / ours with its bootstrap 90 % interval, geometric means,
resident memory and time until ready, errors. --png draws the ratios.
"""
import argparse, json, os, shlex, subprocess, sys, tempfile

import figures, peers, tool
from peers import PEERS, feeds_of

HERE = os.path.dirname(os.path.abspath(__file__))


def options_of(engine, case, a):
    """Of the tool, for one of our own engines. A later option takes the place of an earlier one."""
    chosen = {"--threads": str(case["threads"]), "--cache": a.cache, "--providers": a.providers}
    words = shlex.split(a.ours[engine])
    for name, value in zip(words[::2], words[1::2]):
        chosen[name] = value
    return [word for pair in chosen.items() for word in pair] + [f"--shape={s}" for s in case["shapes"]]


def measure_ours(engine, case, a):
    with tempfile.TemporaryDirectory() as folder:
        options = options_of(engine, case, a) + ["--inputs", case["inputs"]]
        result = tool.bench(a.altrt, case["path"], None, a.seconds, os.path.join(folder, "bench.json"), options)
    return {"ms": result["latency_ms"]["median"], "resident_mb": result["resident_mb"], "ready_ms": result["load_ms"],
            "share": result["provider_share"]}


def measure_peer(engine, case, a, outputs=None):
    command = [sys.executable, os.path.join(HERE, "peers.py"), engine, case["path"], case["inputs"], "--threads", str(case["threads"])]
    command += ["--seconds", str(a.seconds)] + [f"--shape={s}" for s in case["shapes"]] + (["--outputs", outputs] if outputs else [])
    result = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])
    return {"ms": result["ms"], "resident_mb": result["resident_mb"] - result["before_mb"], "ready_ms": result["ready_ms"]}


def error_of(engine, case, a):
    import numpy as np, reference
    exact_file = os.path.join(a.work, "exact", case["key"] + ".npz")
    if not os.path.exists(exact_file):
        os.makedirs(os.path.dirname(exact_file), exist_ok=True)
        exact = reference.run_in_double(case["path"], dict(np.load(case["inputs"])))
        np.savez(exact_file + ".part.npz", **exact)
        os.rename(exact_file + ".part.npz", exact_file)
    with tempfile.TemporaryDirectory() as folder:
        if engine in PEERS:
            measure_peer(engine, case, a, os.path.join(folder, "outputs.npz"))
            outputs = dict(np.load(os.path.join(folder, "outputs.npz")))
        else:
            outputs = tool.run(a.altrt, case["path"], folder, options_of(engine, case, a) + ["--inputs", case["inputs"]])
        return reference.error(outputs, dict(np.load(exact_file)))


def scaled(case, a):
    """The same case with weights that are hard to be accurate with."""
    import reference
    path = os.path.join(a.work, "scaled", case["key"] + ".onnx")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        reference.with_scaled_weights(case["path"], path)
    return case | {"path": path, "key": case["key"] + "-scaled"}


def prepare(engine, case, a):
    """Tunes, and starts once so that later starts come from the cache."""
    options = options_of(engine, case, a)
    if options[options.index("--cache") + 1] == "none":
        return
    if a.budget != "0":
        subprocess.run([a.altrt, "tune", case["path"], "--budget", a.budget] + options, check=True, stdout=subprocess.DEVNULL)
    measure_ours(engine, case, a)


def measure_in_place(engine, case, a):
    """In a round during which the cores stayed where they were."""
    measured, place = tool.in_place(a.distance, lambda: (measure_peer if engine in PEERS else measure_ours)(engine, case, a))
    return measured | {"place": place}


def measure(case, a, save):
    """Adds what is missing to case["engines"]; `save` is called after each step."""
    for engine in a.ours:
        result, options = case["engines"].setdefault(engine, {"ms": []}), options_of(engine, case, a)
        if result.setdefault("options", options) != options:
            raise SystemExit(f"{a.results}: {engine} of {case['label']} was measured with {' '.join(result['options'])}")
        if result.get("budget") != a.budget:
            prepare(engine, case, a)
            result["budget"] = a.budget
            save()
    engines = list(a.ours) + a.peers
    for turn in range(a.rounds):
        for engine in engines:
            result = case["engines"].setdefault(engine, {"ms": []})
            if len(result["ms"]) > turn:
                continue
            measured = measure_in_place(engine, case, a)
            for name in ("ms", "resident_mb", "ready_ms", "place"):
                result.setdefault(name, []).append(measured[name])
            result["share"] = measured.get("share", {})
            save()
    for engine in engines if a.accuracy else []:
        result = case["engines"][engine]
        for name, weights in {"error": case, "scaled_error": scaled(case, a)}.items():
            if name not in result:
                if engine in a.ours and weights is not case:
                    prepare(engine, weights, a)  # other weights are another model
                result[name] = error_of(engine, weights, a)
                save()


def batched(path, batch, a):
    """The file with another batch."""
    import onnx
    from gpu_batch_models import with_batch
    out = os.path.join(a.work, f"batch{batch}", os.path.basename(path))
    if not os.path.exists(out):
        os.makedirs(os.path.dirname(out), exist_ok=True)
        onnx.save(with_batch(onnx.load(path), int(batch)), out)
    return out


def cases_of(a):
    """Rows in order: label -> what to run."""
    cases = {}
    for threads in a.threads.split(","):
        for path in a.models:
            for shape in a.shape or [""]:
                for batch in a.batch.split(","):
                    shapes = [s for s in shape.split(",") if s]
                    name = " ".join([os.path.splitext(os.path.basename(path))[0]] + shapes + ([f"batch {batch}"] if batch != "1" else []))
                    key = name.replace(" ", "-").replace("/", "_")
                    label, file = f"{key}-{threads}-threads", os.stat(path)
                    if label in cases:
                        raise SystemExit(f"two models are called {name}")
                    cases[label] = {"name": name, "key": key, "label": label, "threads": int(threads), "shapes": shapes, "engines": {},
                                    "path": path if batch == "1" else batched(path, batch, a), "file": [file.st_size, file.st_mtime]}
    return cases


def make_inputs(case, a):
    import numpy as np
    case["inputs"] = os.path.join(a.work, "inputs", case["key"] + ".npz")
    if not os.path.exists(case["inputs"]):
        os.makedirs(os.path.dirname(case["inputs"]), exist_ok=True)
        np.savez(case["inputs"], **feeds_of(case["path"], dict(s.split("=", 1) for s in case["shapes"])))


def rows_at(place, cases):
    """What was measured while the cores were there; "" without --distance."""
    rows = []
    for case in cases:
        chosen = {}
        for engine, result in case["engines"].items():
            at = [i for i, p in enumerate(result["place"]) if p == place]
            chosen[engine] = result | {name: [result[name][i] for i in at] for name in ("ms", "resident_mb", "ready_ms")}
        if all(len(result["ms"]) >= (3 if place else 1) for result in chosen.values()):
            rows.append(case | {"engines": chosen})
    return rows


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+"), parser.add_argument("--altrt", default="build/bin/altrt")
    parser.add_argument("--work", default="build/compare"), parser.add_argument("--venv"), parser.add_argument("--cache")
    parser.add_argument("--threads", default="2"), parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0), parser.add_argument("--budget", default="0")
    parser.add_argument("--providers", default="own,onednn"), parser.add_argument("--also", action="append", default=[])
    parser.add_argument("--shape", action="append", default=[]), parser.add_argument("--batch", default="1")
    parser.add_argument("--peers", default="onnxruntime,openvino"), parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--distance"), parser.add_argument("--table", action="store_true"), parser.add_argument("--png")
    a = parser.parse_args()
    a.venv, a.cache = a.venv or os.path.join(a.work, "venv"), a.cache or os.path.join(a.work, "cache")
    a.ours, a.peers = {"altrt": ""} | dict(also.split("=", 1) for also in a.also), [peer for peer in a.peers.split(",") if peer]
    a.results = os.path.join(a.work, "results.json")
    return a


def main():
    a = arguments()
    python = peers.environment(a.venv)
    if os.path.realpath(sys.prefix) != os.path.realpath(a.venv):
        os.execv(python, [python] + sys.argv)
    os.makedirs(a.work, exist_ok=True)
    cases = cases_of(a)
    stored = json.load(open(a.results)) if os.path.exists(a.results) else {}
    for label, case in cases.items():
        if stored.get(label, case)["file"] != case["file"]:
            raise SystemExit(f"{a.results}: {case['path']} has changed since it was measured")
        case["engines"] = stored.get(label, case)["engines"]
        stored[label] = case

    def save():
        with open(a.results + ".part", "w") as file:
            json.dump(stored, file, indent=1)
        os.rename(a.results + ".part", a.results)

    for case in cases.values() if not a.table else []:
        make_inputs(case, a)
        measure(case, a, save)
        print(f"{case['label']} measured", file=sys.stderr, flush=True)
    print(f"{a.rounds} rounds of {a.seconds} s, budget {a.budget}, providers {a.providers}\n")
    drawn = False
    for place in ("", "near", "far"):
        rows = rows_at(place, cases.values())
        if not rows:
            continue
        print(f"With {place} cores:\n" if place else "")
        figures.print_tables(rows, list(a.ours), a.peers)
        print()
        if a.png and not drawn:
            figures.draw(rows, list(a.ours), a.peers, a.png)
        drawn = True


if __name__ == "__main__":
    main()
