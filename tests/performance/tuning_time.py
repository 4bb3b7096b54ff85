#!/usr/bin/env python3
"""What a network's latency is after how much tuning, by proposer and budget.

    tuning_time.py [--altrt build/bin/altrt] [--proposers evolutionary,ppo,random] [--budgets 60] [--seeds 3] [--threads 2] [--rounds 5]
                   [--seconds 1] [--work DIR] [--png FILE] MODEL.onnx

Tunes the model with every proposer, seed and budget (seconds; the tuner's default proposer alone for all budgets but the first one; results
in DIR are kept between runs), then times every plan and the untuned one alternately, every round in a process of its own. Prints a Markdown
table: latency in ms (median over rounds), trials a second, share of the time for proposing and learning. --png draws the tuner's own estimate of the best latency over time,
one line for each tuning (needs matplotlib).
"""
import argparse, json, os, statistics

import tool


def tune(path, proposer, seed, budget, a):
    folder = os.path.join(a.work, f"{proposer}-{seed}-{budget}")
    options = ["--budget", f"{budget}s", "--proposer", proposer, "--seed", str(seed)]
    return folder, tool.tune(a.altrt, path, folder, options + options_of(a))


def options_of(a):
    return ["--threads", str(a.threads), "--providers", "own"]


def time_round(path, folder, a):
    return tool.bench(a.altrt, path, folder, a.seconds, os.path.join(a.work, "bench.json"), options_of(a))["latency_ms"]["median"]


def draw(curves, png):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    figure, axes = plt.subplots(figsize=(8, 4.5))
    colours = {}
    for (proposer, seed, budget), progress in curves.items():
        colour = colours.setdefault((proposer, budget), f"C{len(colours)}")
        known = [(p[0], p[2]) for p in progress if p[2] > 0 and p[3] == "search"]
        axes.plot([s for s, _ in known], [ms for _, ms in known], colour, linewidth=1, label=f"{proposer}, {budget} s" if seed == 1 else None)
    axes.set_xscale("log"), axes.set_xlabel("seconds of tuning"), axes.set_ylabel("estimated latency, ms")
    axes.legend()
    figure.tight_layout()
    figure.savefig(png, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model"), parser.add_argument("--altrt", default="build/bin/altrt")
    parser.add_argument("--proposers", default="evolutionary,ppo,random"), parser.add_argument("--budgets", default="60")
    parser.add_argument("--seeds", type=int, default=3), parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5), parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--work", default="tuning_time"), parser.add_argument("--png")
    a = parser.parse_args()
    os.makedirs(a.work, exist_ok=True)
    budgets = [int(b) for b in a.budgets.split(",")]
    keys = [(p, s, budgets[0]) for p in a.proposers.split(",") for s in range(1, a.seeds + 1)]
    keys += [(a.proposers.split(",")[0], 1, b) for b in budgets[1:]]
    tuned = {key: tune(a.model, *key, a) for key in keys}
    folders = {"untuned": "none", **{key: tuned[key][0] for key in keys}}
    rounds = [{key: time_round(a.model, folder, a) for key, folder in folders.items()} for _ in range(a.rounds)]
    print("| proposer | seed | budget s | latency ms | trials a second | proposing and learning |\n| --- | --- | --- | --- | --- | --- |")
    print(f"| untuned | | | {statistics.median(r['untuned'] for r in rounds):.3f} | | |")
    for key in keys:
        report = tuned[key][1]
        rate, share = report["trials"] / report["seconds"], report["search_seconds"] / report["seconds"]
        print(f"| {key[0]} | {key[1]} | {key[2]} | {statistics.median(r[key] for r in rounds):.3f} | {rate:.1f} | {100 * share:.0f} % |")
    json.dump([{str(k): v for k, v in r.items()} for r in rounds], open(os.path.join(a.work, "results.json"), "w"), indent=1)
    if a.png:
        draw({key: tuned[key][1]["progress"] for key in keys}, a.png)


if __name__ == "__main__":
    main()
