#!/usr/bin/env python3
"""Latency of five networks on an NVIDIA GPU: libaltrt's CUDA session against PyTorch eager, in one run.

    python3 make_models.py MODELS resnet18 mobilenet_v2 bert_tiny r3d_18 bert_base
    compare_gpu.py MODELS [--batch 1,16] [--networks resnet18,...] [--rounds 5] [--seconds 0.5] [--budget 0]
                   [--cache DIR] [--peers eager,graph] [--limit S] [--json FILE]

MODELS holds NAME.onnx with batch 1: torchvision's resnet18, mobilenet_v2 and r3d_18 (input 3x8x112x112), transformers' BertModel
without pooler (2 layers of 128, 12 of 768; 128 tokens) as PyTorch's exporter writes them. Other batches are made of them by
gpu_batch_models.py, into MODELS/batchN. Needs onnx, numpy, torch, torchvision, transformers, and an altrt built here or brought
along (--altrt; with the folder of its libraries in LD_LIBRARY_PATH). With onnxruntime the outputs are compared first, bound
1e-4, and a network that fails is not timed.

Both sides compute in fp32 without TF32. PyTorch: the same architectures with random weights (time does not depend on them),
inference_mode, cudnn.benchmark on, NCHW, no torch.compile; attention is what transformers chooses, scaled_dot_product_attention
without a mask, since it finds ones only in the mask (libaltrt computes it); peer "graph" is the same in a CUDA graph, mask and all.
libaltrt: untuned, and with --budget 20s tuned as well, each network at most so long; --cache keeps what was found in DIR/tuned and
a DIR/tuned that is there is used.

Memory "device": inputs and outputs stay in the GPU's memory, time from the call until the GPU is done. Memory "host": inputs lie in
pageable host memory and outputs end there. Engines alternate and change places every round; every network of libaltrt is timed in
a process of its own in every round, PyTorch's networks together in one, since its start takes longer than a round.
Prints a Markdown table: median over rounds of each round's median, and the ratio of each engine's to the first one's with its
bootstrap 90 % interval. --device cpu tries the script itself out on a machine without a GPU.
"""
import argparse, json, os, shlex, statistics, subprocess, sys, tempfile, time

from figures import ratio
from peers import feeds_of
from gpu_batch_models import with_batch

NETWORKS = ["resnet18", "mobilenet_v2", "bert_tiny", "r3d_18", "bert_base"]
PEERS = {"eager": "PyTorch eager", "graph": "PyTorch, CUDA graph"}
WARM_SECONDS = 0.2  # at least, beside three runs: clocks rise


# --- PyTorch: one process a round ---

def bert(layers, hidden):
    import transformers
    config = transformers.BertConfig(vocab_size=30522, hidden_size=hidden, num_hidden_layers=layers,
                                     num_attention_heads=hidden // 64, intermediate_size=4 * hidden, hidden_act="gelu",
                                     layer_norm_eps=1e-12, max_position_embeddings=512, type_vocab_size=2)
    return transformers.AutoModel.from_config(config, add_pooling_layer=False)


def torch_model(name):
    if name.startswith("bert"):
        return bert(*{"bert_tiny": (2, 128), "bert_base": (12, 768)}[name])
    import torchvision
    family = torchvision.models.video if name == "r3d_18" else torchvision.models
    return getattr(family, name)(weights=None)


def torch_call(name, device):
    """The network as a function of its inputs in the order of the file."""
    import torch
    with torch.device(device):
        model = torch_model(name).eval()
    if name.startswith("bert"):
        return lambda ids, mask: model(input_ids=ids, attention_mask=mask).last_hidden_state
    return model


def captured(call, inputs):
    """`call` as a CUDA graph: a function that takes inputs of the same shapes, or none to use those before."""
    import torch
    static = [value.clone() for value in inputs]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call(*static)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = call(*static)

    def run(*given):
        for to, value in zip(static, given):
            to.copy_(value)
        graph.replay()
        return output
    return run


def times_of(run, seconds):
    """Median in ms; `run` returns when all is done."""
    count, end = 0, time.perf_counter() + WARM_SECONDS
    while count < 3 or time.perf_counter() < end:
        run()
        count += 1
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 8:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def torch_times(peer, case, device, seconds):
    """ms by memory of one network at one batch."""
    import numpy as np, torch
    with np.load(case["inputs"]) as file:
        host = [torch.from_numpy(file[name]) for name in case["input_names"]]
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    here, call = [value.to(device) for value in host], torch_call(case["network"], device)
    shape = list(call(*here).shape)
    if shape != case["output_shape"]:
        raise ValueError(f"{case['network']}: PyTorch's output is {shape}, the file's {case['output_shape']}")
    if peer == "graph":
        call, here, source = captured(call, here), [], here
        call(*source)

    def on_device():
        call(*here)
        wait()

    def from_host():
        call(*(host if peer == "graph" else [value.to(device) for value in host])).cpu()
    return {"device": times_of(on_device, seconds), "host": times_of(from_host, seconds)}


