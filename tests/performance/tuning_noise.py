#!/usr/bin/env python3
"""Whether tuning beside another process chooses as well as in quiet.

    tuning_noise.py [--altrt build/bin/altrt] [--budget 30] [--threads 2] [--rounds 7] [--seconds 1] [--work DIR] MODEL.onnx ...

Every model is tuned twice for --budget seconds: alone, and with a process that keeps one core busy (the arithmetic and memory traffic of a
loop over 32 MB) for the middle half of that time. Then the two plans and the untuned one are timed alternately without it, every round in a
process of its own. Prints a Markdown table: medians over rounds in ms, and the noisy plan's over the quiet one's.
"""
import argparse, multiprocessing, os, statistics, subprocess, time

import tool


def disturb(seconds):
    block, end = bytearray(32 << 20), time.time() + seconds
    while time.time() < end:
        for i in range(0, len(block), 4096):
            block[i] = (block[i] + 1) & 255


def options_of(a):
    return ["--threads", str(a.threads), "--providers", "own"]


def tune(path, folder, noisy, a):
    process = subprocess.Popen([a.altrt, "tune", path, "--budget", f"{a.budget:g}s", "--cache", folder] + options_of(a), stdout=subprocess.DEVNULL)
    if noisy:
        time.sleep(a.budget / 4)
        other = multiprocessing.Process(target=disturb, args=(a.budget / 2,))
        other.start()
        other.join()
    if process.wait() != 0:
        raise SystemExit(f"tuning of {path} failed")


def time_round(path, folder, a):
    return tool.bench(a.altrt, path, folder, a.seconds, os.path.join(a.work, "bench.json"), options_of(a))["latency_ms"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+"), parser.add_argument("--altrt", default="build/bin/altrt")
    parser.add_argument("--budget", type=float, default=30), parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7), parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--work", default="tuning_noise")
    a = parser.parse_args()
    os.makedirs(a.work, exist_ok=True)
    print("| model | untuned ms | tuned in quiet | tuned beside noise | noisy / quiet |\n| --- | --- | --- | --- | --- |")
    for path in a.models:
        name = os.path.splitext(os.path.basename(path))[0]
        folders = {"untuned": "none", "quiet": os.path.join(a.work, name, "quiet"), "noisy": os.path.join(a.work, name, "noisy")}
        for kind in ("quiet", "noisy"):
            tune(path, folders[kind], kind == "noisy", a)
        rounds = [{kind: time_round(path, folder, a) for kind, folder in folders.items()} for _ in range(a.rounds)]
        ms = {kind: statistics.median(r[kind] for r in rounds) for kind in folders}
        ratio = statistics.median(r["noisy"] / r["quiet"] for r in rounds)
        print(f"| {name} | {ms['untuned']:.3f} | {ms['quiet']:.3f} | {ms['noisy']:.3f} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()
