"""Labelled memory series for second.py: one function for each family, nothing but the standard library.

It shares nothing with the corpus that the judge's constants were learned from: other families, noises,
lengths and rules for labels. A series is level + signal + noise, rounded to a quantum. Signals are
built in units of the noise, so that what can be seen is known: visibility is the size of the growth
over the noise, after projection on what is no growth (whitened, as the noise remembers). Labels are
honest: whatever a careful person could also say is in the accept set, and where nobody could tell a
leak from its absence `leak` is None.
"""
import math

import second_traps
from second_canvas import (CLEAR, GROWTH, HEAP_STEP, MIB, SATURATING, Canvas, at_rest, bump, clip,
                           growth_of, points_after, saturating)

LABELS = ("stable", "linear", "exponential", "spike", "sustained", "oscillating")
TURNS = (*LABELS, "stable") # more families are stable than anything else


# --- stable ------------------------------------------------------------------------------------------

def stable_flat(c):
    c.says("stable")
    if c.noise_kind in ("heavy", "lumpy") and max(map(abs, c.noise)) > 4:
        c.also("spike")
    return [0.0] * c.n


def stable_quantised(c):
    """Less noise than the quantum: one value, or two in turn."""
    c.quantum = max(c.quantum, 4096)
    c.sigma = 0.2 * c.quantum
    c.says("stable")
    return [c.r.random() * 0.4 * c.quantum] * c.n


def stable_wander(c):
    """Remembers for long, and returns: a hundredth of white noise on a slow walk with a spring."""
    c.says("stable")
    pull = max(0.03, 10 / c.n)
    v, out = 0.0, []
    for _ in range(c.n):
        v = (1 - pull) * v + c.r.gauss(0, 1) * math.sqrt(2 * pull) * 3 * c.sigma
        out.append(v)
    c.also("oscillating")
    return out


def stable_warm_up(c):
    tau, size = c.r.uniform(0.01, 0.16), c.sigma * c.scale(5, 2000)
    since = next((v / 100 for v in range(101) if size * math.exp(-v / 100 / tau) <
                  max(0.02 * size, c.spread())), 1)
    at_rest(c, since)
    return [size * saturating(tau)(x) for x in c.x]


def stable_cache_fills(c):
    full, size = c.r.uniform(0.1, 0.7), c.sigma * c.scale(8, 2000)
    at_rest(c, full)
    return [size * min(x / full, 1) for x in c.x]


def stable_load_ramp(c):
    begin = c.r.uniform(0.05, 0.3)
    end, size = begin + c.r.uniform(0.05, 0.4), c.sigma * c.scale(8, 500)
    at_rest(c, end)
    return [size * (1 - math.cos(math.pi * clip((x - begin) / (end - begin), 0, 1))) / 2 for x in c.x]


