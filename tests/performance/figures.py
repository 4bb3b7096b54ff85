"""Tables and a plot of what compare.py measured. A case is a model, its shapes and a number of threads: a row."""
import math, random, statistics


def ratio(rows):
    """Best peer / ours: geometric mean over rows of (rounds of ours, [rounds of a peer, ...]), with its bootstrap 90 % interval."""
    rng = random.Random(0)

    def mean(middle):
        return math.exp(sum(math.log(min(map(middle, peers)) / middle(ours)) for ours, peers in rows) / len(rows))

    drawn = sorted(mean(lambda times: statistics.median(rng.choices(times, k=len(times)))) for _ in range(2000))
    return mean(statistics.median), drawn[100], drawn[1899]


def complete(case, engines):
    return all(case["engines"].get(engine, {}).get("ms") for engine in engines)


def times_of(case, engine):
    return case["engines"][engine]["ms"]


def ratios(cases, ours, peers):
    return {engine: ratio([(times_of(case, engine), [times_of(case, peer) for peer in peers]) for case in cases]) for engine in ours}


def print_row(cells):
    print("| " + " | ".join(cells) + " |")


def print_head(titles):
    print_row(titles), print_row(["---"] * len(titles))


def with_interval(value):
    return f"{value[0]:.2f} ({value[1]:.2f} to {value[2]:.2f})"


def print_latency(cases, ours, peers):
    engines = ours + peers
    print_head(["model", "threads"] + [f"{e} ms" for e in engines] + [f"best peer / {e} (90 %)" for e in ours if peers] + ["time by provider"])
    for case in cases:
        shares = {e: ", ".join(f"{name} {part:.0%}" for name, part in case["engines"][e].get("share", {}).items()) for e in ours}
        row = ratios([case], ours, peers) if peers else {}
        print_row([case["name"], str(case["threads"])] + [f"{statistics.median(times_of(case, e)):.3f}" for e in engines] +
                  [with_interval(value) for value in row.values()] + ["; ".join(f"{e} {share}" for e, share in shares.items())])
    for threads in sorted({case["threads"] for case in cases}, reverse=True) if peers else []:
        chosen = [case for case in cases if case["threads"] == threads]
        if len(chosen) > 1:
            print_row(["geometric mean", str(threads)] + [""] * len(engines) +
                      [with_interval(value) for value in ratios(chosen, ours, peers).values()] + [""])


def print_memory(cases, ours, peers):
    print("\nStarts from the cache: resident MB after the runs (ours of the whole process, a peer's what it adds to Python's), and in brackets"
          "\nms until the model was ready.\n")
    print_head(["model", "threads"] + ours + peers + [f"MB, {e} / {peer}" for peer in peers[:1] for e in ours])
    for case in cases:
        size, ready = ({e: statistics.median(case["engines"][e][what]) for e in ours + peers} for what in ("resident_mb", "ready_ms"))
        cells = [f"{size[e]:.0f} ({ready[e]:.0f})" for e in ours + peers]
        cells += [f"{size[e] / size[peer]:.2f}" for peer in peers[:1] for e in ours]
        print_row([case["name"], str(case["threads"])] + cells)


def print_accuracy(cases, engines):
    cases = [case for case in cases if all("scaled_error" in case["engines"][e] for e in engines)]
    if not cases:
        return
    print("\nRelative L2 of the outputs to the graph in double precision, the worst one; then that of the worst channel.\n")
    print_head(["model", "threads", "weights"] + engines)
    for case in cases:
        for name, weights in {"error": "of the model", "scaled_error": "scaled"}.items():
            errors = [case["engines"][e][name] for e in engines]
            print_row([case["name"], str(case["threads"]), weights] +
                      [f"{e['whole']:.1e}" + (f", {e['channel']:.1e}" if e["channel"] > 0 else "") for e in errors])


def print_tables(cases, ours, peers):
    cases = [case for case in cases if complete(case, ours + peers)]
    print_latency(cases, ours, peers), print_memory(cases, ours, peers), print_accuracy(cases, ours + peers)


def draw(cases, ours, peers, png):
    """Bars of best peer / ours with their intervals, one group for each case."""
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    cases = [case for case in cases if complete(case, ours + peers)]
    threads = {case["threads"] for case in cases}
    figure, axes = plt.subplots(figsize=(max(6, 1.2 * len(cases) + 2), 4.5))
    width = 0.8 / len(ours)
    for i, engine in enumerate(ours):
        values = [ratios([case], [engine], peers)[engine] for case in cases]
        spread = [[v - low for v, low, _ in values], [high - v for v, _, high in values]]
        axes.bar([c + (i - (len(ours) - 1) / 2) * width for c in range(len(cases))], [v for v, _, _ in values], width, yerr=spread,
                 capsize=2, label=engine)
    axes.axhline(1, color="black", linewidth=0.8)
    names = [case["name"] + (f"\n{case['threads']} threads" if len(threads) > 1 else "") for case in cases]
    axes.set_xticks(range(len(cases)), names, rotation=30, ha="right")
    axes.set_ylabel("time of the best peer / ours"), axes.legend()
    figure.tight_layout()
    figure.savefig(png, dpi=120)
