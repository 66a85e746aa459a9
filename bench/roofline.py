#!/usr/bin/env python3
"""How fast networks could be on this machine, layer by layer: each layer's time beside the least time that the machine's limits allow.

    python3 bench/roofline.py ROW... [--run bench/runs/FOLDER] [--turns 5] [--threads 2] > roofline.md
    python3 bench/roofline.py vgg_16 vgg_16@768x1024 resnet_v1_50 mobilenet_v1 mobilenet_v1:bf16 mobilenet_v2:bf16 --run bench/runs/FOLDER

A ROW is NETWORK, NETWORK@HxW, and either with :bf16 after it. FOLDER is a run of `bench/compare`: of it come the peers' times, and roofline.md
is written into it in place of standard output.

In each turn `lorgnette-machine --limits` measures the machine, then `lorgnette explain --time` the network with made-up weights. The fastest
run of a network counts, and the highest of each limit in all turns of all networks. A layer's least time is the longest of three: its kernel's multiplications at the
multiply-add peak; what it reads from memory; what it reads from the cache that the cores share. Weights come from the smallest of these
that holds all of the network's; activations, as far as no core's own cache can have kept them, likewise. Not counted are what the kernel
does beside (Winograd's transforms, activation functions, rows computed twice) and what one core has to fetch from another: so no kernel of
the same arithmetic can be faster, and none is as fast.
"""
import argparse
import json
import pathlib
import re
import statistics
import sys

BENCH = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(BENCH / 'peers'))
import setup  # noqa: E402
import summary  # noqa: E402

# What we set out for: times as fast as the best float32 peer, with AMX and without, and as OpenVINO in bf16.
GOALS = {'vgg_16': (2, 2), 'vgg_16@768x1024': (2.4, 2.3), 'inception_v3': (1.5, 1.2), 'resnet_v1_50': (1.6, 1.2), 'mobilenet_v1': (1.3, 1.15)}
GOAL_BF16 = 1
MEMORY, CACHE, PRODUCTS = 'memory', 'shared cache', 'multiply-adds'


class Machine:
    """What the machine is able to: the best of some measurements."""

    def __init__(self, found):
        self.one, self.found = ({key: max(one[part][key] for one in found) for key in found[0][part]} for part in ('one', 'all'))
        self.level, self.threads = found[0]['level'], self.found['threads']
        self.own_cache, self.shared_cache = cache_bytes(2) * self.threads, cache_bytes(3)

    def multiplying(self, kernel):
        """Milliseconds of a kernel's multiplications at the peak; none for AMX, whose peak nobody has measured."""
        if kernel['kernel'].startswith('amx'):
            return 0
        return 2 * kernel['multiplications'] / self.found['bf16_gflops' if kernel.get('precision') == 'bf16' else 'float32_gflops'] / 1e6

    def reading(self, where, amount):
        """Milliseconds that so many bytes take from memory or from the cache."""
        return amount / self.found['memory_gb_s' if where == MEMORY else 'shared_cache_gb_s'] / 1e6 if where else 0

    def describe(self):
        """The limits, as a table."""
        own, shared = mib(self.own_cache / self.threads), mib(self.shared_cache)
        yield f'| {self.level}, threads | multiply-adds of float32, GFLOP/s | of pairs of bf16 | from memory, GB/s | from the shared cache of {shared} MiB, beside {own} MiB a core |'
        yield '|--:|--:|--:|--:|--:|'
        for found in [self.one, self.found] if self.threads > 1 else [self.one]:
            yield summary.line_of([found['threads'], f'{found["float32_gflops"]:.0f}', f'{found["bf16_gflops"]:.0f}' if found['bf16_gflops'] else '',
                                   f'{found["memory_gb_s"]:.1f}', f'{found["shared_cache_gb_s"]:.0f}'])
        yield ''
        if self.threads > 1 and self.found['float32_gflops'] < summary.TWO_CORES * self.one['float32_gflops']:
            yield '**The threads shared one core, or their cores with other work, in all turns: times and limits belong together, but not to the peers\'.**'
            yield ''


