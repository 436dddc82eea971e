"""Arithmetic and tables of the benchmark: pure. A row is what one case gave in interleaved rounds:

    {"case": "malloc + free, 1 thread", "unit": "ns", "is": "cost",
     "rounds": {"untraced": [14.1, 14.3], "full": [1900.0, null], "heaptrack": {"why": "timed out"}}}

Values are in `unit` per operation, or a throughput; null is a round that was lost, "-" one that was not
meant to be. `is` says how a
traced value is shown: a "text" is a sentence, a "cost" as a multiple of the untraced one of the same round and what is added
to it, a "throughput" as a share of the untraced one, a "figure" as it is.
"""
import math
import statistics

UNTRACED = "untraced"

# two-sided 95 % quantiles of Student's distribution by degrees of freedom
STUDENT = [math.inf, 12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201,
           2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086]


def median(values):
    return statistics.median(values) if values else None


def spread(values):
    """Median with the quartiles, or with least and most below eight values; None without any."""
    if not values:
        return None
    ordered = sorted(values)
    if len(ordered) < 8:
        return median(ordered), ordered[0], ordered[-1]
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return median(ordered), low, high


def is_value(v):
    return isinstance(v, (int, float))


def paired(a, b, how):
    """how(a, b) of each round that has both."""
    if not isinstance(a, list) or not isinstance(b, list):
        return []
    return [how(x, y) for x, y in zip(a, b) if is_value(x) and is_value(y)]


def ratios(row, tracer, base=UNTRACED):
    rounds = row["rounds"]
    return [r for r in paired(rounds.get(tracer), rounds.get(base),
                              lambda x, y: x / y if y else None) if r is not None]


def added(row, tracer):
    rounds = row["rounds"]
    return paired(rounds.get(tracer), rounds.get(UNTRACED), lambda x, y: x - y)


def added_ratio(row, tracer, base):
    """What a tracer adds over what another one adds, for each round; what is lost in the noise of
    the untraced loop (nothing added) says nothing."""
    rounds = row["rounds"]
    if not all(isinstance(rounds.get(k), list) for k in (tracer, base, UNTRACED)):
        return []
    return [(a - u) / (b - u) for a, b, u in zip(rounds[tracer], rounds[base], rounds[UNTRACED])
            if all(map(is_value, (a, b, u))) and b > u]


def interval(values):
    """Mean and 95 % interval of ratios, by Student's distribution of their logarithms."""
    logs = [math.log(v) for v in values if v > 0]
    n = len(logs)
    if n < 3:
        return None
    mean = statistics.fmean(logs)
    t = STUDENT[n - 1] if n - 1 < len(STUDENT) else 1.96 + 2.5 / (n - 1)
    half = t * statistics.stdev(logs) / math.sqrt(n)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)


# --- text ------------------------------------------------------------------------------------------

def number(value, digits=2):
    """With `digits` significant ones, no exponent; 1,234 from a thousand on."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    value = round(value, places)
    return f"{value:,.{max(places, 0)}f}"


def multiple(value):
    """A ratio near 1 is read to the hundredth."""
    return f"{value:.2f}" if value < 10 else number(value)


def nanoseconds(value):
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(value) >= scale:
            return f"{number(value / scale)} {unit}"
    return f"{value:.0f} ns" if abs(value) >= 10 else f"{number(value)} ns"


def quantity(value, unit):
    return nanoseconds(value) if unit == "ns" else f"{number(value, 3)} {unit}".rstrip()


def around(triple, text):
    """1.20 (1.11-1.35); a unit that all three have is said once."""
    if triple is None:
        return "-"
    middle, low, high = (text(v) for v in triple)
    if middle == low == high:
        return middle
    units = {t.partition(" ")[2] for t in (middle, low, high)}
    if len(units) == 1:
        low, high = low.partition(" ")[0], high.partition(" ")[0]
    return f"{middle} ({low}{' to ' if set(low + high) & set('+- ') else '-'}{high})"


def cell(row, tracer):
    got = row["rounds"].get(tracer)
    if got is None:
        return ""
    if isinstance(got, dict):
        return f"not available: {got['why']}"
    if row["is"] == "text":
        return got
    lost = sum(1 for v in got if v is None)
    values = [v for v in got if is_value(v)]
    note = f", {lost} of {lost + len([v for v in got if is_value(v)])} rounds lost" if lost else ""
    note += f", {row['notes'][tracer]}" if tracer in row.get("notes", {}) else ""
    if not values:
        return "not available: no round succeeded"
    if tracer == UNTRACED or row["is"] == "figure":
        return around(spread(values), lambda v: quantity(v, row["unit"])) + note
    text = around(spread(ratios(row, tracer)), multiple)
    if row["is"] == "throughput":
        return text + note
    more = median(added(row, tracer))
    sign = "+" if more >= 0 else "-"
    return f"× {text}, {sign}{quantity(abs(more), row['unit'])}{note}"


def table(head, lines):
    def line(cells):
        return "| " + " | ".join(str(c).replace("|", "\\|").replace("\n", " ") for c in cells) + " |"
    return "\n".join([line(head), "|" + " --- |" * len(head), *map(line, lines)])


def rows_table(rows, tracers):
    """One table of all rows; tracers is {name: heading}, those without any value are left out."""
    used = {name: head for name, head in tracers.items() if any(name in r["rounds"] for r in rows)}
    lines = [[r["case"], *(cell(r, name) for name in used)] for r in rows]
    return table(["case", *used.values()], lines)


def percent(ratio):
    return f"{100 * (ratio - 1):+.1f} %"


def verdict(bar):
    """One line of the table of bars: {"what", "bar", "is": "at most"|"at least", "values": [...]} or
    {"what", "why"}. "shown": "growth" shows ratios as +1.2 %. Of "interval" the mean and its 95 %
    interval are told beside; a bar that lies in it is neither met nor missed for certain."""
    if "why" in bar:
        return [bar["what"], "", f"not measured: {bar['why']}", "-"]
    scale, unit = bar.get("scale", 1), bar.get("unit", "")

    def show(v):
        if bar.get("shown") == "growth":
            return percent(v)
        return f"{number(v * scale, 3)}{' ' if unit else ''}{unit}"

    wanted = f"{bar['is']} {show(bar['bar'])}"
    if bar.get("never"):
        return [bar["what"], wanted, "never", "NO"]
    got = spread(bar["values"])
    if got is None:
        return [bar["what"], wanted, "not measured", "-"]
    kept = got[0] <= bar["bar"] if bar["is"] == "at most" else got[0] >= bar["bar"]
    text, word = around(got, show), "yes" if kept else "NO"
    if i := interval(bar.get("interval", [])):
        text += f"; mean {percent(i[0])}, 95 % interval {percent(i[1])} to {percent(i[2])}"
        if i[1] < bar["bar"] < i[2]:
            word += ", within the noise"
    return [bar["what"], wanted, text, word]


def bars_table(bars):
    return table(["bar", "wanted", "measured: median (spread)", "met"], map(verdict, bars))
