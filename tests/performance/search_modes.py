#!/usr/bin/env python3
"""What searching layouts together with loops is worth: the same kernels, tails and search, with and without it.

    search_modes.py [--altrt build/bin/altrt] [--modes alt,loops-only,loops-packed,propagate-only] [--budget 300t] [--seeds 1]
                    [--threads 2] [--rounds 7] [--seconds 0.5] [--options="--algorithm direct"] [--work DIR] [--png FILE] MODEL.onnx ...

Tunes every model in every mode with every seed (records in DIR, kept between runs), then times all of them alternately, every round in a
process of its own. Prints a Markdown table, medians over rounds: the kernels alone in ms (without conversions between layouts at the
model's inputs and outputs, which a network pays only where neighbours differ), what share of the FMA peak the first mode's reach (of the
direct form's operations; the peak is measured in the same processes), and how much faster the first mode is than each other (median over
rounds of the ratio within the round), with the geometric mean. --png draws the ratios (needs matplotlib). DIR/results.json holds every figure.
"""
import argparse, json, math, os, shlex, statistics, subprocess, sys

import tool


def options_of(mode, a):
    return ["--search", mode, "--threads", str(a.threads), "--providers", "own"] + shlex.split(a.options)


def tune(path, mode, seed, a):
    name = os.path.splitext(os.path.basename(path))[0]
    folder = os.path.join(a.work, f"{mode}-{seed}", name)
    return folder, tool.tune(a.altrt, path, folder, ["--budget", a.budget, "--seed", str(seed)] + options_of(mode, a))


def time_round(path, mode, folder, a):
    result = tool.bench(a.altrt, path, folder, a.seconds, os.path.join(folder, "bench.json"), ["--profile"] + options_of(mode, a))
    kernels = [k for k in result["kernels"] if k["algorithm"] != "permute"]
    ms = sum(k["ms"] for k in kernels)
    gflops = sum(k["ms"] * k["gflops"] for k in kernels) / ms
    return ms, result["latency_ms"]["median"], gflops / result["fma_peak_gflops"]


def run_model(path, modes, seeds, a):
    folders = {(mode, seed): tune(path, mode, seed, a) for mode in modes for seed in range(1, seeds + 1)}
    samples = {key: [] for key in folders}
    for _ in range(a.rounds):
        for key, (folder, _) in folders.items():
            samples[key].append(time_round(path, key[0], folder, a))
    row = {}
    for mode in modes:
        of_seeds = [[statistics.median(s[i] for s in samples[mode, seed]) for i in (0, 1, 2)] for seed in range(1, seeds + 1)]
        tunings = [folders[mode, seed][1] for seed in range(1, seeds + 1)]
        pairs = [(samples[mode, seed][i][0], samples[modes[0], seed][i][0]) for seed in range(1, seeds + 1) for i in range(a.rounds)]
        row[mode] = {"ratio": statistics.median(ms / first for ms, first in pairs), "kernels_ms": statistics.median(s[0] for s in of_seeds), "latency_ms": statistics.median(s[1] for s in of_seeds),
                     "peak_share": statistics.median(s[2] for s in of_seeds),
                     "trials": [t["trials"] for t in tunings], "seconds": [t["seconds"] for t in tunings]}
    return row


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def draw(results, modes, png):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    names, width = list(results), 0.8 / max(1, len(modes) - 1)
    figure, axes = plt.subplots(figsize=(max(6, 0.5 * len(names)), 4))
    for i, mode in enumerate(modes[1:]):
        ratios = [results[n][mode]["ratio"] for n in names]
        axes.bar([x + i * width for x in range(len(names))], ratios, width, label=f"{mode} / {modes[0]}")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks([x + 0.4 - width / 2 for x in range(len(names))], names, rotation=60, ha="right")
    axes.set_ylabel("time relative to " + modes[0])
    axes.legend()
    figure.tight_layout()
    figure.savefig(png, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+"), parser.add_argument("--altrt", default="build/bin/altrt")
    parser.add_argument("--modes", default="alt,loops-only,loops-packed,propagate-only"), parser.add_argument("--budget", default="300t")
    parser.add_argument("--seeds", type=int, default=1), parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7), parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--options", default="--algorithm direct"), parser.add_argument("--work", default="search_modes")
    parser.add_argument("--png")
    a = parser.parse_args()
    modes, results = a.modes.split(","), {}
    print(f"{a.threads} threads, budget {a.budget}, {a.seeds} seeds, {a.rounds} rounds of {a.seconds} s, options {a.options!r}\n")
    print("| model | " + " | ".join(f"{m} ms" for m in modes) + " | peak | " + " | ".join(f"{m} / {modes[0]}" for m in modes[1:]) + " |")
    print("| --- " * (2 * len(modes) + 1) + "|")
    for path in a.models:
        name = os.path.splitext(os.path.basename(path))[0]
        try:
            row = results[name] = run_model(path, modes, a.seeds, a)
        except subprocess.CalledProcessError as error:
            print(f"| {name} | failed: {shlex.join(error.cmd)} |", file=sys.stderr, flush=True)
            continue
        ms = [row[m]["kernels_ms"] for m in modes]
        print("| " + " | ".join([name] + [f"{m:.4f}" for m in ms] + [f"{100 * row[modes[0]]['peak_share']:.0f} %"] + [f"{row[m]['ratio']:.2f}" for m in modes[1:]]) + " |", flush=True)
        json.dump(results, open(os.path.join(a.work, "results.json"), "w"), indent=1)
    if results:
        means = [geometric_mean([row[m]["ratio"] for row in results.values()]) for m in modes[1:]]
        print("| geometric mean | " + " | ".join([""] * (len(modes) + 1) + [f"{m:.3f}" for m in means]) + " |")
    if a.png:
        draw(results, modes, a.png)


if __name__ == "__main__":
    main()
