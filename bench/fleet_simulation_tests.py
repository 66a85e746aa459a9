"""Tests of the simulation, against what can be computed by hand.

    python3 bench/fleet_simulation_tests.py
"""

import math
import unittest
from dataclasses import replace

from fleet_simulation import HOUR, Fleet, Simulation, simulate

QUIET = Fleet(
    photos=100_000, per_shard=1_000, workers=10, rate=10.0, start=0.0, overhead=0.0,
    spread=0.0, stragglers=0.0, preemptions=0.0, speculate=False,
)  # fmt: skip


class Simulated(unittest.TestCase):
    def test_without_trouble_it_is_a_division(self):
        # 100 shards of 100 s on 10 workers.
        outcome = simulate(QUIET)
        self.assertAlmostEqual(outcome.hours, 1000 / HOUR)
        self.assertAlmostEqual(outcome.core_hours, 10_000 / HOUR)
        self.assertAlmostEqual(outcome.useful, 1)
        self.assertEqual((outcome.shards, outcome.lost_runs, outcome.doubled_runs), (100, 0, 0))
        # One shard more takes another round.
        self.assertAlmostEqual(simulate(replace(QUIET, photos=100_001)).hours, 1000.1 / HOUR, 6)
        self.assertAlmostEqual(simulate(replace(QUIET, start=50.0, overhead=2.0)).hours, 1070 / HOUR)

    def test_every_shard_is_done_once(self):
        troubled = replace(QUIET, spread=0.3, stragglers=0.1, preemptions=20.0, speculate=True, start=20.0)
        simulation = Simulation(troubled)
        outcome = simulation.run()
        self.assertTrue(all(shard.is_done for shard in simulation.shards))
        self.assertGreater(outcome.lost_runs, 0)
        self.assertGreater(outcome.doubled_runs, 0)
        runs = sum(shard.runs for shard in simulation.shards)
        self.assertGreaterEqual(runs, outcome.shards + outcome.lost_runs + outcome.doubled_runs)
        self.assertLessEqual(runs, outcome.shards + outcome.lost_runs + outcome.doubled_runs + troubled.workers)

    def test_preemptions_waste_what_theory_says(self):
        # A run of time T that is begun again whenever it is taken away at rate r takes (exp(rT) - 1) / r on average.
        for per_hour in (2.0, 10.0, 20.0):
            fleet = replace(QUIET, photos=20_000_000, workers=20, preemptions=per_hour)
            rate, time = per_hour / HOUR, fleet.per_shard / fleet.rate
            expected = rate * time / (math.exp(rate * time) - 1)
            self.assertAlmostEqual(simulate(fleet).useful, expected, delta=0.01)

    def test_smaller_shards_lose_less(self):
        useful = [
            simulate(replace(QUIET, photos=2_000_000, workers=50, per_shard=size, preemptions=1.0)).useful
            for size in (20_000, 5_000, 1_000)
        ]
        self.assertEqual(useful, sorted(useful))

    def test_speculation_shortens_the_end(self):
        slow = replace(QUIET, photos=1_000_000, workers=100, stragglers=0.05, slowness=20.0)
        alone, helped = simulate(slow), simulate(replace(slow, speculate=True))
        self.assertLess(helped.hours, 0.9 * alone.hours)
        self.assertGreater(helped.doubled_runs, 0)

    def test_one_seed_gives_one_outcome(self):
        fleet = replace(Fleet(), photos=1_000_000, workers=100)
        self.assertEqual(simulate(fleet), simulate(fleet))
        self.assertNotEqual(simulate(fleet), simulate(replace(fleet, seed=2)))


if __name__ == "__main__":
    unittest.main()
