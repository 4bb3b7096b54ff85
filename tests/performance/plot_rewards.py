#!/usr/bin/env python3
"""How the layout proposers learn: regret over trials on a synthetic space whose optimum is known.

    ALTRT_REWARD_CURVES=curves.csv build/bin/learn_proposer_test --gtest_filter=Proposers.BeatRandomAtEqualTrials
    plot_rewards.py curves.csv rewards.png

Draws for each proposer the mean over seeds of log(best time so far / optimum), with the quartiles as a band. Needs matplotlib.
"""
import csv, statistics, sys

import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(path, png):
    curves = {}
    with open(path) as file:
        for row in csv.DictReader(file):
            curves.setdefault(row["proposer"], {}).setdefault(int(row["trial"]), []).append(float(row["regret"]))
    figure, axes = plt.subplots(figsize=(7, 4))
    for proposer, by_trial in sorted(curves.items()):
        trials = sorted(by_trial)
        quartiles = [statistics.quantiles(by_trial[t], n=4) for t in trials]
        line, = axes.plot(trials, [statistics.mean(by_trial[t]) for t in trials], label=proposer)
        axes.fill_between(trials, [q[0] for q in quartiles], [q[2] for q in quartiles], alpha=0.15, color=line.get_color())
    axes.set_xlabel("trials"), axes.set_ylabel("log(best / optimum)")
    axes.legend()
    figure.tight_layout()
    figure.savefig(png, dpi=120)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
