"""What labelled series are drawn on: times, noise, and what of a drawing can be seen."""
import math
import random

MIB = 1 << 20
GROWTH = ("linear", "exponential", "sustained")
LENGTHS = (12, 16, 20, 30, 50, 80, 128, 200, 400, 1000, 2000)
LENGTH_WEIGHTS = (4, 4, 6, 10, 14, 14, 14, 12, 10, 7, 5)
HEAP_STEP = 132 * 1024
SEEN, CLEAR = 3, 6 # d': less is invisible, more is plain


class Canvas:
    """What one series is drawn on: times, noise, and what a family says about its drawing."""

    def __init__(self, seed, number):
        self.r = random.Random(f"second {seed} {number}")
        self.n = self.r.choices(LENGTHS, LENGTH_WEIGHTS)[0]
        self.level = self.scale(1e6, 64e9)
        self.quantum = self.r.choices((1, 4096, 65536, 2 * MIB), (2, 6, 1, 1))[0]
        self.sigma = max(self.level * self.scale(1e-5, 2e-2), self.quantum * self.r.choice((0.3, 1, 3)))
        self.level = max(self.level, 30 * self.sigma)
        self.events, self.accept, self.leak, self.note = [], set(), False, ""
        self.visibility = None
        self.times()
        self.make_noise()

    def scale(self, low, high):
        return low * (high / low) ** self.r.random()

    def times(self):
        r, n = self.r, self.n
        step = self.scale(0.1, 600)
        kind = r.choices(("even", "jitter", "missing", "gap", "irregular", "asleep", "pairs"),
                         (8, 3, 3, 2, 2, 1, 1))[0]
        if kind == "jitter":
            t = [(i + r.uniform(-0.2, 0.2)) * step for i in range(n)]
        elif kind == "missing":
            t = [i * step for i in sorted(r.sample(range(int(n * 1.3) + 1), n))]
        elif kind == "gap":
            at, hole = r.randrange(n // 4, 3 * n // 4), r.uniform(0.05, 0.3) * n
            t = [(i + (hole if i >= at else 0)) * step for i in range(n)]
        elif kind == "asleep": # the machine was, for longer than it was watched
            at, hole = r.randrange(n // 4, 3 * n // 4), r.uniform(0.5, 3) * n
            t = [(i + (hole if i >= at else 0)) * step for i in range(n)]
        elif kind == "pairs":
            t = [(i // 2 * 2 + (0.05 if i % 2 else 0)) * step for i in range(n)]
        elif kind == "irregular":
            t, now = [], 0.0
            for _ in range(n):
                now += step * (0.1 + r.expovariate(1 / 0.9))
                t.append(now)
        else:
            t = [i * step for i in range(n)]
        begin = r.choices((0.0, r.uniform(1, 5000), 1.7e9), (6, 3, 1))[0]
        self.spacing = kind
        self.t = [round(v - t[0] + begin, 3) for v in t]
        self.t = [v for i, v in enumerate(self.t) if i == 0 or v > self.t[i - 1]]
        self.n = len(self.t)
        span = self.t[-1] - self.t[0]
        self.x = [(v - self.t[0]) / span for v in self.t]

    def make_noise(self):
        r, n = self.r, self.n
        self.noise_kind = r.choices(("white", "ar", "heavy", "none", "lumpy"), (5, 4, 2, 1, 1))[0]
        self.rho = 0.0
        if self.noise_kind == "ar":
            self.rho = min(r.uniform(0.3, 0.95), max(0.0, 1 - 8 / n))
            drive, now, self.noise = math.sqrt(1 - self.rho ** 2), r.gauss(0, 1), []
            for _ in range(n):
                self.noise.append(now)
                now = self.rho * now + drive * r.gauss(0, 1)
        elif self.noise_kind == "heavy": # Student's t with three degrees of freedom, variance 1
            self.noise = [r.gauss(0, 1) / math.sqrt(sum(r.gauss(0, 1) ** 2 for _ in range(3)))
                          for _ in range(n)]
        elif self.noise_kind == "lumpy": # sizes of requests: many small, few large, always upwards
            self.noise = [(r.lognormvariate(0, 1) - 1.65) / 2.16 for _ in range(n)]
        elif self.noise_kind == "none":
            self.noise = [0.0] * n
        else:
            self.noise = [r.gauss(0, 1) for _ in range(n)]
        if self.noise_kind == "none":
            self.sigma = max(1.0, 0.3 * self.quantum)

    # --- what can be seen -------------------------------------------------------------------------

    def spread(self):
        """Standard deviation of noise and rounding."""
        return math.hypot(self.sigma, self.quantum / math.sqrt(12))

    def whitened(self, v):
        first = v[0] * math.sqrt(1 - self.rho ** 2)
        return [first] + [v[i] - self.rho * v[i - 1] for i in range(1, len(v))]

    def seen(self, signal, *others):
        """d' of a signal (bytes) beside a constant and `others`, which any observer would allow."""
        left, base = self.whitened(signal), []
        for b in ([1.0] * len(signal), *others):
            b = self.whitened(b)
            for e in base:
                b = minus(b, e, dot(b, e))
            size = math.sqrt(dot(b, b))
            if size > 1e-9:
                base.append([v / size for v in b])
                left = minus(left, base[-1], dot(left, base[-1]))
        return math.sqrt(dot(left, left)) / (self.spread() * math.sqrt(1 - self.rho ** 2))

    def curves(self, signal, shapes):
        """The smallest d' of a signal beside any one of these shapes."""
        return min(self.seen(signal, [f(x) for x in self.x]) for f in shapes)

    # --- what a family says ------------------------------------------------------------------------

    def says(self, *labels, leak=False, note=""):
        self.accept, self.leak, self.note = set(labels), leak, note

    def also(self, *labels):
        self.accept |= set(labels)

    def nobody_can_tell(self, *labels):
        self.also(*labels)
        self.leak = None

    def what_nobody_saw(self, signal):
        """A level that moved in a gap of half the window may have done so in any way."""
        gaps = [b - a for a, b in zip(self.x, self.x[1:])]
        i = gaps.index(max(gaps))
        if self.leak is False and gaps[i] > 0.3 and abs(signal[i + 1] - signal[i]) > 3 * self.spread():
            self.nobody_can_tell("stable", *GROWTH)

    def grows(self, growth, *others):
        """Records how well the growth can be seen; what cannot may be called stable."""
        self.visibility = self.seen(growth, *others)
        if self.visibility < CLEAR:
            self.also("stable")
        if self.visibility < SEEN:
            self.also(*GROWTH, "spike", "oscillating")
        steps = (max(growth) - min(growth)) / self.quantum
        if steps < 20: # rounding makes a staircase of it
            self.also(*GROWTH)
        if steps < 5:
            self.nobody_can_tell("stable", *GROWTH)


def dot(a, b):
    return math.fsum(x * y for x, y in zip(a, b))


def minus(a, b, times):
    return [x - times * y for x, y in zip(a, b)]


def clip(v, low, high):
    return min(max(v, low), high)


def saturating(tau):
    return lambda x: 1 - math.exp(-x / tau)


SATURATING = [saturating(tau) for tau in (0.05, 0.1, 0.15, 0.2, 0.3, 0.45, 0.7, 1.2)]


def points_after(c, x):
    return sum(1 for v in c.x if v > x)


def at_rest(c, since, *labels):
    """What rises until `since` has to rest for long enough to be called at rest."""
    rest = points_after(c, since)
    c.says("stable")
    if since > 0.65 or rest < 8:
        c.nobody_can_tell("linear", "sustained", *labels)
    elif since > 0.5 or rest < 12:
        c.also("sustained", *labels)


def growth_of(c, low=2.0, high=1000.0):
    """A size of growth: seldom invisible, often just visible, mostly plain."""
    high = 12 * low if c.r.random() < 0.4 else high
    return c.spread() * c.scale(low, high) / math.sqrt(c.n / 12)


def bump(c, at, width, kind):
    if kind == "box":
        return [1.0 * (at <= x < at + width) for x in c.x]
    if kind == "decay":
        return [math.exp(-(x - at) / width * 3) if x >= at else 0.0 for x in c.x]
    if kind == "bell":
        return [math.exp(-((x - at - width / 2) / width * 3) ** 2) for x in c.x]
    return [max(0.0, 1 - abs(x - at - width / 2) / width * 2) for x in c.x]
