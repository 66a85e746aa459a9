"""Learns how much each scale of a map's pyramid counts at a place, from things pasted into other photos.

    python3 oracle/pasted.py cut PHOTOS CUTOUTS
    python3 oracle/scale_attention.py scenes PHOTOS CUTOUTS SCENES [--count N] [--seed N] [--without PHOTOS]
    cargo run --release -p lorgnette --example scale_views < SCENES/places.txt > SCENES/views.jsonl
    python3 oracle/scale_attention.py learn SCENES...

PHOTOS are named SYNSET_name, as ../shared/photos has; learned from was EliSchwartz/imagenet-sample-images on GitHub, one photo
of each class. `scenes` pastes one to five cutouts of 100 to 1500 pixels into each of N photos, which may have a cutout of
their own, and writes places whose class is known: the middle of each thing, another place in it, and the middle of what the
photo shows. `--without` leaves out the classes of photos that are to judge what was learned.

`learn` fits a linear function of the features of scales (`attention/features.rs`): its values become weights of a place's scales
by softmax, and the mean probabilities of the scales with these weights should name the class. It first prints how often that
is so for things of classes that it was not fitted to, one fifth of the classes at a time, beside the mean of all scales, and
then fits to all and prints the numbers of `attention/weights.rs`. (A hidden layer, and how far scales agree with each other, were
tried and did no better.)

Needs numpy, scipy and Pillow.
"""
import argparse
import json
import pathlib
import random

import numpy as np
from PIL import Image
from scipy.optimize import minimize

from pasted import middle, sized

WIDTHS = (500, 1000, 1000, 1000, 1600, 1600, 2400)
SIZES = (100, 1500)
MAX_SHARE = .66
# As in `attention/weights.rs`.
STEPS_WITH_FEATURES = (-1, 0, 1)
STEPS_WITH_PRESENCE = (-2, -1, 1, 2)
# Weight of the sum of the squares of what is learned.
DECAY = .01
# Probability that any class has at least.
FLOOR = .01
# Number of classes of a place that may be its own.
CANDIDATES = 24
WEIGHTS = {'middle': 1, 'inside': .5, 'ground': 1}
FOLDS = 5


def alpha(cutout, shape):
    return np.asarray(Image.open(cutout).getchannel('A').resize(shape)) > 127


def paste(picture, owners, cutouts, chosen, rnd, number):
    """Pastes a thing, of a size by chance, where none is yet, if there is room; `owners` have its number there."""
    low, high = SIZES[0], min(picture.width * MAX_SHARE, SIZES[1])
    size = round(low * (high / low) ** rnd.random())
    thing = sized(cutouts / f'{chosen}.png', size)
    if thing.height > picture.height:
        return
    for _ in range(20):
        x, y = rnd.randint(0, picture.width - thing.width), rnd.randint(0, picture.height - thing.height)
        below = owners[y:y + thing.height, x:x + thing.width]
        if below.max() <= 0:
            break
    else:
        return
    picture.paste(thing.convert('RGB'), (x, y), thing.getchannel('A'))
    below[np.asarray(thing.getchannel('A')) > 127] = number


