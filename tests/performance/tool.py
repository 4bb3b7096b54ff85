"""The tool `altrt` in processes of their own, for the benchmarks beside this file."""
import json, os, subprocess


def tune(altrt, path, folder, options):
    """Tunes with records in folder unless that was done before; what `--json` wrote."""
    report = os.path.join(folder, "tune.json")
    if not os.path.exists(report):
        os.makedirs(folder, exist_ok=True)
        command = [altrt, "tune", path, "--cache", folder, "--json", report + ".part"]
        subprocess.run(command + options, check=True, stdout=subprocess.DEVNULL)
        os.rename(report + ".part", report)
    return json.load(open(report))


def bench(altrt, path, folder, seconds, out, options):
    """One process with records in folder ("none": untuned; None: what `options` say); what `--json` wrote, to the file out."""
    command = [altrt, "bench", path, "--seconds", str(seconds), "--json", out] + (["--cache", folder] if folder else [])
    subprocess.run(command + options, check=True, stdout=subprocess.DEVNULL)
    return json.load(open(out))


def run(altrt, path, folder, options):
    """One run in a process of its own; outputs by name. `folder` is for its files."""
    import numpy as np
    text = subprocess.run([altrt, "run", path, "--output-dir", folder] + options, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [line.partition(": ") for line in text.splitlines() if " -> " in line]
    return {name: np.load(rest.rpartition(" -> ")[2]) for name, _, rest in lines}


def place(distance):
    """"near" where two cores share a cache, else "far", by the program altrt_core_distance; "" without it."""
    if not distance:
        return ""
    return "near" if float(subprocess.run([distance], stdout=subprocess.PIPE, text=True, check=True).stdout) < 200 else "far"


def in_place(distance, measure):
    """What measure() returns, and the place of the cores; again for as long as they were moved meanwhile."""
    while True:
        before = place(distance)
        measured = measure()
        if before == place(distance):
            return measured, before
