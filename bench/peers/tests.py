"""What the scripts of bench/ reckon, on numbers that can be checked by hand.

    python3 bench/peers/tests.py
"""
import pathlib
import sys
import unittest

PEERS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(PEERS), str(PEERS.parent)]
import loaded  # noqa: E402
import roofline  # noqa: E402
import setup  # noqa: E402
import summary  # noqa: E402

NEAR = {'round_trip_ns': 55, 'alone_gflops': 118, 'together_gflops': 236}
FAR = NEAR | {'round_trip_ns': 350}
ONE_CORE = NEAR | {'together_gflops': 119}


class Ratios(unittest.TestCase):
    """Ratios of turns, by what the machine was."""

    def turns(self, *lines, threads=2):
        """Turns of Lorgnette and a peer: (their ms, the machine for us, before and after, and for them)."""
        turns = summary.Turns(threads)
        for turn, (theirs, ours_at, theirs_at) in enumerate(lines):
            for engine, ms, (before, after) in (('lorgnette', 1, ours_at), ('peer', theirs, theirs_at)):
                turns.add({'turn': turn, 'engine': engine, 'median_ms': ms, 'min_ms': ms, 'before': before, 'after': after})
        return turns.ratios('peer', 'lorgnette')

    def test_only_turns_alike_count_where_they_are_enough(self):
        steady, far = (NEAR, NEAR), (FAR, FAR)
        ratios = self.turns((2, steady, steady), (3, far, far), (50, steady, far), (70, (NEAR, FAR), steady))
        self.assertEqual((sorted(ratios), ratios.turns(), ratios.is_mixed()), ([2, 3], '2 of 4', False))

    def test_all_turns_count_where_too_few_are_alike(self):
        ratios = self.turns((2, (NEAR, NEAR), (NEAR, NEAR)), (50, (NEAR, NEAR), (FAR, FAR)), (70, (NEAR, NEAR), (ONE_CORE, ONE_CORE)))
        self.assertEqual((sorted(ratios), ratios.turns(), ratios.is_mixed()), ([2, 50, 70], '3, 1 alike', True))
        self.assertIn('†', summary.shown(ratios))

    def test_one_thread_does_not_care(self):
        ratios = self.turns((2, (NEAR, NEAR), (FAR, FAR)), (4, (NEAR, FAR), (FAR, FAR)), threads=1)
        self.assertEqual((sorted(ratios), ratios.turns()), ([2, 4], '2'))

    def test_a_machine_that_is_busy_is_like_no_other(self):
        busy = NEAR | {'round_trip_ns': 3_000_000}
        self.assertEqual(self.turns((2, (busy, busy), (busy, busy))).alike, 0)


class Best(unittest.TestCase):
    """The best peer of each precision."""

    def test_like_is_beside_like_and_less_than_float32_is_no_float32_peer(self):
        turns = summary.Turns()
        times = {'lorgnette': 4, 'lorgnette-int8': 1, 'mnn': 3, 'onnxruntime': 6, 'openvino-int8': 1.5, 'litert-int8': 2}
        for engine, time in times.items():
            turns.add({'turn': 0, 'engine': engine, 'median_ms': time, 'min_ms': time})
        less = {('net', 'mnn'): {'answer': {'verdict': 'agrees, but computes with less than float32'}}}
        row = list(summary.best_peers({('net', 2): turns}, less))[-1]
        cells = [cell.strip() for cell in row.strip('|').split('|')]
        self.assertEqual((cells[3], cells[9]), ('onnxruntime 6.00', 'openvino-int8 1.50'))
        self.assertTrue(cells[4].startswith('1.50') and cells[10].startswith('1.50') and cells[11].startswith('4.00'))
        self.assertEqual(cells[5:8], ['', '', ''])


class Loaded(unittest.TestCase):
    """A program that answers each line; here, one that counts."""

    COUNTS = 'import sys; print("hello"); print(\'{"load_s": 1}\', flush=True)\nfor i, _ in enumerate(sys.stdin): print(\'{"median_ms": %d}\' % i, flush=True)'

    def test_it_is_loaded_once_and_stands_still_between_turns(self):
        with loaded.Loaded([sys.executable, '-c', self.COUNTS]) as engine:
            found = [engine.measure() for _ in range(3)]
            self.assertEqual([one['median_ms'] for one in found], [0, 1, 2])
            self.assertEqual(found[0]['load_s'], 1)
            self.assertGreater(found[0]['peak_rss_mb'], 1)
            state = pathlib.Path(f'/proc/{engine.process.pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
            self.assertEqual(state, 'T')

    def test_what_it_complains_of_is_said(self):
        with loaded.Loaded([sys.executable, '-c', 'raise SystemExit("no such model")']) as engine:
            with self.assertRaisesRegex(SystemExit, 'no such model'):
                engine.measure()


class Roofline(unittest.TestCase):
    """Least times of a made-up plan on a made-up machine of 100 GFLOP/s in float32 and 10 GB/s."""

    def setUp(self):
        limits = {'threads': 2, 'float32_gflops': 100, 'bf16_gflops': 200, 'memory_gb_s': 10, 'shared_cache_gb_s': 50}
        self.machine = roofline.Machine([NEAR | {'level': 'avx512', 'one': limits, 'all': limits}])
        self.machine.own_cache, self.machine.shared_cache = 2e6, 32e6

    def layer(self, **step):
        plain = {'ms': 1, 'flops': 4e8, 'multiplications': 2e8, 'precision': 'float32', 'kernel': 'direct', 'rejected': [], 'shape': [1, 10, 10, 8],
                 'weight_bytes': 0, 'activation_bytes': 0}
        return roofline.Roofline(setup.Row('vgg_16'), {'steps': [plain | step]}, self.machine).layers[0]

    def test_products_and_bytes_each_have_their_limit(self):
        self.assertAlmostEqual(self.layer().least, 4)
        self.assertAlmostEqual(self.layer(multiplications=5e7).least, 1)
        self.assertAlmostEqual(self.layer(precision='bf16').least, 2)
        weights = self.layer(weight_bytes=100e6)
        self.assertEqual((weights.by, round(weights.least, 6)), ('memory', 10))
        self.assertEqual(self.layer(weight_bytes=30e6).by, 'multiply-adds')

    def test_activations_count_as_far_as_no_core_can_keep_them(self):
        # 68 of 100 MB cannot have stayed in the shared cache.
        self.assertAlmostEqual(self.layer(multiplications=0, activation_bytes=100e6).least, 6.8)
        self.assertAlmostEqual(self.layer(multiplications=0, activation_bytes=12e6).least, 0.2)
        self.assertEqual(self.layer(multiplications=0, activation_bytes=12e6, chain=3).least, 0)

    def test_another_kernel_may_have_a_lower_limit(self):
        other = {'kernel': 'winograd 4x4', 'precision': 'float32', 'multiplications': 5e7}
        self.assertAlmostEqual(self.layer(rejected=[other]).lowest, 1)
        self.assertAlmostEqual(self.layer(rejected=[other | {'multiplications': 9e9}]).lowest, 4)

    def test_verdicts(self):
        self.assertEqual(roofline.verdict(10, ms=9, least=5, lowest=5), 'reached')
        self.assertIn('our shortfall', roofline.verdict(10, ms=12, least=5, lowest=4))
        self.assertIn('of these kernels', roofline.verdict(10, ms=30, least=12, lowest=4))
        self.assertIn('whichever', roofline.verdict(10, ms=30, least=13, lowest=12))


if __name__ == '__main__':
    unittest.main()
