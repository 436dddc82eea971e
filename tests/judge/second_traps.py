"""Families for second.py that break what simple judges assume: noise that adds up, memory that only
ever rises to a peak, growth that follows the load, few values, waves that are cut off."""
import math

from second_canvas import CLEAR, GROWTH, at_rest, growth_of, points_after


def stable_high_water(c):
    """An allocator that keeps its peak: the highest need so far. Rises ever more seldom."""
    need, top, out = 0.0, -1e9, []
    hold = min(0.9, 1 - 8 / c.n)
    for _ in range(c.n):
        need = hold * need + math.sqrt(1 - hold * hold) * c.r.gauss(0, 1)
        top = max(top, need)
        out.append(top)
    c.sigma, size = c.sigma * 0.1, 10 * c.sigma
    rises = [x for i, x in enumerate(c.x) if i and out[i] > out[i - 1]]
    c.says("stable", "sustained")
    if not rises or rises[-1] < 0.4:
        at_rest(c, rises[-1] if rises else 0)
    elif len([x for x in rises if x > 0.5]) > 1:
        c.nobody_can_tell("linear")
    return [size * v for v in out]


def stable_falls(c):
    """Gives back after a peak before the window, then rests."""
    tau, size = c.r.uniform(0.03, 0.3), min(c.sigma * c.scale(5, 500), 0.7 * c.level)
    c.says("stable")
    if tau < 0.08:
        c.also("spike")
    return [size * math.exp(-x / tau) for x in c.x]


def stable_replaced(c):
    """A large table is copied and the old one freed: a short peak, then a higher level for good."""
    at, size = c.r.uniform(0.1, 0.5), c.sigma * c.scale(8, 300)
    wide = max(2 / c.n, 0.02)
    at_rest(c, at)
    c.also("spike")
    return [size * (0 if x < at else 2.5 if x < at + wide else 1) for x in c.x]


def linear_adds_up(c):
    """Requests of very uneven size, each of which loses a little: the noise is in the increments."""
    spread = c.r.uniform(0.3, 2)
    steps = [c.r.lognormvariate(0, spread) * (c.r.random() < 0.7) for _ in range(c.n)]
    mean = sum(steps) / c.n
    var = sum((s - mean) ** 2 for s in steps) / c.n
    size, total, out = growth_of(c, 20), 0.0, []
    for s in steps:
        total += s
        out.append(total)
    out = [size * v / total for v in out]
    c.says("linear", "sustained", leak=True)
    c.grows(out)
    drift = mean * math.sqrt(c.n / var)
    if max(steps) > 0.25 * total or drift < CLEAR:
        c.nobody_can_tell("stable", "exponential")
    return out


def linear_with_load(c):
    """So much is lost per request, and requests come in waves: never falls, now fast, now slow."""
    waves, depth, size = c.r.uniform(1, 12), c.r.uniform(0.3, 1), growth_of(c, 12)
    w, p = 2 * math.pi * waves, c.r.random() * 6.28
    out = [size * (x - depth * (math.cos(w * x + p) - math.cos(p)) / w) for x in c.x]
    c.says("linear", "sustained", leak=True)
    c.grows(out)
    if waves < 2.5:
        c.also("exponential")
    if waves < 2:
        c.nobody_can_tell("stable")
    return out


def linear_coarse(c):
    """Few values: every point is a small multiple of a large quantum."""
    steps = c.r.randint(6, 60)
    c.sigma = 0.3 * c.quantum
    out = [c.quantum * steps * x for x in c.x]
    c.says("linear", leak=True)
    c.grows(out)
    if steps < 25:
        c.also("sustained")
    if c.n < 2 * steps:
        c.also("stable") if c.visibility < 2 * CLEAR else None
    return out


def linear_noisier(c):
    """The noise grows with what is held."""
    size = growth_of(c, 15)
    share = c.r.uniform(0.02, 0.15)
    out = [size * x for x in c.x]
    more = [share * v * c.r.gauss(0, 1) for v in out]
    c.says("linear", "sustained", leak=True)
    c.grows(out)
    c.visibility = min(c.visibility, math.sqrt(c.n / 12) / share)
    return [a + b for a, b in zip(out, more)]