def cache_bytes(level):
    """The size of a core's cache of this level, or of the one it shares with others."""
    for folder in pathlib.Path('/sys/devices/system/cpu/cpu0/cache').glob('index*'):
        if (folder / 'level').read_text().strip() == str(level):
            number, unit = re.fullmatch(r'(\d+)([KM]?)', (folder / 'size').read_text().strip()).groups()
            return int(number) << {'': 0, 'K': 10, 'M': 20}[unit]
    return 0


class Roofline:
    """A network's layers, each with its least time."""

    def __init__(self, row, plan, machine):
        self.row, self.plan, self.machine = row, plan, machine
        weights = sum(step['weight_bytes'] for step in plan['steps'])
        self.weights_from = MEMORY if weights > machine.shared_cache else CACHE if weights > machine.own_cache else None
        self.layers = [Layer(step, self) for step in plan['steps']]

    def total(self, of):
        return sum(getattr(layer, of) for layer in self.layers)


class Layer:
    """A step of a plan."""

    def __init__(self, step, roofline):
        machine = roofline.machine
        self.step, self.ms = step, step['ms']
        # What goes from layer to layer of a chain stays in a core's own cache.
        values = 0 if 'chain' in step else step['activation_bytes']
        beyond = {CACHE: max(0, min(values, machine.shared_cache) - machine.own_cache), MEMORY: max(0, values - machine.shared_cache), None: 0}
        beyond[roofline.weights_from] += step['weight_bytes']
        self.memory, self.cache = beyond[MEMORY], beyond[CACHE]
        times = {PRODUCTS: machine.multiplying(step), MEMORY: machine.reading(MEMORY, self.memory), CACHE: machine.reading(CACHE, self.cache)}
        self.by = max(times, key=times.get)
        self.least = times[self.by]
        self.lowest = min([self.least, *(least_of_other(other, step, roofline) for other in step['rejected'])])
        self.flops, self.multiplications, self.beyond_least = step['flops'], step['multiplications'], self.ms - self.least


class Chapter:
    """A network in a precision: the fastest of some runs, the machine beside them, and what the peers took."""

    def __init__(self, text, arguments, turns_of):
        name, _, precision = text.partition(':')
        self.row, self.precision = setup.Row(name), precision or 'float32'
        self.turns = turns_of.get((name, arguments.threads))
        self.limits, self.plan = measure(arguments, self.row, self.precision)

    def roofline(self, machine):
        return Roofline(self.row, self.plan, machine)

    def states(self):
        found = [summary.state(one) for one in self.limits]
        return ', '.join(f'in {found.count(name)} of {len(found)} turns {words}' for name, words in summary.STATES.items() if name in found)


def least_of_other(kernel, step, roofline):
    """The least that a rejected kernel could take, which has to read the definition's weights at least."""
    batch, height, width, _ = ([1] * 3 + step['shape'])[-4:]
    weights = step['flops'] // (2 * batch * height * width) * (2 if kernel['precision'] == 'bf16' else 4)
    return max(roofline.machine.multiplying(kernel), roofline.machine.reading(roofline.weights_from, weights))


def measure(arguments, row, precision):
    """The machine in each turn, and the fastest run of a network."""
    words = [arguments.lorgnette, 'explain', row.network, '--random-weights', '--time', '--format', 'json', '--threads', arguments.threads,
             '--precision', precision, *row.options()]
    limits, runs = [], []
    for turn in range(arguments.turns):
        print(f'{row.text} {precision}: turn {turn + 1} of {arguments.turns}', file=sys.stderr)
        limits.append(json.loads(setup.run([arguments.machine, '--limits', '--threads', arguments.threads])))
        runs.append(json.loads(setup.run(words)))
    return limits, min(runs, key=lambda run: run['total']['ms'])


# ---- Words ----

