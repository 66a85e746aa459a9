"""The table of a run of `bench/compare`: medians of the ratios taken in turns."""
import collections
import json
import os
import pathlib
import platform
import re
import statistics

OURS = ('lorgnette', 'lorgnette-bf16', 'lorgnette-int8')
# Nanoseconds that a cache line takes to another core and back: less, and the two share a cache.
NEAR = 120
# More, and it was not the line that took so long: the two threads had to share a CPU, because others kept the rest busy.
NEVER = 10_000
# Two cores multiply twice as much as one of them; the two threads of a core no more than it does alone.
TWO_CORES = 1.5
# What two threads were to each other.
STATES = {'near': 'two cores that share a cache', 'far': 'two cores that share none', 'one core': 'the two threads of one core, or one was busy otherwise',
          'busy': 'on one CPU, for others kept the rest busy', 'changing': 'not the same after the measurement as before'}
STEADY = ('near', 'far', 'one core')
# So many turns in which the machine was the same for both engines, and half of all, are enough to do without the others.
ENOUGH = 2


def precision_of(engine):
    """What an engine computes with, by its name."""
    return next((precision for precision in ('bf16', 'int8') if engine.endswith(precision)), 'float32')


def machine_name():
    model = re.search(r'model name\s*: (.*)', pathlib.Path('/proc/cpuinfo').read_text())
    name = model[1] if model else platform.machine()
    return re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')


def machine():
    """The machine, in a line."""
    text = pathlib.Path('/proc/cpuinfo').read_text()
    flags = set(re.search(r'flags\s*: (.*)', text)[1].split())
    wide = [flag for flag in ('avx2', 'avx512f', 'avx512_bf16', 'avx512_vnni', 'amx_bf16') if flag in flags]
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    model = re.search('model name.*: (.*)', text)[1]
    return f'{model}, {os.cpu_count()} cores ({", ".join(wide)}), {memory:.0f} GiB, {platform.system()} {platform.release()}'


def state(machine):
    """What two threads are to each other, by what `lorgnette-machine` measured."""
    if machine['round_trip_ns'] > NEVER:
        return 'busy'
    if machine['together_gflops'] < TWO_CORES * machine['alone_gflops']:
        return 'one core'
    return 'near' if machine['round_trip_ns'] < NEAR else 'far'


def state_of(line):
    """The machine's state during a measurement; None if nobody looked."""
    if 'before' not in line:
        return None
    before, after = state(line['before']), state(line['after'])
    return before if before == after else 'changing'


class Ratios(list):
    """Ratios of turns, and what is to be known of those: in how many of all the machine was in one state for both."""

    def __init__(self, ratios, alike=None, of=None):
        super().__init__(ratios)
        self.alike, self.of = alike, of

    def is_mixed(self):
        """Whether they are of turns in which the machine was one thing for one engine and another for the other."""
        return self.alike is not None and self.alike < len(self)

    def turns(self):
        if self.alike is None:
            return str(len(self))
        return f'{len(self)}, {self.alike} alike' if self.is_mixed() else f'{len(self)} of {self.of}'


class Turns:
    """Everything measured of a row on so many threads."""

    def __init__(self, threads=2):
        self.threads = threads
        self.by_engine = collections.defaultdict(dict)

    def add(self, line):
        self.by_engine[line['engine']][line.get('turn', line.get('round'))] = line

    def count(self, engine, ours='lorgnette'):
        """Turns that both took."""
        return len(self.both(engine, ours))

    def both(self, theirs, ours):
        """The two lines of each turn that both took."""
        theirs, ours = self.by_engine.get(theirs, {}), self.by_engine.get(ours, {})
        return [(theirs[turn], ours[turn]) for turn in theirs.keys() & ours.keys()]

    def median(self, engine):
        return statistics.median(line['median_ms'] for line in self.by_engine[engine].values())

    def fastest(self, engine):
        """The median of its fastest turn."""
        return min(line['median_ms'] for line in self.by_engine[engine].values())

    def best(self, engine):
        return min(line['min_ms'] for line in self.by_engine[engine].values())

    def ratios(self, theirs, ours):
        """Their time by ours, of the turns in which the machine was in one state for both if those are enough, else of all."""
        both = self.both(theirs, ours)
        ratio = lambda pair: pair[0]['median_ms'] / pair[1]['median_ms']
        states = [(state_of(a), state_of(b)) for a, b in both]
        # What the other core is does not matter to one thread.
        if self.threads == 1 or any(None in pair for pair in states):
            return Ratios(map(ratio, both))
        alike = [pair for pair, (a, b) in zip(both, states) if a == b and a in STEADY]
        enough = len(alike) >= ENOUGH and 2 * len(alike) >= len(both)
        return Ratios(map(ratio, alike if enough else both), len(alike), len(both))

    def memory(self, engine):
        found = [line['peak_rss_mb'] for line in self.by_engine[engine].values() if line.get('peak_rss_mb')]
        return f'{statistics.median(found):.0f}' if found else ''


def read(folder):
    """(row, threads) -> Turns, and the lines of answers: of both, those that were written last count."""
    rows, answers, loads = {}, {}, []
    raw = folder / 'raw.jsonl'
    for line in map(json.loads, raw.read_text().splitlines() if raw.exists() else ()):
        if 'answer' in line:
            answers[line['row'], line['engine']] = line
        else:
            key = line['row'], line['threads']
            rows.setdefault(key, Turns(line['threads'])).add(line)
            loads.append(line['load'])
    return rows, answers, loads


