"""Tests of the benchmark's arithmetic and tables; no root, no clock."""
import math
import unittest

import figures

ROW = {"case": "pairs", "unit": "ns", "is": "cost",
       "rounds": {"untraced": [10.0, 20.0, 10.0], "full": [110.0, 120.0, None],
                  "memleak": [510.0, 1020.0, 510.0], "heaptrack": {"why": "timed out"}}}


class Figures(unittest.TestCase):
    def test_a_ratio_is_of_the_same_round(self):
        self.assertEqual(figures.ratios(ROW, "full"), [11.0, 6.0])
        self.assertEqual(figures.added(ROW, "full"), [100.0, 100.0])
        self.assertEqual(figures.added_ratio(ROW, "full", "memleak"), [0.2, 0.1])

    def test_what_is_not_there_has_no_ratio(self):
        self.assertEqual(figures.ratios(ROW, "heaptrack"), [])
        self.assertEqual(figures.ratios(ROW, "nobody"), [])
        self.assertEqual(figures.added_ratio(ROW, "full", "heaptrack"), [])

    def test_a_peer_that_adds_nothing_is_no_divisor(self):
        row = {"rounds": {"untraced": [10, 10], "full": [20, 20], "floor": [10, 15]}}
        self.assertEqual(figures.added_ratio(row, "full", "floor"), [2.0])

    def test_spread_is_the_whole_range_of_few_and_the_quartiles_of_many(self):
        self.assertEqual(figures.spread([3, 1, 2]), (2, 1, 3))
        self.assertEqual(figures.spread(list(range(9))), (4, 2, 6))
        self.assertIsNone(figures.spread([]))

    def test_the_interval_covers_the_mean_as_often_as_it_says(self):
        import random
        rng, hits, runs = random.Random(1), 0, 2000
        for _ in range(runs):
            _, low, high = figures.interval([math.exp(rng.gauss(0.1, 0.05)) for _ in range(6)])
            hits += low <= math.exp(0.1) <= high
        self.assertAlmostEqual(hits / runs, 0.95, delta=0.02)

    def test_an_interval_needs_three_rounds(self):
        self.assertIsNone(figures.interval([1.0, 1.1]))

    def test_numbers_have_few_digits_and_no_exponent(self):
        self.assertEqual([figures.number(v) for v in (0, 0.0123, 1.26, 99.6, 1234, 1e6, -3.14)],
                         ["0", "0.012", "1.3", "100", "1,200", "1,000,000", "-3.1"])
        self.assertEqual(figures.number(math.nan), "-")
        self.assertEqual([figures.nanoseconds(v) for v in (1.25, 14.4, 1450, 2.5e6, 3e9)],
                         ["1.2 ns", "14 ns", "1.4 µs", "2.5 ms", "3.0 s"])

    def test_a_cell_says_ratio_and_what_is_added(self):
        self.assertEqual(figures.cell(ROW, "memleak"), "× 51 (51-51), +500 ns".replace(" (51-51)", ""))
        self.assertEqual(figures.cell(ROW, "full"),
                         "× 8.50 (6.00-11), +100 ns, 1 of 3 rounds lost")
        self.assertEqual(figures.cell(ROW, "untraced"), "10 ns (10-20)")

    def test_a_peer_that_failed_says_why_and_has_no_number(self):
        self.assertEqual(figures.cell(ROW, "heaptrack"), "not available: timed out")
        self.assertEqual(figures.cell(ROW, "nobody"), "")
        lost = dict(ROW, rounds={"untraced": [1.0], "full": [None]})
        self.assertEqual(figures.cell(lost, "full"), "not available: no round succeeded")

    def test_units_and_signs_of_a_range_can_be_read(self):
        self.assertEqual(figures.around((1.0, -2.0, 3.0), lambda v: f"{v:+.0f} %"), "+1 % (-2 to +3)")
        self.assertEqual(figures.around((900, 900, 1500), figures.nanoseconds),
                         "900 ns (900 ns to 1.5 µs)")

    def test_a_round_that_was_not_meant_to_be_is_not_lost(self):
        row = dict(ROW, rounds={"untraced": [1.0, 1.0, 2.0], "heaptrack": ["-", "-", 4.0]})
        self.assertEqual(figures.cell(row, "heaptrack"), "× 2.00, +2.0 ns")

    def test_a_throughput_is_a_share(self):
        row = {"case": "redis", "unit": "/s", "is": "throughput",
               "rounds": {"untraced": [1000.0, 2000.0], "full": [900.0, 1900.0]}}
        self.assertEqual(figures.cell(row, "full"), "0.93 (0.90-0.95)")

    def test_a_table_is_markdown_and_cells_cannot_break_it(self):
        text = figures.rows_table([dict(ROW, case="a|b")],
                                  {"untraced": "untraced", "sample": "sample", "full": "full"})
        lines = text.splitlines()
        self.assertEqual(lines[:2], ["| case | untraced | full |", "| --- | --- | --- |"])
        self.assertIn("a\\|b", lines[2])

    def test_a_bar_is_met_or_not_and_never_guessed(self):
        bar = {"what": "full", "bar": 0.2, "is": "at most", "values": [0.1, 0.15, 0.3]}
        self.assertEqual(figures.verdict(bar)[1:], ["at most 0.200", "0.150 (0.100-0.300)", "yes"])
        self.assertEqual(figures.verdict(dict(bar, bar=0.1))[3], "NO")
        self.assertEqual(figures.verdict(dict(bar, interval=bar["values"]))[3], "yes, within the noise")
        self.assertEqual(figures.verdict(dict(bar, values=[], never=True))[2:], ["never", "NO"])
        growth = figures.verdict(dict(bar, bar=1.01, shown="growth", values=[1.0, 1.005, 1.02]))
        self.assertEqual(growth[1:], ["at most +1.0 %", "+0.5 % (+0.0 to +2.0)", "yes"])
        self.assertEqual(figures.verdict(dict(bar, **{"is": "at least"}))[3], "NO")
        self.assertEqual(figures.verdict({"what": "x", "why": "no node"}),
                         ["x", "", "not measured: no node", "-"])
        self.assertEqual(figures.verdict(dict(bar, values=[]))[2:], ["not measured", "-"])


if __name__ == "__main__":
    unittest.main()