def report(chapter, machine):
    """A network's tables."""
    roofline = chapter.roofline(machine)
    yield f'## {chapter.row.text}, {chapter.precision}'
    yield ''
    yield f'The two threads were {chapter.states()}.'
    yield ''
    yield from headline(roofline, chapter.precision, chapter.turns)
    yield ''
    yield from where_time_goes(roofline)
    yield ''
    yield from layers(roofline)
    yield ''


def headline(roofline, precision, turns):
    """The network as a whole: what it takes, what it could take, what was the goal."""
    flops, ms, least, lowest = (roofline.total(what) for what in ('flops', 'ms', 'least', 'lowest'))
    peak = roofline.machine.found['bf16_gflops' if precision == 'bf16' else 'float32_gflops']
    line = lambda what, time, verdict='': summary.line_of([what, f'{time:.2f}', f'{flops / time / 1e6:.0f}', f'{flops / time / 1e6 / peak:.2f}', verdict])
    yield f'| | ms | GFLOP/s, by the definition\'s {flops / 1e9:.2f} GFLOP | times the multiply-add peak | |'
    yield '|---|--:|--:|--:|---|'
    yield line('Lorgnette', ms)
    yield line('its layers, each at its limit', least, f'{100 * least / ms:.0f} % of the time above')
    if lowest < least:
        yield line('each with the kernel of the lowest limit', lowest)
    yield line('every product of the definition, and nothing else', flops / peak / 1e6)
    for peer, ratio, time, goals in peers(roofline.row, precision, turns):
        yield line(peer, time, f'at the limit we would be {time / least:.2f} times as fast; in turns we are {ratio:.2f} times')
        for words, goal in goals:
            yield line(f'goal{words}: {goal:g} times as fast', time / goal, verdict(time / goal, ms, least, lowest))


def peers(row, precision, turns):
    """The peer that is to be beaten, how often we are faster in turns, its fastest turn, and the goals."""
    ours, goals = ('lorgnette-bf16', [('', GOAL_BF16)]) if precision == 'bf16' else ('lorgnette', zip((' with AMX', ' without AMX'), GOALS.get(row.text, ())))
    is_rival = lambda engine: engine not in summary.OURS and engine.endswith('bf16') == (precision == 'bf16') and turns.ratios(engine, ours)
    found = [engine for engine in turns.by_engine if is_rival(engine)] if turns else []
    if found:
        best = min(found, key=turns.median)
        yield best, statistics.median(turns.ratios(best, ours)), turns.fastest(best), list(goals)


def verdict(wanted, ms, least, lowest):
    if ms <= wanted:
        return 'reached'
    if lowest > wanted:
        return f'**beyond the limit**: {lowest / wanted:.2f} times as fast as products and bytes allow, whichever kernels we take'
    if least > wanted:
        return f'**beyond the limit of these kernels**: {least / wanted:.2f} times as fast as their products and bytes allow'
    return f'**our shortfall**: {100 * least / wanted:.0f} % of the limit would do, we are at {100 * least / ms:.0f} %'


def overview(chapters, machine):
    """All goals in one table."""
    yield '| network | Lorgnette, ms | at the limit, ms | best peer | ms | ratio in turns | at the limit | goal | |'
    yield '|---|--:|--:|---|--:|--:|--:|--:|---|'
    for chapter in chapters:
        roofline = chapter.roofline(machine)
        ms, least, lowest = (roofline.total(what) for what in ('ms', 'least', 'lowest'))
        own = [f'{chapter.row.text}, {chapter.precision}', f'{ms:.2f}', f'{least:.2f}']
        found = list(peers(chapter.row, chapter.precision, chapter.turns))
        for peer, ratio, time, goals in found:
            for words, goal in goals or [('', None)]:
                aim = [f'{goal:g}{words}', verdict(time / goal, ms, least, lowest)] if goal else ['', '']
                yield summary.line_of([*own, peer, f'{time:.2f}', f'{ratio:.2f}', f'{time / least:.2f}', *aim])
        if not found:
            yield summary.line_of([*own, *[''] * 6])
    yield ''