def stable_log_fill(c):
    """Keys that come by popularity: each is new more seldom. Nobody knows where it will end."""
    tau, size = c.scale(0.001, 0.1), c.sigma * c.scale(5, 300)
    out = [size * math.log1p(x / tau) / math.log1p(1 / tau) for x in c.x]
    c.says("stable")
    if c.seen([max(v, out[c.n // 3]) for v in out]) > 2:
        c.nobody_can_tell("sustained", "linear")
    return out


def stable_steps_end(c, height=None):
    until, k = c.r.uniform(0.15, 0.6), c.r.randint(2, 6)
    at = sorted(c.r.uniform(0.03, until) for _ in range(k))
    height = height or c.sigma * c.scale(6, 300)
    at_rest(c, at[-1])
    return [height * sum(x >= a for a in at) for x in c.x]


def stable_arenas(c):
    c.sigma = min(c.sigma, 8 * MIB)
    return stable_steps_end(c, 64 * MIB)


def stable_collected_heap(c):
    """A managed heap: warm-up, then a low saw whose teeth are uneven."""
    size, tooth = c.sigma * c.scale(10, 200), c.sigma * c.scale(3, 30)
    v, out, top = 0.0, [], 1.0
    per = c.r.uniform(5, 30)
    for x in c.x:
        v += 1 / per
        if v >= top:
            v, top = 0.0, c.r.uniform(0.7, 1.3)
        out.append(size * saturating(0.05)(x) + tooth * v)
    c.says("stable", "oscillating")
    if c.n < 8 * per:
        c.nobody_can_tell("sustained", "linear")
    return out


def stable_shift(c):
    at, size = c.r.uniform(0.1, 0.9), c.sigma * c.scale(8, 500) * c.r.choice((1, 1, -1))
    size = max(size, -0.7 * c.level)
    if size > 0:
        at_rest(c, at, "spike")
    else:
        c.says("stable")
        if at < 0.15 or at > 0.85:
            c.also("spike")
    return [size * (x >= at) for x in c.x]


def stable_decline(c):
    size = min(c.sigma * c.scale(5, 500), 0.7 * c.level)
    c.says("stable")
    return [-size * x for x in c.x]


def stable_restart(c):
    """Begins anew with an event: what came before says nothing of what is now."""
    at = c.r.uniform(0.2, 0.7)
    drop = min(c.sigma * c.scale(20, 500), 0.8 * c.level)
    grown = c.r.choice((0, 0, 1))
    i = next(i for i, x in enumerate(c.x) if x >= at)
    c.events = [{"t": c.t[i], "kind": "restart"}]
    c.says("stable")
    if c.n - i < 12:
        c.nobody_can_tell(*GROWTH, None)
    tau = 0.06 * (1 - at)
    if c.n - i < 30:
        c.also("sustained")
    return [drop * (0.5 + 0.5 * grown * x / at) if k < i else
            -drop * math.exp(-(x - c.x[i]) / tau) * 0.5 for k, x in enumerate(c.x)]


# --- linear ------------------------------------------------------------------------------------------

def linear_plain(c):
    size = growth_of(c)
    out = [size * x for x in c.x]
    c.says("linear", leak=True)
    c.grows(out)
    if c.visibility < 2 * CLEAR or c.n < 16:
        c.also("sustained")
    return out


def linear_after_warm_up(c):
    tau, size = c.r.uniform(0.02, 0.08), growth_of(c)
    warm = size * c.scale(0.1, 5)
    rest = [warm * saturating(tau)(x) for x in c.x]
    out = [size * x for x in c.x]
    c.says("linear", "sustained", leak=True)
    # nobody is told how fast it warms up: two that differ stand for all between
    c.grows(out, *([saturating(tau * k)(x) for x in c.x] for k in (0.7, 1, 1.6)))
    if c.n < 30:
        c.nobody_can_tell("stable")
    return [a + b for a, b in zip(out, rest)]


def linear_late(c):
    onset, size = c.r.uniform(0.15, 0.85), growth_of(c, 8)
    out = [size * max(x - onset, 0) / (1 - onset) for x in c.x]
    c.says("linear", "sustained", leak=True)
    c.grows(out)
    if onset > 0.3:
        c.also("exponential")
    if points_after(c, onset) < 8 or onset > 0.75:
        c.nobody_can_tell("stable", "spike")
    return out


def linear_with_bursts(c):
    """A line, and requests on top that are given back."""
    size = growth_of(c, 10)
    out = [size * x for x in c.x]
    bursts, left, height = [], 0, 0.0
    for _ in c.x:
        if left <= 0 and c.r.random() < 0.06:
            left, height = c.r.randint(1, max(1, c.n // 25)), c.r.uniform(0.05, 0.4) * size
        bursts.append(height if left > 0 else 0.0)
        left -= 1
    c.says("linear", "sustained", leak=True)
    c.grows(out, bursts)
    if c.n < 20:
        c.also("oscillating", "spike")
    return [a + b for a, b in zip(out, bursts)]


def linear_heap_top(c):
    """The heap's top moves by 132 KiB: a line in steps."""
    c.quantum, c.sigma = 4096, min(c.sigma, 20000.0)
    steps = c.scale(2, 4 * c.n)
    shift = c.r.random()
    out = [HEAP_STEP * math.floor(steps * x + shift) for x in c.x]
    c.says("linear", leak=True)
    c.grows(out)
    if steps < min(0.7 * c.n, 40):
        c.also("sustained")
    if steps < 5:
        c.nobody_can_tell("stable")
    return out


def linear_after_restart(c):
    at, size = c.r.uniform(0.1, 0.5), growth_of(c, 10)
    i = next(i for i, x in enumerate(c.x) if x >= at)
    c.events = [{"t": c.t[i], "kind": "restart"}]
    size = min(size, 0.6 * c.level)
    out = [size * (x / at if k < i else (x - at) / (1 - at)) for k, x in enumerate(c.x)]
    c.says("linear", leak=True)
    c.grows(out[i:])
    if c.visibility < 2 * CLEAR or c.n - i < 16:
        c.also("stable", "sustained")
    if c.n - i < 12:
        c.nobody_can_tell(None)
    return out


# --- exponential ---------------------------------------------------------------------------------------

def exponential(c, folds, onset=0.0):
    size = growth_of(c, 10, 3000)
    out = [size * math.expm1(folds * max(x - onset, 0) / (1 - onset)) / math.expm1(folds) for x in c.x]
    c.says("exponential", leak=True)
    c.grows(out)
    bent = c.seen(out, c.x)
    if bent < CLEAR or folds < 1 or c.n < 20:
        c.also("linear", "sustained")
    elif bent < 2 * CLEAR:
        c.also("sustained")
    last = [x for v, x in zip(out, c.x) if v > 0.1 * size]
    if len(last) < 6:
        c.nobody_can_tell("spike", "sustained", "linear", "stable")
    return out


def exponential_plain(c):
    return exponential(c, c.scale(0.7, 8))


def exponential_doubles(c):
    """The whole level grows: value = level e^(rate t), nothing beside it."""
    folds = c.scale(0.5, 5)
    c.sigma = min(c.sigma, 0.01 * c.level)
    out = [c.level * math.expm1(folds * x) for x in c.x]
    c.says("exponential", leak=True)
    c.grows(out)
    if c.seen(out, c.x) < 2 * CLEAR or folds < 1 or c.n < 16:
        c.also("linear", "sustained")
    return out


def exponential_late(c):
    out = exponential(c, c.r.uniform(2, 6), c.r.uniform(0.1, 0.5))
    c.also("sustained")
    return out


# --- spike ---------------------------------------------------------------------------------------------

def spike(c, places, width=None, kinds=("box", "decay", "bell", "tent")):
    heavy = c.noise_kind in ("heavy", "lumpy")
    out, least = [0.0] * c.n, 1e9
    width = max(width or c.scale(0.5 / c.n, 0.08), 1.01 / c.n)
    base = c.scale(6, 500)
    for at in places:
        size = base * c.r.uniform(0.6, 1.5)
        one = bump(c, at, width, c.r.choice(kinds))
        if max(one) < 0.5: # between two points
            one[min(range(c.n), key=lambda i: abs(c.x[i] - at))] = 1.0
        least = min(least, size * max(one))
        out = [a + size * c.spread() * b for a, b in zip(out, one)]
    c.says("spike")
    if least < (25 if heavy else 10):
        c.also("stable")
    if c.n < 20:
        c.also("stable")
    return out


def spike_one(c):
    return spike(c, [c.r.uniform(0.15, 0.8)])


def spike_several(c):
    k = c.r.randint(2, 4)
    places = [(i + c.r.uniform(0.1, 0.7)) / k for i in range(k)]
    out = spike(c, places, min(0.04, 0.15 / k))
    if k > 2 or c.n < 50:
        c.also("oscillating")
    return out


def spike_at_start(c):
    out = spike(c, [0.0], kinds=("box", "decay"))
    c.also("stable")
    return out


def spike_at_end(c):
    out = spike(c, [1 - c.scale(1 / c.n, 0.06)], 0.2, ("box",))
    high = sum(1 for v in out if v > 0)
    c.also("stable")
    if high > 2:
        c.nobody_can_tell("sustained", "exponential")
    return out


def spike_decays(c):
    return spike(c, [c.r.uniform(0.1, 0.6)], c.r.uniform(0.05, 0.2), ("decay",))


def spike_wide(c):
    out = spike(c, [c.r.uniform(0.15, 0.5)], c.r.uniform(0.12, 0.3))
    c.also("oscillating", "stable")
    return out


# --- sustained -----------------------------------------------------------------------------------------

def sustained_staircase(c):
    k = c.r.randint(4, 25)
    if c.r.random() < 0.5:
        at = [(i + 0.5) / k for i in range(k)]
    else:
        at = [(i + c.r.uniform(0.1, 0.9)) / k for i in range(k)]
    height = growth_of(c, 8) / k + c.spread()
    out = [height * sum(x >= a for a in at) for x in c.x]
    c.says("sustained", leak=True)
    c.grows(out)
    if c.seen(out, c.x) < 2 * CLEAR or c.n < 5 * k or k > 12:
        c.also("linear")
    if c.n < 16:
        c.nobody_can_tell("stable", "linear")
    return out


def sustained_sublinear(c):
    power, size = c.r.uniform(0.35, 0.8), growth_of(c, 8, 3000)
    out = [size * x ** power for x in c.x]
    c.says("sustained", leak=True)
    c.grows(out)
    if c.seen(out, c.x) < 2 * CLEAR:
        c.also("linear")
    if c.curves(out, SATURATING) < 2 * CLEAR:
        c.nobody_can_tell("stable", "linear")
    return out


def with_waves(c, wave, waves):
    """Growth under waves of any height; at least four of them."""
    size, high = growth_of(c, 15), c.scale(0.1, 3)
    line = [size * x for x in c.x]
    up = [size * high * v for v in wave]
    c.says("sustained", leak=True)
    c.grows(line, up)
    if c.seen(up) < 2 * CLEAR or high < 0.2 or c.n < 6 * waves:
        c.also("linear")
    if high > 0.7:
        c.also("oscillating")
    if high > 1.5 or waves < 5:
        c.nobody_can_tell("oscillating")
    return [a + b for a, b in zip(line, up)]


def sustained_saw(c):
    k = c.r.randint(4, max(5, min(30, c.n // 5)))
    phase = c.r.random()
    return with_waves(c, [(k * x + phase) % 1 for x in c.x], k)


def sustained_load_cycle(c):
    k = c.r.randint(4, max(5, min(20, c.n // 6)))
    phase = c.r.random() * 2 * math.pi
    return with_waves(c, [0.5 + 0.5 * math.sin(2 * math.pi * k * x + phase) for x in c.x], k)


def sustained_bursts(c):
    """Growth in bursts that come ever more often."""
    k = c.r.randint(5, 15)
    at = [(i / k) ** 0.5 for i in range(1, k + 1)]
    wide, size = c.r.uniform(0.2, 0.6) / k, growth_of(c, 20)
    out = [sum(clip((x - a + wide) / wide, 0, 1) for a in at) * size / k for x in c.x]
    c.says("sustained", "exponential", leak=True)
    c.grows(out)
    if c.seen(out, c.x) < 3 * CLEAR:
        c.also("linear")
    return out


def sustained_pauses(c):
    """Grows while there is load and rests between: ramps and flats by turns."""
    k = c.r.randint(3, 8)
    share = c.r.uniform(0.2, 0.7)
    size = growth_of(c, 15)
    out = [size / k * (math.floor(k * x) + min((k * x) % 1 / share, 1)) for x in c.x]
    c.says("sustained", leak=True)
    c.grows(out)
    if c.seen(out, c.x) < 2 * CLEAR or share > 0.5:
        c.also("linear")
    if k < 4:
        c.also("linear")
    if c.n < 4 * k:
        c.also("linear", "stable")
    return out


# --- oscillating -----------------------------------------------------------------------------------------

def oscillates(c, wave, waves):
    """A wave in [0, 1] with this many periods."""
    high = min(c.spread() * c.scale(3, 200), 0.8 * c.level)
    out = [high * v for v in wave]
    c.says("oscillating")
    if high < 8 * c.spread() or c.seen(out) < 3 * CLEAR:
        c.also("stable")
    if c.n < 7 * waves:
        c.also("stable")
    if waves < 3:
        c.also("spike", "stable")
    if waves < 2:
        c.nobody_can_tell(*GROWTH)
    return out


def periods(c, least=2.0):
    return c.scale(least, max(least + 0.5, min(60, c.n / 6)))


def oscillating_sine(c):
    k, p = periods(c), c.r.random() * 2 * math.pi
    return oscillates(c, [0.5 + 0.5 * math.sin(2 * math.pi * k * x + p) for x in c.x], k)


def oscillating_saw(c):
    k, p = periods(c), c.r.random()
    return oscillates(c, [(k * x + p) % 1 for x in c.x], k)


def oscillating_square(c):
    k, p, duty = periods(c), c.r.random(), c.r.uniform(0.25, 0.75)
    return oscillates(c, [1.0 * ((k * x + p) % 1 < duty) for x in c.x], k)


def oscillating_triangle(c):
    k, p, top = periods(c), c.r.random(), c.r.uniform(0.1, 0.9)
    phase = [(k * x + p) % 1 for x in c.x]
    return oscillates(c, [v / top if v < top else (1 - v) / (1 - top) for v in phase], k)


def oscillating_irregular(c):
    """Batches of uneven length and height."""
    k = periods(c, 3)
    v, out, pace, top = 0.0, [], 1.0, 1.0
    for i in range(c.n):
        v += k * pace * (c.x[i] - c.x[i - 1] if i else 0)
        if v >= 1:
            v, pace, top = v % 1, c.r.uniform(0.6, 1.6), c.r.uniform(0.7, 1)
        out.append(v * top)
    out = oscillates(c, out, k)
    c.also("stable") if k < 4 else None
    return out


def oscillating_two(c):
    k, p, q = periods(c, 3), c.r.random() * 6.28, c.r.random() * 6.28
    other, share = k * c.r.uniform(1.6, 4), c.r.uniform(0.3, 0.7)
    return oscillates(c, [0.5 + 0.5 * ((1 - share) * math.sin(6.2832 * k * x + p) +
                                       share * math.sin(6.2832 * other * x + q)) for x in c.x], other)


FAMILIES = {name: value for name, value in [*globals().items(), *vars(second_traps).items()]
            if name.split("_")[0] in ("stable", "spike", "oscillating", *GROWTH) and "_" in name
            and callable(value)}


def make(seed, number):
    """The series `number` of this seed: classes in turn, families at random."""
    c = Canvas(seed, number)
    label = TURNS[number % len(TURNS)]
    family = c.r.choice([f for f in FAMILIES if f.startswith(label + "_")])
    signal = FAMILIES[family](c)
    c.what_nobody_saw(signal)
    begin = c.level + max(0.0, -min(signal) - 0.9 * c.level)
    value = [max(0, round((begin + s + c.sigma * e) / c.quantum) * c.quantum)
             for s, e in zip(signal, c.noise)]
    return {"id": f"{seed}-{number}-{family}", "t": c.t, "value": value, "events": c.events,
            "family": family, "label": label, "accept": sorted(c.accept, key=str), "leak": c.leak,
            "visibility": c.visibility, "noise": c.noise_kind, "spacing": c.spacing, "n": c.n}
