"""From measured bursts to the figures of a report. Standard library only.

A comparison is JSON: {"model", "batch", "reference", "engines": {name: {"configuration", "milliseconds" (of a batch: median
over rounds of a burst's median), "minimum_ms", "images_per_second", "spread" (of the rounds: (largest - smallest) / median),
"rounds_ms", "runs", "peak_mb", "resident_mb", "idle_cpu_seconds" (burnt after a burst), "difference", "trials_ms" (of each
configuration), "busy": {"milliseconds", "rounds_ms", "slowdown"}} or {"failure"}}, "ratios": {name: {"median", "rounds"}},
"best_peer", "ratio" (the best peer's)}.
A ratio is another engine's time over Residua's in the same round; above 1 Residua is faster.
"""
import math
import statistics

LIMIT = 1e-4  # of logits, relative to the largest
OURS = "residua"

median = statistics.median


def relative_difference(ours, theirs):
    """Largest difference over the largest value, of flat sequences; infinite where sizes differ or something is not finite."""
    if len(ours) != len(theirs) or not all(map(math.isfinite, ours)) or not all(map(math.isfinite, theirs)):
        return math.inf
    largest, difference = max(map(abs, theirs)), max(abs(a - b) for a, b in zip(ours, theirs))
    return difference / largest if largest else math.inf if difference else 0.0


def round_times(bursts):
    """Milliseconds, a median for each burst."""
    return [1e3 * median(burst["times"]) for burst in bursts]


def spread(values):
    return (max(values) - min(values)) / median(values)


def engine(bursts, batch):
    """The figures of one engine from its rounds."""
    times = round_times(bursts)
    return {"milliseconds": median(times), "minimum_ms": 1e3 * min(min(burst["times"]) for burst in bursts),
            "images_per_second": 1e3 * batch / median(times), "spread": spread(times), "rounds_ms": times,
            "runs": sum(len(burst["times"]) for burst in bursts), "peak_mb": bursts[-1]["peak_mb"],
            "resident_mb": bursts[-1]["resident_mb"],
            "idle_cpu_seconds": median(burst["idle_cpu_seconds"] for burst in bursts)}


def ratio(theirs, ours):
    """Of times by round: the rounds' ratios and their median."""
    rounds = [a / b for a, b in zip(theirs, ours)]
    return {"median": median(rounds), "rounds": rounds}


def fastest_ratio(theirs, ours):
    """Of the fastest rounds, each engine's own."""
    return min(theirs) / min(ours)


def fastest_ratio_of_best(comparison, peers):
    """The smallest of fastest_ratio over `peers` that ran, so of the peer whose fastest burst is fastest."""
    times = {name: one["rounds_ms"] for name, one in comparison["engines"].items() if "rounds_ms" in one}
    return min(fastest_ratio(times[name], times[OURS]) for name in peers if name in times)


def comparison(model, batch, results, rounds, busy, reference, peers):
    """results: {name: what is known so far, "failure" among it}; rounds, busy: {name: bursts}; peers: names that are ranked."""
    found = {}
    for name, result in results.items():
        found[name] = dict(result)
        if "failure" in result or name not in rounds:
            continue
        found[name].update(engine(rounds[name], batch))
        if busy and name in busy:
            times = round_times(busy[name])
            found[name]["busy"] = {"milliseconds": median(times), "rounds_ms": times,
                                   "slowdown": median(times) / found[name]["milliseconds"]}
    done = {"model": model, "batch": batch, "reference": reference, "engines": found}
    times = {name: one["rounds_ms"] for name, one in found.items() if "rounds_ms" in one}
    ranked = [name for name in peers if name in times]
    if ranked:
        done["best_peer"] = min(ranked, key=lambda name: found[name]["milliseconds"])
    if OURS in times:
        done["ratios"] = {name: ratio(times[name], times[OURS]) for name in times if name != OURS}
        if ranked:
            done["ratio"] = done["ratios"][done["best_peer"]]["median"]
    return done


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))