def torch_round(a):
    """Reads cases from standard input, writes one line of JSON."""
    import torch
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    about, results = f"PyTorch {torch.__version__}", []
    if a.device == "cuda":
        about = f"{torch.cuda.get_device_name()}; {about}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    with torch.inference_mode():
        for case in json.load(sys.stdin):
            try:
                results.append(torch_times(a.round, case, a.device, a.seconds))
            except Exception as error:  # one network's trouble, such as a capture that fails, is not the others'
                results.append({"trouble": f"{type(error).__name__}: {error}".splitlines()[0]})
            if a.device == "cuda":
                torch.cuda.empty_cache()
    print(json.dumps({"about": about, "results": results}))


# --- Cases: a network at a batch ---

def make_case(name, batch, a):
    """Files of one network at one batch; None, with a word why, where there is no model."""
    import numpy as np, onnx
    path = os.path.join(a.models, name + ".onnx")
    if batch != 1:
        single, path = path, os.path.join(a.models, f"batch{batch}", name + ".onnx")
        if os.path.exists(single) and not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            onnx.save(with_batch(onnx.load(single), batch), path)
    if not os.path.exists(path):
        print(f"{name}, batch {batch}: left out, there is no {path}", flush=True)
        return None
    feeds = feeds_of(path)
    inputs = os.path.join(a.scratch, f"{name}.{batch}.inputs.npz")
    np.savez(inputs, **feeds)
    output = onnx.load(path, load_external_data=False).graph.output[0]
    shape = [d.dim_value for d in output.type.tensor_type.shape.dim]
    if not batch == shape[0] == next(iter(feeds.values())).shape[0]:
        raise SystemExit(f"{path} does not have batch {batch}")
    return {"network": name, "batch": batch, "path": path, "inputs": inputs, "input_names": list(feeds), "output_shape": shape}


def tool(a, command, case, engine, *more):
    options = ["--device", a.device, "--cache", os.path.join(a.cache, engine), *shlex.split(a.options), *more]
    return [a.altrt, command, case["path"], *options]