def scenes(arguments):
    rnd = random.Random(arguments.seed)
    synset = lambda path: path.name.split('_')[0]
    left_out = {synset(path) for folder in arguments.without for path in folder.glob('n*_*')}
    photos = {synset(path): path for path in sorted(arguments.photos.glob('n*_*')) if synset(path) not in left_out}
    cut = sorted(path.stem for path in arguments.cutouts.glob('*.png') if path.stem in photos)
    arguments.scenes.mkdir(parents=True, exist_ok=True)
    with (arguments.scenes / 'places.txt').open('w') as places, (arguments.scenes / 'classes.jsonl').open('w') as classes:
        for number in range(arguments.count):
            ground = rnd.choice(cut if rnd.random() < .5 else sorted(photos))
            width = rnd.choice(WIDTHS)
            picture = Image.open(photos[ground]).convert('RGB').resize((width, width * 3 // 4), Image.BICUBIC)
            # For each pixel the number of the thing there, 0 for what the ground photo shows, -1 for the rest.
            owners = np.full((picture.height, picture.width), -1)
            owned = {}
            if ground in cut:
                owners[alpha(arguments.cutouts / f'{ground}.png', picture.size)] = 0
                owned[0] = ground
            for thing in range(1, 1 + rnd.choice((1, 1, 2, 3) if width <= 1000 else (2, 3, 4, 5))):
                chosen = rnd.choice(cut)
                if chosen != ground:
                    paste(picture, owners, arguments.cutouts, chosen, rnd, thing)
                    owned[thing] = chosen
            path = (arguments.scenes / f'{number}.jpg').resolve()
            picture.save(path, quality=95)
            words, answers = [path], []
            for thing, class_name in owned.items():
                mask = owners == thing
                if mask.sum() < 2000:
                    continue
                found = [(middle(mask), 'middle' if thing else 'ground')]
                if thing:
                    found.append((rnd.choice(np.argwhere(mask)), 'inside'))
                for (row, column), kind in found:
                    words += [row + .5, column + .5]
                    answers.append([class_name, kind])
            print(*words, file=places)
            print(json.dumps(answers), file=classes)


class Places:
    """Places whose class is known, as arrays: inputs of each scale, probabilities of candidates, and so on."""

    def __init__(self, folders):
        views, self.classes, self.kinds = [], [], []
        for folder in folders:
            for line, answers in zip((folder / 'views.jsonl').open(), (folder / 'classes.jsonl').open()):
                for place, (class_name, kind) in zip(json.loads(line), json.loads(answers)):
                    views.append(place)
                    self.classes.append(class_name)
                    self.kinds.append(kind)
        scales, width = max(map(len, views)), len(views[0][0]['features'])
        margin = max(STEPS_WITH_PRESENCE)
        features = np.zeros((len(views), scales + 2 * margin, width))
        present = np.zeros((len(views), scales + 2 * margin))
        self.probabilities = np.zeros((len(views), CANDIDATES, scales))
        self.candidates = []
        for number, place in enumerate(views):
            features[number, margin:margin + len(place)] = [view['features'] for view in place]
            present[number, margin:margin + len(place)] = 1
            best = {}
            for view in place:
                for name, probability in view['best']:
                    best[name] = max(best.get(name, 0), probability)
            names = sorted(best, key=best.get, reverse=True)[:CANDIDATES]
            self.candidates.append(names)
            for scale, view in enumerate(place):
                for name, probability in view['best']:
                    if name in names:
                        self.probabilities[number, names.index(name), scale] = probability
        self.present = present[:, margin:-margin]
        at = lambda values, step: values[:, margin + step:margin + step + scales]
        inputs = [at(features, step) for step in STEPS_WITH_FEATURES]
        inputs += [at(present, step)[..., None] for step in STEPS_WITH_PRESENCE]
        self.inputs = np.concatenate(inputs, -1)
        self.own = np.array([[name == own for name in names] + [False] * (CANDIDATES - len(names))
                             for names, own in zip(self.candidates, self.classes)])
        self.weights = np.array([WEIGHTS[kind] for kind in self.kinds])


class Attention:
    """A linear function of the inputs of a scale, whose softmax over the scales gives their weights."""

    def __init__(self, places, chosen):
        present = places.present[chosen] > 0
        inputs = places.inputs[chosen]
        self.deviation = inputs[present].std(0) + 1e-3
        inputs = inputs / self.deviation
        start = np.append(np.zeros(inputs.shape[-1]), 1.)
        arguments = inputs, present, places.probabilities[chosen], places.own[chosen], places.weights[chosen]
        self.factors = minimize(self.loss, start, arguments, jac=True, method='L-BFGS-B').x[:-1] / self.deviation

    @staticmethod
    def weights(factors, inputs, present):
        scores = np.where(present, inputs @ factors, -np.inf)
        exps = np.exp(scores - scores.max(1, keepdims=True))
        return exps / exps.sum(1, keepdims=True)

    def loss(self, values, inputs, present, probabilities, own, place_weights):
        """The mean negative logarithm of the probability of the own classes, as a power of it may be, and its gradient."""
        factors, power = values[:-1], values[-1]
        weights = self.weights(factors, inputs, present)
        floored = np.einsum('ns,ncs->nc', weights, probabilities) + FLOOR
        exps = floored ** power
        softmax = exps / exps.sum(1, keepdims=True)
        share = place_weights / place_weights.sum()
        error = (softmax - own) * share[:, None]
        loss = -(np.log(softmax[own]) * share).sum() + DECAY * (factors ** 2).sum()
        by_weight = np.einsum('nc,ncs->ns', error * power / floored, probabilities)
        by_score = weights * (by_weight - (weights * by_weight).sum(1, keepdims=True))
        gradient = np.einsum('nsi,ns->i', inputs, by_score) + 2 * DECAY * factors
        return loss, np.append(gradient, (error * np.log(floored)).sum())

    def best(self, places, chosen):
        """For each place whether its own class is the most probable, and the highest probability."""
        weights = self.weights(self.factors, places.inputs[chosen], places.present[chosen] > 0)
        means = np.einsum('ns,ncs->nc', weights, places.probabilities[chosen])
        return places.own[chosen][np.arange(len(means)), means.argmax(1)], means.max(1)

    def print(self):
        """Prints the factors of the features at each step, and of the presence of scales."""
        by_features, by_presence = np.split(self.factors, [-len(STEPS_WITH_PRESENCE)])
        for step, factors in zip(STEPS_WITH_FEATURES, by_features.reshape(len(STEPS_WITH_FEATURES), -1)):
            print(f'({step}, [{", ".join(f"{factor:.3f}" for factor in factors)}]),')
        print(', '.join(f'({step}, {factor:.3f})' for step, factor in zip(STEPS_WITH_PRESENCE, by_presence)))


def learn(arguments):
    places = Places(arguments.scenes)
    named = places.own.any(1)
    fold = np.array([int(name[1:]) % FOLDS for name in places.classes])
    right, sureness = np.zeros(len(fold), bool), np.zeros(len(fold))
    for left_out in range(FOLDS):
        attention = Attention(places, named & (fold != left_out))
        right[fold == left_out], sureness[fold == left_out] = attention.best(places, fold == left_out)
    mean = (places.probabilities * places.present[:, None]).sum(2).argmax(1)
    by_mean = places.own[np.arange(len(mean)), mean]
    print('| places | number | at any scale | mean of all | learned |\n|---|--:|--:|--:|--:|')
    for kind in WEIGHTS:
        of_kind = np.array([other == kind for other in places.kinds])
        shares = ' | '.join(f'{100 * values[of_kind].mean():.1f} %' for values in (named, by_mean, right))
        print(f'| {kind} | {of_kind.sum()} | {shares} |')
    for limit in (.1, .2, .3):
        of_right, of_wrong = (100 * (sureness[of] < limit).mean() for of in (right, ~right))
        print(f'less probable than {limit}: {of_right:.1f} % of the right, {of_wrong:.1f} % of the wrong')
    Attention(places, named).print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest='step', required=True)
    step = steps.add_parser('scenes')
    step.add_argument('photos', type=pathlib.Path)
    step.add_argument('cutouts', type=pathlib.Path)
    step.add_argument('scenes', type=pathlib.Path)
    step.add_argument('--count', type=int, default=200)
    step.add_argument('--seed', type=int, default=1)
    step.add_argument('--without', type=pathlib.Path, nargs='*', default=[])
    step = steps.add_parser('learn')
    step.add_argument('scenes', type=pathlib.Path, nargs='+')
    arguments = parser.parse_args()
    scenes(arguments) if arguments.step == 'scenes' else learn(arguments)


if __name__ == '__main__':
    main()
