"""How long a fleet takes, and what it costs: shards on machines that differ, are slow at times, and are taken away.

    python3 bench/fleet_simulation.py --photos 100000000 --rate 20 --workers 1000
    python3 bench/fleet_simulation.py --sweep            the table of docs/fleet_cost.md

A shard is run by `lorgnette fleet run`: it is done at once or not at all, so a worker that is taken away loses the shard it was at, and
somebody else begins that shard anew. Rates are photos a second of one core, as `bench/fleet_ray.py` or `fleet run --format json` measure
them. Everything is drawn from one seed.
"""

import argparse
import heapq
import json
import math
import random
from dataclasses import asdict, dataclass, field, replace

HOUR = 3600.0


@dataclass(frozen=True)
class Fleet:
    """What is simulated. Times are in seconds."""

    photos: int = 100_000_000
    """Number of photos."""
    per_shard: int = 5_000
    """Photos of a shard."""
    workers: int = 1_000
    """Cores that work at the same time."""
    rate: float = 20.0
    """Photos a second of an ordinary core."""
    start: float = 30.0
    """Time from the request of a worker until it works, also after it was taken away."""
    overhead: float = 1.0
    """Time of a shard that does not depend on its photos: start of the process, listing, writing."""
    spread: float = 0.1
    """Standard deviation of the logarithm of workers' rates."""
    stragglers: float = 0.02
    """Share of shards that are slow, whoever runs them first: a busy neighbour, a slow disk."""
    slowness: float = 5.0
    """Factor by which these take longer."""
    preemptions: float = 0.05
    """Times an hour that a worker is taken away."""
    speculate: bool = True
    """Whether workers without a shard run the oldest unfinished one, too."""
    price: float = 0.015
    """Price of a core for an hour."""
    seed: int = 1


@dataclass
class Outcome:
    """What came of it."""

    shards: int
    hours: float
    """Time until the last shard was done."""
    core_hours: float
    """Time for which cores are paid."""
    useful: float
    """Share of that time that went into shards that count."""
    lost_runs: int
    """Runs that a preemption ended."""
    doubled_runs: int
    """Runs that another run of the same shard overtook."""
    price: float


@dataclass
class Shard:
    runs: int = 0
    is_done: bool = False
    running: dict = field(default_factory=dict)
    """Start of each run, by worker."""


class Simulation:
    """Events in order of time: a worker is ready, has done its shard, is taken away."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.random = random.Random(fleet.seed)
        self.shards = [Shard() for _ in range(math.ceil(fleet.photos / fleet.per_shard))]
        self.waiting = list(range(len(self.shards)))[::-1]
        self.events = []
        self.pushed = 0
        self.generation = [0] * fleet.workers
        self.rates = [0.0] * fleet.workers
        self.at = [None] * fleet.workers
        self.idle = set()
        self.unfinished = len(self.shards)
        self.useful = self.paid = 0.0
        self.lost = self.doubled = 0
        self.hired = [0.0] * fleet.workers

    def run(self):
        for worker in range(self.fleet.workers):
            self.hire(worker, 0.0)
        now = 0.0
        while self.unfinished:
            now, _, kind, worker, generation = heapq.heappop(self.events)
            if generation == self.generation[worker]:
                getattr(self, kind)(worker, now)
        self.paid += sum(max(0.0, now - hired) for hired in self.hired)
        fleet = self.fleet
        return Outcome(
            shards=len(self.shards),
            hours=now / HOUR,
            core_hours=self.paid / HOUR,
            useful=self.useful / self.paid,
            lost_runs=self.lost,
            doubled_runs=self.doubled,
            price=self.paid / HOUR * fleet.price,
        )

    def push(self, time, kind, worker):
        self.pushed += 1
        heapq.heappush(self.events, (time, self.pushed, kind, worker, self.generation[worker]))

    def hire(self, worker, now):
        """A new core in place of a worker, which begins later."""
        self.generation[worker] += 1
        self.hired[worker] = now + self.fleet.start
        self.rates[worker] = self.fleet.rate * math.exp(self.random.gauss(0, self.fleet.spread))
        self.push(now + self.fleet.start, "ready", worker)
        if self.fleet.preemptions:
            wait = self.random.expovariate(self.fleet.preemptions / HOUR)
            self.push(now + self.fleet.start + wait, "taken", worker)

    def ready(self, worker, now):
        number = self.next_shard(now)
        if number is None:
            self.idle.add(worker)
            return
        shard = self.shards[number]
        photos = min(self.fleet.per_shard, self.fleet.photos - number * self.fleet.per_shard)
        time = self.fleet.overhead + photos / self.rates[worker]
        if self.random.random() < self.fleet.stragglers:
            time *= self.fleet.slowness
        shard.runs += 1
        shard.running[worker] = now
        self.at[worker] = number
        self.push(now + time, "done", worker)

    def next_shard(self, now):
        while self.waiting:
            number = self.waiting.pop()
            if not self.shards[number].is_done:
                return number
        if not self.fleet.speculate:
            return None
        alone = [n for n in self.in_flight() if len(self.shards[n].running) == 1]
        return min(alone, key=lambda n: min(self.shards[n].running.values()), default=None)

    def in_flight(self):
        return {number for number in self.at if number is not None}

    def done(self, worker, now):
        shard = self.shards[self.at[worker]]
        self.useful += now - shard.running[worker]
        shard.is_done = True
        self.unfinished -= 1
        for other in [other for other in shard.running if other != worker]:
            # Its part is there: the other run ends in vain, and its worker is free.
            self.doubled += 1
            self.generation[other] += 1
            self.at[other] = None
            self.push(now, "ready", other)
            if self.fleet.preemptions:
                self.push(now + self.random.expovariate(self.fleet.preemptions / HOUR), "taken", other)
        shard.running.clear()
        self.at[worker] = None
        self.ready(worker, now)

    def taken(self, worker, now):
        number = self.at[worker]
        self.idle.discard(worker)
        if number is not None:
            self.lost += 1
            self.at[worker] = None
            shard = self.shards[number]
            del shard.running[worker]
            if not shard.running:
                self.waiting.append(number)
                if self.idle:
                    self.push(now, "ready", self.idle.pop())
        self.paid += max(0.0, now - self.hired[worker])
        self.hire(worker, now)


def simulate(fleet):
    return Simulation(fleet).run()


def sweep(fleet):
    """The rows of docs/fleet_cost.md."""
    print("| photos of a shard | taken away, times an hour | again where slow | hours | core hours | useful | $ |")
    print("|--:|--:|---|--:|--:|--:|--:|")
    for per_shard in (1_000, 5_000, 25_000, 100_000):
        for preemptions in (0.05, 0.5):
            for speculate in (False, True):
                found = simulate(replace(fleet, per_shard=per_shard, preemptions=preemptions, speculate=speculate))
                word = "yes" if speculate else "no"
                print(
                    f"| {per_shard:,} | {preemptions} | {word} | {found.hours:.2f} | {found.core_hours:,.0f} "
                    f"| {100 * found.useful:.1f} % | {found.price:,.0f} |"
                )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in asdict(Fleet()).items():
        if not isinstance(value, bool):
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--no-speculation", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    arguments = vars(parser.parse_args())
    is_sweep = arguments.pop("sweep")
    fleet = Fleet(speculate=not arguments.pop("no_speculation"), **arguments)
    if is_sweep:
        sweep(fleet)
    else:
        print(json.dumps(asdict(simulate(fleet))))


if __name__ == "__main__":
    main()
