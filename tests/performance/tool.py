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
    """One process with records in folder ("none": untuned); what `--json` wrote, to the file out."""
    command = [altrt, "bench", path, "--seconds", str(seconds), "--cache", folder, "--json", out]
    subprocess.run(command + options, check=True, stdout=subprocess.DEVNULL)
    return json.load(open(out))
