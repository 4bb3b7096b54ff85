#!/usr/bin/env python3
"""What searching layouts together with loops is worth: the same kernels, tails and search, with and without it.

    search_modes.py [--altrt build/bin/altrt] [--modes alt,loops-only,loops-packed,propagate-only] [--budget 300t] [--seeds 1]
                    [--more-seeds 3:NAME,NAME...] [--threads 2] [--rounds 7] [--seconds 0.25] [--options="--algorithm direct"]
                    [--distance build/bin/altrt_core_distance] [--work DIR] [--png FILE] MODEL.onnx ...

Tunes every model in every mode with every seed (records and results in DIR, kept between runs), then times all of them alternately, every
round in a process of its own. With --distance, rounds during which the host moved the cores are repeated. Prints a Markdown table, medians
over rounds and seeds: the whole run in ms, the conversions between the model's plain order and the layouts chosen included (the search
counts them); what bounds the first mode's slowest kernel and how much of that roof it reaches (of the direct form's operations; the roofs
are measured in the same processes); how much faster the first mode is than each other (median over rounds of the ratio within the round)
as a whole, then of the kernels alone, without conversions; geometric means. --png draws the ratios of the whole (needs matplotlib).
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
    """[whole run, kernels alone] in ms, the slowest kernel's roof and its share of it."""
    result = tool.bench(a.altrt, path, folder, a.seconds, os.path.join(folder, "bench.json"), ["--profile"] + options_of(mode, a))
    kernels = [k for k in result["kernels"] if k["algorithm"] != "permute"]
    slowest = max(kernels, key=lambda k: k["ms"])
    share = slowest["fma_fraction"] if slowest["roof"] == "fma" else slowest["bandwidth_fraction"]
    return [result["latency_ms"]["median"], sum(k["ms"] for k in kernels)], slowest["roof"], share


def run_model(path, modes, seeds, a):
    folders = {(mode, seed): tune(path, mode, seed, a) for mode in modes for seed in range(1, seeds + 1)}
    samples = {key: [] for key in folders}
    for _ in range(a.rounds):
        for seed in range(1, seeds + 1):
            of_round, _ = tool.in_place(a.distance, lambda: {mode: time_round(path, mode, folders[mode, seed][0], a) for mode in modes})
            for mode, sample in of_round.items():
                samples[mode, seed].append(sample)
    row = {}
    for mode in modes:
        own = [s for seed in range(1, seeds + 1) for s in samples[mode, seed]]
        first = [s for seed in range(1, seeds + 1) for s in samples[modes[0], seed]]
        tunings = [folders[mode, seed][1] for seed in range(1, seeds + 1)]
        row[mode] = {"ms": [statistics.median(s[0][i] for s in own) for i in (0, 1)],
                     "ratio": [statistics.median(s[0][i] / f[0][i] for s, f in zip(own, first)) for i in (0, 1)],
                     "roof": statistics.mode(s[1] for s in own), "share": statistics.median(s[2] for s in own),
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
        ratios = [results[n][mode]["ratio"][0] for n in names]
        axes.bar([x + i * width for x in range(len(names))], ratios, width, label=f"{mode} / {modes[0]}")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_xticks([x + 0.4 - width / 2 for x in range(len(names))], names, rotation=60, ha="right")
    axes.set_yscale("log", base=2)
    axes.set_ylabel("time relative to " + modes[0])
    axes.legend()
    figure.tight_layout()
    figure.savefig(png, dpi=120)


def print_table(results, modes):
    ratios = [f"{m} / {modes[0]}" for m in modes[1:]]
    print("| model | " + " | ".join([f"{m} ms" for m in modes] + ["roof"] + ratios + ["kernels: " + r for r in ratios]) + " |")
    print("| --- " * (3 * len(modes)) + "|")
    for name, row in results.items():
        cells = [f"{row[m]['ms'][0]:.4f}" for m in modes] + [f"{row[modes[0]]['roof']} {100 * row[modes[0]]['share']:.0f} %"]
        cells += [f"{row[m]['ratio'][i]:.2f}" for i in (0, 1) for m in modes[1:]]
        print("| " + " | ".join([name] + cells) + " |")
    means = [geometric_mean([row[m]["ratio"][i] for row in results.values()]) for i in (0, 1) for m in modes[1:]]
    print("| geometric mean | " + " | ".join([""] * (len(modes) + 1) + [f"{m:.3f}" for m in means]) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+"), parser.add_argument("--altrt", default="build/bin/altrt")
    parser.add_argument("--modes", default="alt,loops-only,loops-packed,propagate-only"), parser.add_argument("--budget", default="300t")
    parser.add_argument("--seeds", type=int, default=1), parser.add_argument("--more-seeds", default="1:")
    parser.add_argument("--threads", type=int, default=2), parser.add_argument("--distance")
    parser.add_argument("--rounds", type=int, default=7), parser.add_argument("--seconds", type=float, default=0.25)
    parser.add_argument("--options", default="--algorithm direct"), parser.add_argument("--work", default="search_modes")
    parser.add_argument("--png")
    a = parser.parse_args()
    os.makedirs(a.work, exist_ok=True)
    modes, kept = a.modes.split(","), os.path.join(a.work, "results.json")
    more, _, names = a.more_seeds.partition(":")
    results = json.load(open(kept)) if os.path.exists(kept) else {}
    for path in a.models:
        name = os.path.splitext(os.path.basename(path))[0]
        if name in results:
            continue
        try:
            results[name] = run_model(path, modes, int(more) if name in names.split(",") else a.seeds, a)
        except subprocess.CalledProcessError as error:
            print(f"{name} failed: {shlex.join(error.cmd)}", file=sys.stderr, flush=True)
            continue
        json.dump(results, open(kept, "w"), indent=1)
    if results:
        print_table(results, modes)
        if a.png:
            draw(results, modes, a.png)


if __name__ == "__main__":
    main()