def sustained_crash_loop(c):
    """Leaks, is restarted, leaks again: what counts is the life since the last event."""
    lives = c.r.randint(2, 4)
    size = min(growth_of(c, 20), 0.7 * c.level)
    out, starts = [], []
    for i, x in enumerate(c.x):
        if i and math.floor(lives * x * 0.999) > math.floor(lives * c.x[i - 1] * 0.999):
            starts.append(i)
        out.append(size * ((lives * x * 0.999) % 1))
    c.events = [{"t": c.t[i], "kind": "restart"} for i in starts]
    last = starts[-1]
    c.says("linear", "sustained", "oscillating", leak=True)
    c.grows(out[last:])
    if c.visibility < 2 * CLEAR:
        c.also("stable")
    if c.n - last < 16:
        c.nobody_can_tell("stable", None)
    return out


def sustained_decays_to_line(c):
    """Fast at first, ever slower, but never slower than a line of its own: a cache that also leaks."""
    size, warm, tau = growth_of(c, 100), c.r.uniform(0.3, 3), c.r.uniform(0.08, 0.2)
    line = [size * x for x in c.x]
    caches = [[1 - math.exp(-x / tau / k) for x in c.x] for k in (0.7, 1, 1.5)]
    c.says("sustained", "linear", leak=True)
    c.grows(line, *caches)
    if c.visibility < 2 * CLEAR:
        c.nobody_can_tell("stable")
    return [a + size * warm * b for a, b in zip(line, caches[1])]


def sustained_v_shape(c):
    """Falls for a while, then grows: growth now is what counts."""
    turn, size = c.r.uniform(0.15, 0.6), min(growth_of(c, 15), 0.6 * c.level)
    c.says("sustained", "linear", "exponential", leak=True)
    out = [size * ((turn - x) * 0.7 if x < turn else (x - turn) / (1 - turn)) for x in c.x]
    c.grows([v if x >= turn else 0.0 for v, x in zip(out, c.x)])
    if c.visibility < 2 * CLEAR:
        c.also("stable")
    if turn > 0.35 or points_after(c, turn) < 12:
        c.nobody_can_tell("oscillating", "spike", "stable")
    return out


def oscillating_cut(c):
    """Less than one period of a slow wave: the rising part of it looks like growth to everybody."""
    waves, p = c.r.uniform(0.3, 1.4), c.r.random() * 6.28
    high = min(c.spread() * c.scale(10, 200), 0.8 * c.level)
    c.says("oscillating", "stable", "spike")
    c.nobody_can_tell(*GROWTH)
    return [high * (0.5 + 0.5 * math.sin(2 * math.pi * waves * x + p)) for x in c.x]


def oscillating_fades(c):
    """Swings that become smaller or larger around one level."""
    waves, rate = c.r.uniform(4, max(5, min(30, c.n / 8))), c.r.choice((-1, 1)) * c.r.uniform(0.5, 1.5)
    high = min(c.spread() * c.scale(15, 200), 0.6 * c.level)
    p = c.r.random() * 6.28
    c.says("oscillating")
    if c.n < 8 * waves or high * math.exp(-abs(rate)) < 8 * c.spread():
        c.also("stable")
    return [high * (0.5 + 0.5 * math.exp(-(x if rate < 0 else 1 - x) * abs(rate)) *
                    math.sin(2 * math.pi * waves * x + p)) for x in c.x]


def spike_before_rest(c):
    """A peak at the start whose tail takes long to go: start-up."""
    tau, size = c.r.uniform(0.02, 0.1), min(c.sigma * c.scale(10, 500), 0.9 * c.level)
    c.says("spike", "stable")
    return [size * (x / tau) * math.exp(1 - x / tau) for x in c.x]