def where_time_goes(roofline):
    """By kernel: how far from the limit."""
    kernels = {}
    for layer in roofline.layers:
        kernels.setdefault((layer.step['kernel'], layer.by if layer.least else ''), []).append(layer)
    of = lambda found, what: sum(getattr(layer, what) for layer in found)
    yield '| kernel | bound by | layers | ms | least ms | of the limit | ms above it |'
    yield '|---|---|--:|--:|--:|--:|--:|'
    for (kernel, by), found in sorted(kernels.items(), key=lambda item: -of(item[1], 'beyond_least')):
        ms, least = of(found, 'ms'), of(found, 'least')
        yield summary.line_of([kernel, by, len(found), f'{ms:.3f}', f'{least:.3f}', share(least, ms), f'{ms - least:.3f}'])


def layers(roofline):
    yield '| | layer | output | kernel | products, M | MB from memory | from the shared cache | ms | least | by | of the limit |'
    yield '|--:|---|---|---|--:|--:|--:|--:|--:|---|--:|'
    for layer in roofline.layers:
        step = layer.step
        yield summary.line_of([step['step'], f'`{short(step["name"])}`', 'x'.join(map(str, step['shape'])), step['kernel'], *amounts(layer), f'{layer.ms:.3f}',
                               f'{layer.least:.3f}', layer.by if layer.least else '', share(layer.least, layer.ms)])
    total = roofline.total
    yield summary.line_of(['', 'all', '', '', f'{total("multiplications") / 1e6:.1f}', f'{total("memory") / 1e6:.1f}', f'{total("cache") / 1e6:.1f}',
                           f'{total("ms"):.3f}', f'{total("least"):.3f}', '', share(total('least'), total('ms'))])


def amounts(layer):
    return [f'{amount / 1e6:.1f}' if amount >= 5e4 else '' for amount in (layer.multiplications, layer.memory, layer.cache)]


def share(least, ms):
    return f'{100 * least / ms:.0f} %' if least and ms else ''


def short(name):
    """A scope without the network's own, which all of them begin with."""
    return name.split('/', 1)[-1]


def mib(size):
    return f'{size / 2**20:g}'


def head(arguments):
    run = f' Peers\' times are the medians of their fastest turns in `{arguments.run.name}`.' if arguments.run else ''
    yield '# How far from the limit'
    yield ''
    yield f'{summary.machine()}. The fastest of {arguments.turns} runs of each network.{run}'
    yield 'Remake with `python3 bench/roofline.py`, which says how the limits are reckoned. Nothing is counted but products and bytes: no kernel of the'
    yield 'same arithmetic can be faster than the limit, and none is as fast. Above 100 %, memory was faster while the network ran than while it was measured.'
    yield ''


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('rows', nargs='+', metavar='ROW')
    parser.add_argument('--lorgnette', type=pathlib.Path, default=BENCH.parent / 'target' / 'release' / 'lorgnette')
    parser.add_argument('--machine', type=pathlib.Path, metavar='PROGRAM', help='lorgnette-machine; compiled if not given')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--turns', type=int, default=5)
    parser.add_argument('--run', type=pathlib.Path, metavar='FOLDER', help='a run of bench/compare')
    arguments = parser.parse_args()
    arguments.machine = arguments.machine or setup.make_machine()
    turns_of = summary.read(arguments.run)[0] if arguments.run else {}
    chapters = [Chapter(text, arguments, turns_of) for text in arguments.rows]
    machine = Machine([one for chapter in chapters for one in chapter.limits])
    parts = [head(arguments), machine.describe(), overview(chapters, machine), *(report(chapter, machine) for chapter in chapters)]
    text = '\n'.join(line for part in parts for line in part) + '\n'
    if arguments.run:
        (arguments.run / 'roofline.md').write_text(text)
    else:
        print(text, end='')


if __name__ == '__main__':
    main()