def write(folder):
    """Writes summary.md into a run's folder; returns what it says."""
    rows, answers, loads = read(folder)
    about = json.loads((folder / 'run.json').read_text()) if (folder / 'run.json').exists() else {}
    parts = [head(folder, about, loads), best_peers(rows, answers), [''], states(rows), table(rows), [''], agreement(answers)]
    text = '\n'.join(line for part in parts for line in part) + '\n'
    (folder / 'summary.md').write_text(text)
    return text


def head(folder, about, loads):
    versions = f' Peers: {", ".join(about["peers"])}.' if about.get('peers') else ''
    commit = f' Lorgnette {about["commit"]}.' if about.get('commit') else ''
    load = f' Load while measuring: {min(loads):.1f} to {max(loads):.1f}.' if loads else ''
    return [f'# Measured {folder.name}', '', f'{about.get("machine", machine())}.{commit}{versions}{load}', '',
            'Ratios are their time by ours, the median over the turns taken together, and (least – most): above 1, Lorgnette is faster. **Rows we',
            'lose are bold.** The best times of all turns are less disturbed by whatever else the machine does. Float32 unless an engine\'s name says',
            'otherwise. `raw.jsonl` has every measurement. Remake with `bench/compare WORK`.', '']


def states(rows):
    """How often the machine was in which state."""
    lines = [line for turns in rows.values() for lines in turns.by_engine.values() for line in lines.values() if state_of(line)]
    if not lines:
        return
    yield 'Before and after each measurement, two threads threw a cache line to each other, and did multiply-adds alone and together. They were'
    yield ''
    yield '| | measurements | there and back, ns | GFLOP/s alone | together |'
    yield '|---|--:|--:|--:|--:|'
    for name, words in STATES.items():
        found = [line['before'] for line in lines if state_of(line) == name]
        if found:
            middle = [statistics.median(machine[key] for machine in found) for key in ('round_trip_ns', 'alone_gflops', 'together_gflops')]
            yield line_of([words, len(found), *(f'{value:.0f}' for value in middle)])
    yield ''
    yield 'Ratios of two threads are over the turns in which that was the same for both engines, as the column of turns says; where too few were (fewer'
    yield f'than {ENOUGH}, or than half), they are over all turns and marked †. Medians of milliseconds, memory and best times are over all turns.'
    yield ''


def best_peers(rows, answers):
    """Each row's best peer of each precision. Engines whose answers are not those of float32 are no float32 peers."""
    yield '| row | threads | Lorgnette | best float32 peer | ratio | bf16 | best bf16 peer | ratio | int8 | best int8 peer | ratio | int8 by float32 |'
    yield '|---|--:|--:|---|--:|--:|---|--:|--:|---|--:|--:|'
    for (row, threads), turns in rows.items():
        is_less = lambda engine: 'less than' in answers.get((row, engine), {}).get('answer', {}).get('verdict', '')
        cells = [row, threads]
        for ours in OURS:
            fits = lambda engine: engine not in OURS and precision_of(engine) == precision_of(ours) and turns.ratios(engine, ours)
            peers = [engine for engine in turns.by_engine if fits(engine) and not is_less(engine)]
            best = min(peers, key=turns.median, default=None)
            cells += [ms(turns.median(ours)), f'{best} {ms(turns.median(best))}', shown(turns.ratios(best, ours))] if best else ['', '', '']
        gain = turns.ratios('lorgnette', 'lorgnette-int8')
        if any(cells[2:]):
            yield line_of([*cells, shown(gain) if gain else ''])


def table(rows):
    yield '| row | threads | ours | ms | MB | peer | ms | MB | ratio | of the best times | turns |'
    yield '|---|--:|---|--:|--:|---|--:|--:|--:|--:|--:|'
    for (row, threads), turns in rows.items():
        for ours in OURS:
            for peer in turns.by_engine:
                # Everything against float32, else like against like.
                fits = peer not in OURS and (ours == 'lorgnette' or precision_of(peer) == precision_of(ours))
                ratios = turns.ratios(peer, ours) if fits else []
                if ratios:
                    best = turns.best(peer) / turns.best(ours)
                    yield line_of([row, threads, ours, ms(turns.median(ours)), turns.memory(ours), peer, ms(turns.median(peer)), turns.memory(peer),
                                   shown(ratios), f'{best:.2f}', ratios.turns()])


def agreement(answers):
    """What the answers that were compared before timing differed by."""
    if not answers:
        return
    yield 'Before it is timed, an engine\'s answer to a photo (or a batch of them) is compared with Lorgnette\'s in float32: the largest difference by'
    yield 'the largest magnitude, and how many of the first classes are the same.'
    yield ''
    yield '| row | engine | difference | same first class | |'
    yield '|---|---|--:|--:|---|'
    for (row, engine), line in answers.items():
        found = line['answer']
        error = '' if found.get('error') is None else f'{found["error"]:.1e}'
        same = '' if found.get('same_first') is None else f'{100 * found["same_first"]:.0f} %'
        yield line_of([row, engine, error, same, found.get('verdict', '')])


def ms(value):
    return f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def shown(ratios):
    ratio = statistics.median(ratios)
    text = f'{ratio:.2f} ({min(ratios):.2f} – {max(ratios):.2f}){" †" if ratios.is_mixed() else ""}'
    return text if ratio >= 1 else f'**{text}**'


def line_of(cells):
    return '| ' + ' | '.join(map(str, cells)) + ' |'
