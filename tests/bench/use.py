"""What a tracer used while it was at work, and what it says of itself, as one line of the table."""
import time

import figures
import procs


class Use:
    """CPU time of the tracer's processes over a time, and the memory they hold at its end."""

    def __init__(self, tracer):
        self.tracer, self.cpu_ns, self.wall_ns, self.rss, self.maps = tracer, 0, 0, 0, 0

    def __enter__(self):
        self.begun = time.monotonic_ns()
        self.before = {pid: procs.cpu_ns(pid) for pid in self.tracer.pids()}
        return self

    def __exit__(self, *_):
        pids = self.tracer.pids()
        self.wall_ns += time.monotonic_ns() - self.begun
        self.cpu_ns += sum(procs.cpu_ns(pid) - self.before.get(pid, 0) for pid in pids)
        self.rss = max(self.rss, procs.rss_bytes(*pids))
        self.maps = max(self.maps, procs.map_bytes(*pids))

    def told(self):
        return {"cpu_ratio": self.cpu_ns / self.wall_ns if self.wall_ns else None,
                "rss_bytes": self.rss, "map_bytes": self.maps}


def megabytes(value):
    return figures.number(value / 1e6) if value >= 1e6 else "below 1"


def sentence(uses):
    """Of a list of what told() and stop() gave, one for each round: "0.61 % of a core, ..."."""
    cpu = [u["cpu_ratio"] for u in uses if u.get("cpu_ratio") is not None]
    if not cpu:
        return None
    parts = [figures.around(figures.spread([100 * c for c in cpu]), figures.number) + " % of a core",
             f"{megabytes(max(u['rss_bytes'] for u in uses))} MB"]
    if maps := max(u["map_bytes"] for u in uses):
        parts.append(f"{megabytes(maps)} MB in the kernel")
    if any("lost" in u for u in uses):
        lost = {}
        for u in uses:
            for kind, count in u.get("lost", {}).items():
                lost[kind] = lost.get(kind, 0) + count
        parts.append("lost: " + (", ".join(f"{k} {v:,}" for k, v in sorted(lost.items())) or "nothing"))
    whole = [u["whole_stacks"] for u in uses if u.get("whole_stacks") is not None]
    if whole:
        parts.append(f"{100 * figures.median(whole):.1f} % whole stacks")
    return ", ".join(parts)