def stable_imports(c):
    """Start-up: libraries of very uneven size, one after the other, then nothing new."""
    k, until, size = c.r.randint(5, 30), c.r.uniform(0.1, 0.45), c.sigma * c.scale(20, 1000)
    at = [c.r.uniform(0, until) for _ in range(k)]
    weight = [c.r.lognormvariate(0, 1) for _ in range(k)]
    at_rest(c, max(at))
    return [size * sum(w for a, w in zip(at, weight) if x >= a) / sum(weight) for x in c.x]


def stable_batch_ends(c):
    """Jobs that take memory and give it back, until there are none left."""
    k, end, size = c.r.randint(2, 6), c.r.uniform(0.3, 0.6), c.sigma * c.scale(10, 200)
    c.says("stable", "oscillating", "spike")
    return [size * ((k * x / end) % 1) if x < end else 0.0 for x in c.x]


def stable_two_levels(c):
    """Now on one level, now on another, each time for long."""
    size, level, out = c.sigma * c.scale(8, 200), 0, []
    switches = sorted(c.r.random() * 0.75 for _ in range(c.r.randint(3, 7)))
    for x in c.x:
        out.append(size * (sum(x >= s for s in switches) % 2))
    c.says("stable", "oscillating", "spike")
    if len(switches) % 2 and switches[-1] > 0.6:
        c.nobody_can_tell("sustained")
    return out


def linear_drip(c):
    """The same amount lost at random moments, flat between."""
    k = c.r.randint(10, 40)
    at = sorted(c.r.random() for _ in range(k))
    size = growth_of(c, 20) / k + 2 * c.spread()
    out = [size * sum(x >= a for a in at) for x in c.x]
    c.says("linear", "sustained", leak=True)
    c.grows(out)
    if c.n < 20 or max(b - a for a, b in zip([0, *at], [*at, 1])) > 0.3:
        c.nobody_can_tell("stable", "exponential", "spike")
    return out


def linear_under_collector(c):
    """A leak under the uneven teeth of a collector, as high as all that is lost."""
    size, per, v, top, out = growth_of(c, 30), c.r.uniform(5, 15), 0.0, 1.0, []
    high = size * c.r.uniform(0.1, 0.8)
    for _ in c.x:
        v += 1 / per
        if v >= top:
            v, top = 0.0, c.r.uniform(0.6, 1.4)
        out.append(high * v)
    line = [size * x for x in c.x]
    c.says("sustained", "linear", leak=True)
    c.grows(line, out)
    if c.n < 6 * per:
        c.nobody_can_tell("stable", "oscillating")
    return [a + b for a, b in zip(out, line)]


def oscillating_day_night(c):
    """Busy days, quiet nights, mornings that rise slowly: at least three of them."""
    days, p = c.r.uniform(3, max(3.5, min(20, c.n / 14))), c.r.random()
    high = min(c.spread() * c.scale(12, 200), 0.8 * c.level)
    c.says("oscillating")
    if c.n < 10 * days or c.n < 50:
        c.also("stable", "spike")
    return [high * min(1, 2 * max(0, math.sin(2 * math.pi * (days * x + p)))) ** 2 for x in c.x]


def spike_and_dip(c):
    """A peak, after which less is held than before for a while."""
    at, wide = c.r.uniform(0.2, 0.6), max(c.r.uniform(0.01, 0.06), 2 / c.n)
    high = min(c.spread() * c.scale(15, 300), 0.7 * c.level)
    c.says("spike", "oscillating")
    out = [high * (1 if at <= x < at + wide else -0.5 if at + wide <= x < at + 2 * wide else 0)
           for x in c.x]
    if c.n < 30 or sum(v > 0 for v in out) < 2: # it may lie in a gap
        c.also("stable")
    return out


def sustained_s_curve(c):
    """A roll-out: slow, fast, slow; in the window up to its middle or a little farther."""
    middle, steep, size = c.r.uniform(0.55, 1), c.r.uniform(5, 12), growth_of(c, 20)
    low = 1 / (1 + math.exp(steep * middle))
    out = [size * (1 / (1 + math.exp(-steep * (x - middle))) - low) for x in c.x]
    c.says(*GROWTH, leak=True)
    c.grows(out)
    if middle < 0.75:
        c.nobody_can_tell("stable")
    return out