def run_tool(command):
    """Standard output. RuntimeError with the last lines of what the tool says."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise RuntimeError(f"exit {done.returncode}: {' / '.join(lines[-2:])}")
    return done.stdout


def answers_fit(case, a):
    """Compares every engine's outputs with ONNX Runtime's. Compiles into the caches on the way."""
    if a.no_check:
        return True
    try:
        import numpy as np, onnxruntime
    except ImportError:
        return True
    session = onnxruntime.InferenceSession(case["path"], providers=["CPUExecutionProvider"])
    with np.load(case["inputs"]) as file:
        outputs = session.run(None, dict(file))
    reference = case["inputs"].replace(".inputs.", ".outputs.")
    np.savez(reference, **{o.name: value for o, value in zip(session.get_outputs(), outputs)})
    fits = True
    for engine in a.engines:
        try:
            said = run_tool(tool(a, "compare", case, engine, "--inputs", case["inputs"], "--reference", reference)).strip()
        except RuntimeError as error:
            said = a.troubles[case["network"], case["batch"], engine] = str(error)
            fits = False
        print(f"{case['network']}, batch {case['batch']}, {engine}: {said}", flush=True)
    os.remove(reference)
    return fits


# --- Rounds ---

def altrt_times(case, engine, memory, a):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        more = ["--io", memory] if a.has_io else []
        run_tool(tool(a, "bench", case, engine, "--inputs", case["inputs"], "--seconds", str(a.seconds), "--json", out.name, *more))
        result = json.load(open(out.name))
    a.about["libaltrt"] = result.get("device_name", result["device"])
    return result["latency_ms"]["median"], sum(kernel["ms"] for kernel in result["kernels"])


def one_round(engine, cases, a):
    """Adds to a.times[network, batch, memory][engine]."""
    if engine in PEERS:
        command = [sys.executable, __file__, a.models, "--round", engine, "--device", a.device, "--seconds", str(a.seconds)]
        done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{PEERS[engine]}:\n{done.stderr}")
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        a.about["PyTorch"] = answer["about"]
        rows = zip(cases, answer["results"])
    else:
        rows = ((case, altrt_row(case, engine, a)) for case in cases)
    for case, row in rows:
        if "trouble" in row:
            a.troubles[case["network"], case["batch"], engine] = row["trouble"]
            continue
        for memory in a.memories:
            a.times.setdefault((case["network"], case["batch"], memory), {}).setdefault(engine, []).append(row[memory])


def altrt_row(case, engine, a):
    row = {}
    try:
        for memory in a.memories:
            row[memory], kernels = altrt_times(case, engine, memory, a)
            a.kernels.setdefault((case["network"], case["batch"]), {}).setdefault(engine, []).append(kernels)
    except RuntimeError as error:
        return {"trouble": str(error)}
    return row


def cell(times, first):
    if not times:
        return "-"
    text = f"{statistics.median(times):.3f}"
    if first is None:
        return text
    middle, low, high = ratio([(first, [times])])
    return f"{text}, {middle:.2f} ({low:.2f} to {high:.2f})"


def print_table(cases, a):
    engines = list(a.engines) + a.peers
    titles = [f"{PEERS.get(engine, 'libaltrt ' + engine)} ms" for engine in engines]
    titles[1:] = [title + ", ratio to the first (90 % interval)" for title in titles[1:]]
    print("\n" + "; ".join(f"{side}: {text}" for side, text in a.about.items()) + f"; {a.done} rounds of {a.seconds} s\n")
    print("| network | batch | memory | " + " | ".join(titles) + " |\n" + "| --- " * (len(engines) + 3) + "|")
    for case in cases:
        for memory in a.memories:
            times = a.times.get((case["network"], case["batch"], memory), {})
            first = times.get(engines[0])
            cells = [cell(times.get(engines[0]), None)] + [cell(times.get(e), first) for e in engines[1:]]
            print("| " + " | ".join([case["network"], str(case["batch"]), memory, *cells]) + " |")
    for (network, batch, engine), why in a.troubles.items():
        print(f"\n{network}, batch {batch}, {engine}: {why}")
    if not a.has_io:
        print("\nThis altrt keeps inputs and outputs of bench in host memory only: no rows of device memory.")


def write_json(path, a):
    rows = [{"network": network, "batch": batch, "memory": memory, "engine": engine, "ms": times}
            for (network, batch, memory), by_engine in a.times.items() for engine, times in by_engine.items()]
    kernels = [{"network": network, "batch": batch, "engine": engine, "kernels_ms": statistics.median(sums)}
               for (network, batch), by_engine in a.kernels.items() for engine, sums in by_engine.items()]
    troubles = [{"network": n, "batch": b, "engine": e, "why": why} for (n, b, e), why in a.troubles.items()]
    with open(path, "w") as file:
        json.dump({"about": a.about, "rounds": a.done, "seconds": a.seconds, "rows": rows, "kernels": kernels,
                   "troubles": troubles}, file, indent=1)


def compare(a):
    begin = time.monotonic()
    cases = [case for batch in a.batch for name in a.networks if (case := make_case(name, batch, a))]
    for case in cases if a.budget != "0" else []:
        try:
            run_tool(tool(a, "tune", case, "tuned", "--budget", a.budget))
        except RuntimeError as error:
            a.troubles[case["network"], case["batch"], "tuning"] = str(error)
    cases = [case for case in cases if answers_fit(case, a)]
    while a.done < a.rounds and cases and (a.done == 0 or time.monotonic() - begin < a.limit):
        order = list(a.engines) + a.peers
        turn = a.done % len(order)
        for engine in order[turn:] + order[:turn]:
            one_round(engine, cases, a)
        a.done += 1
        print(f"round {a.done} done after {time.monotonic() - begin:.0f} s", flush=True)
        if a.json:
            write_json(a.json, a)
    print_table(cases, a)
    return 0 if cases and not a.troubles else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models"), parser.add_argument("--round", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--altrt", default="build/bin/altrt")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--batch", default="1,16"), parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5), parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--budget", default="0")
    parser.add_argument("--cache", help="default: a folder that is removed at the end")
    parser.add_argument("--peers", default="eager"), parser.add_argument("--options", default="", help="more options of altrt")
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds after which no further round begins")
    parser.add_argument("--no-check", action="store_true"), parser.add_argument("--json")
    a = parser.parse_args()
    if a.round:
        return torch_round(a)
    a.batch, a.networks = [int(b) for b in a.batch.split(",")], a.networks.split(",")
    a.peers = [peer for peer in a.peers.split(",") if peer]
    unknown = sorted(set(a.networks) - set(NETWORKS)) + sorted(set(a.peers) - set(PEERS))
    if unknown:
        parser.error("unknown: " + ", ".join(unknown))
    a.has_io = "--io" in run_tool([a.altrt, "bench", "--help"])
    a.memories = ["device", "host"] if a.has_io else ["host"]
    a.times, a.kernels, a.troubles, a.about, a.done = {}, {}, {}, {}, 0
    with tempfile.TemporaryDirectory() as a.scratch:
        a.cache = a.cache or a.scratch
        tuned = a.budget != "0" or os.path.isdir(os.path.join(a.cache, "tuned"))
        a.engines = ["tuned", "untuned"] if tuned else ["untuned"]
        sys.exit(compare(a))


if __name__ == "__main__":
    main()
