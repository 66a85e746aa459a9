//! The training objective: mean cross entropy and its gradient.

use std::sync::{Mutex, PoisonError};

use lorgnette_kernels::{Level, Softmax, ThreadPool, softmax};
use lorgnette_net::head::OutputKind;

use super::examples::Examples;
use super::matmul::{PackedMatrix, Product, transpose};

/// Loss and accuracy of examples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Measured {
    /// Mean cross entropy, in nats; with several labels, averaged over classes too.
    pub(super) loss: f64,
    /// Share of examples whose most probable class is correct, from 0 to 1.
    pub(super) accuracy: f64,
}

/// The loss function.
#[derive(Clone, Debug)]
pub(super) struct Criterion {
    pub(super) classes: usize,
    pub(super) answer: OutputKind,
    /// Label smoothing.
    pub(super) smoothing: f64,
    /// Class weights.
    pub(super) weights: Option<Vec<f64>>,
}

impl Criterion {
    /// Returns the weight of an example.
    pub(super) fn weight(&self, truth: &[usize]) -> f64 {
        match &self.weights {
            Some(weights) if !truth.is_empty() => {
                truth.iter().map(|&class| weights[class]).sum::<f64>() / truth.len() as f64
            }
            _ => 1.0,
        }
    }

    /// Returns the constant scores with the lowest loss. Each class has one example added (with
    /// several labels, one with and one without it), so that no probability is zero.
    pub(super) fn constant_scores(&self, examples: &Examples) -> Vec<f64> {
        let is_one = self.answer == OutputKind::Softmax;
        let (mut counts, mut total) =
            (vec![1.0; self.classes], if is_one { self.classes as f64 } else { 2.0 });
        for truth in examples.truth() {
            let weight = self.weight(truth);
            let share = if is_one { weight / truth.len().max(1) as f64 } else { weight };
            truth.iter().for_each(|&class| counts[class] += share);
            total += weight;
        }
        let even = if is_one { 1.0 / self.classes as f64 } else { 0.5 };
        let score = |count: f64| {
            let target = (1.0 - self.smoothing) * count / total + self.smoothing * even;
            if is_one { target.ln() } else { (target / (1.0 - target)).ln() }
        };
        counts.into_iter().map(score).collect()
    }

    /// Returns an example's loss and whether its prediction is correct. Scores become residuals:
    /// probability minus target. `probabilities` are the softmax of the scores; sigmoids do not
    /// need them.
    pub(super) fn metrics(
        &self,
        truth: &[usize],
        scores: &mut [f32],
        probabilities: &[f32],
    ) -> (f64, bool) {
        match self.answer {
            OutputKind::Softmax => self.softmax_loss(truth, scores, probabilities),
            OutputKind::Sigmoid => self.sigmoid_loss(truth, scores),
        }
    }

    fn softmax_loss(
        &self,
        truth: &[usize],
        scores: &mut [f32],
        probabilities: &[f32],
    ) -> (f64, bool) {
        let best = argmax(probabilities);
        // ln Σ eᶻ by the most probable class, whose logarithm is the most exact.
        let log_sum = f64::from(scores[best]) - f64::from(probabilities[best]).ln();
        let share = (1.0 - self.smoothing) / truth.len().max(1) as f64;
        let mut target_score: f64 =
            truth.iter().map(|&class| share * f64::from(scores[class])).sum();
        let spread = self.smoothing / self.classes as f64;
        if self.smoothing > 0.0 {
            target_score += spread * scores.iter().map(|&z| f64::from(z)).sum::<f64>();
        }
        scores.iter_mut().zip(probabilities).for_each(|(score, &p)| *score = p - spread as f32);
        truth.iter().for_each(|&class| scores[class] -= share as f32);
        (log_sum - target_score, truth.contains(&best))
    }

    fn sigmoid_loss(&self, truth: &[usize], scores: &mut [f32]) -> (f64, bool) {
        let right = truth.contains(&argmax(scores));
        let count = self.classes as f64;
        let mut loss = 0.0;
        for (class, score) in scores.iter_mut().enumerate() {
            let z = f64::from(*score);
            let hard = f64::from(u8::from(truth.contains(&class)));
            let target = hard * (1.0 - self.smoothing) + 0.5 * self.smoothing;
            // ln(1 + eᶻ) without overflow.
            loss += z.max(0.0) - z * target + (-z.abs()).exp().ln_1p();
            *score = ((1.0 / (1.0 + (-z).exp()) - target) / count) as f32;
        }
        (loss / count, right)
    }
}

fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// Number of examples in a block.
const ROWS: usize = 256;
/// Number of partial sums. It does not depend on the number of threads, and they are added in
/// order, so results do not depend on it either.
const PARTS: usize = 16;

/// The objective of one layer.
pub(super) struct Objective<'a> {
    pub(super) examples: &'a Examples,
    pub(super) criterion: &'a Criterion,
    pub(super) level: Level,
    pub(super) pool: &'a ThreadPool,
}

/// Partial sums over a range of examples.
#[derive(Default)]
struct Part {
    loss: f64,
    weight: f64,
    right: usize,
    /// `[classes][width]`.
    weights: Vec<f32>,
    biases: Vec<f64>,
}

impl Objective<'_> {
    /// Returns loss and accuracy of a layer: weights, `[width][classes]`, then biases.
    pub(super) fn measure(&self, layer: &[f32]) -> Measured {
        self.sum(layer, false).0
    }

    /// Returns loss, accuracy and the gradient of the loss.
    pub(super) fn gradient(&self, layer: &[f32]) -> (Measured, Vec<f64>) {
        let (measured, parts) = self.sum(layer, true);
        let (width, classes) = (self.examples.width(), self.criterion.classes);
        let total: f64 = parts.iter().map(|part| part.weight).sum();
        let mut gradient = vec![0.0; layer.len()];
        // Each class is summed over the parts in order.
        let mut transposed_rows = vec![0.0; width * classes];
        let of_class: Vec<_> = transposed_rows.chunks_mut(width).map(Mutex::new).collect();
        self.pool.run(classes, &|_, class| {
            let mut sums = of_class[class].lock().unwrap_or_else(PoisonError::into_inner);
            for part in parts.iter().filter(|part| !part.weights.is_empty()) {
                let of_part = &part.weights[class * width..][..width];
                sums.iter_mut().zip(of_part).for_each(|(sum, &g)| *sum += f64::from(g));
            }
        });
        drop(of_class);
        for (feature, row) in gradient[..width * classes].chunks_exact_mut(classes).enumerate() {
            row.iter_mut()
                .enumerate()
                .for_each(|(class, g)| *g = transposed_rows[class * width + feature] / total);
        }
        for part in &parts {
            gradient[width * classes..]
                .iter_mut()
                .zip(&part.biases)
                .for_each(|(sum, b)| *sum += b / total);
        }
        (measured, gradient)
    }

    fn sum(&self, layer: &[f32], wants_gradient: bool) -> (Measured, Vec<Part>) {
        let (width, classes) = (self.examples.width(), self.criterion.classes);
        let (weights, biases) = layer.split_at(width * classes);
        let packed = PackedMatrix::new(weights, [width, classes], false, self.level, self.pool);
        let count = self.examples.len();
        let parts: Vec<Mutex<Part>> = (0..PARTS).map(|_| Mutex::default()).collect();
        let single = ThreadPool::new(1);
        self.pool.run(PARTS, &|_, index| {
            let rows = count * index / PARTS..count * (index + 1) / PARTS;
            let mut work = Work::new(self, biases, &packed, &single);
            rows.clone()
                .step_by(ROWS)
                .for_each(|start| work.add(start..rows.end.min(start + ROWS), wants_gradient));
            *parts[index].lock().unwrap_or_else(PoisonError::into_inner) = work.part;
        });
        let parts: Vec<Part> = parts
            .into_iter()
            .map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect();
        let total: f64 = parts.iter().map(|part| part.weight).sum();
        let loss = parts.iter().map(|part| part.loss).sum::<f64>() / total;
        let accuracy =
            parts.iter().map(|part| part.right).sum::<usize>() as f64 / count.max(1) as f64;
        (Measured { loss, accuracy }, parts)
    }
}

/// Computes the partial sums of a range.
struct Work<'a> {
    objective: &'a Objective<'a>,
    biases: &'a [f32],
    packed: &'a PackedMatrix,
    pool: &'a ThreadPool,
    scores: Vec<f32>,
    probabilities: Vec<f32>,
    transposed_rows: Vec<f32>,
    /// The gradient so far, while the next one is made of it.
    before: Vec<f32>,
    /// The features of the rows at hand, packed.
    features: Option<(usize, PackedMatrix)>,
    part: Part,
}

impl<'a> Work<'a> {
    fn new(
        objective: &'a Objective<'a>,
        biases: &'a [f32],
        packed: &'a PackedMatrix,
        pool: &'a ThreadPool,
    ) -> Self {
        let part = Part { biases: vec![0.0; biases.len()], ..Part::default() };
        let (scores, probabilities, transposed_rows, before) = Default::default();
        Self {
            objective,
            biases,
            packed,
            pool,
            scores,
            probabilities,
            transposed_rows,
            before,
            features: None,
            part,
        }
    }

    /// Adds a range of examples.
    fn add(&mut self, rows: std::ops::Range<usize>, wants_gradient: bool) {
        let Objective { examples, criterion, level, .. } = self.objective;
        let (count, classes, width) = (rows.len(), criterion.classes, examples.width());
        let features = &examples.features()[rows.start * width..rows.end * width];
        self.scores.resize(count * classes, 0.0);
        self.probabilities.resize(count * classes, 0.0);
        let sum = Product { left: features, rows: count, bias: Some(self.biases), addend: None };
        self.packed.multiply(&sum, &mut self.scores, self.pool);
        if criterion.answer == OutputKind::Softmax {
            let shape = Softmax { rows: count, columns: classes, log: false };
            softmax(*level, shape, &self.scores, &mut self.probabilities, self.pool);
        }
        let lines =
            self.scores.chunks_exact_mut(classes).zip(self.probabilities.chunks_exact(classes));
        for ((scores, probabilities), truth) in lines.zip(&examples.truth()[rows]) {
            let weight = criterion.weight(truth);
            let (loss, right) = criterion.metrics(truth, scores, probabilities);
            self.part.loss += weight * loss;
            self.part.weight += weight;
            self.part.right += usize::from(right);
            if weight != 1.0 {
                scores.iter_mut().for_each(|residual| *residual *= weight as f32);
            }
        }
        if wants_gradient {
            self.add_gradient(features, count);
        }
    }

    /// Adds residuesᵀ · features.
    fn add_gradient(&mut self, features: &[f32], count: usize) {
        let Objective { examples, criterion, level, .. } = self.objective;
        let (classes, width) = (criterion.classes, examples.width());
        for residuals in self.scores.chunks_exact(classes) {
            self.part.biases.iter_mut().zip(residuals).for_each(|(sum, &r)| *sum += f64::from(r));
        }
        self.transposed_rows.resize(count * classes, 0.0);
        transpose(&self.scores, count, classes, &mut self.transposed_rows);
        match &mut self.features {
            Some((packed_rows, packed)) if *packed_rows == count => {
                packed.repack(features, false, self.pool);
            }
            other => {
                *other = Some((
                    count,
                    PackedMatrix::new(features, [count, width], false, *level, self.pool),
                ));
            }
        }
        let Some((_, packed)) = &self.features else { return };
        std::mem::swap(&mut self.before, &mut self.part.weights);
        self.part.weights.resize(classes * width, 0.0);
        let addend = Some(self.before.as_slice()).filter(|before| !before.is_empty());
        let sum = Product { left: &self.transposed_rows, rows: classes, bias: None, addend };
        packed.multiply(&sum, &mut self.part.weights, self.pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(count: usize, width: usize, classes: usize) -> Examples {
        let features =
            (0..count * width).map(|i| ((i * 7919) % 211) as f32 / 105.0 - 1.0).collect();
        let truth = (0..count).map(|i| {
            if i % 5 == 4 { vec![i % classes, (i + 1) % classes] } else { vec![i % classes] }
        });
        Examples::new(width, features, truth.collect())
    }

    fn check(criterion: &Criterion) {
        let (count, width, classes) = (600, 9, criterion.classes);
        let examples = examples(count, width, classes);
        let layer: Vec<f32> =
            (0..(width + 1) * classes).map(|i| ((i * 31) % 17) as f32 / 20.0 - 0.4).collect();
        let (level, pool) = (Level::best(), ThreadPool::new(2));
        let objective = Objective { examples: &examples, criterion, level, pool: &pool };
        let (measured, gradient) = objective.gradient(&layer);
        assert_eq!(measured, objective.measure(&layer));
        let single = ThreadPool::new(1);
        assert_eq!(
            Objective { pool: &single, ..objective }.gradient(&layer),
            (measured, gradient.clone())
        );
        for at in [0, 5, width * classes - 1, width * classes, layer.len() - 1] {
            let step = 1e-2f32;
            let loss = |by: f32| {
                let mut moved = layer.clone();
                moved[at] += by;
                objective.measure(&moved).loss
            };
            let slope = (loss(step) - loss(-step)) / (2.0 * f64::from(step));
            assert!((slope - gradient[at]).abs() < 2e-4, "{at}: {slope} {}", gradient[at]);
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let plain =
            Criterion { classes: 4, answer: OutputKind::Softmax, smoothing: 0.0, weights: None };
        check(&plain);
        check(&Criterion {
            smoothing: 0.2,
            weights: Some(vec![1.0, 2.0, 0.5, 1.5]),
            ..plain.clone()
        });
        check(&Criterion { answer: OutputKind::Sigmoid, smoothing: 0.1, ..plain });
    }

    #[test]
    fn no_other_constant_scores_fit_better() {
        let (examples, width) = (examples(603, 2, 3), 2);
        let plain =
            Criterion { classes: 3, answer: OutputKind::Softmax, smoothing: 0.0, weights: None };
        let weighted =
            Criterion { smoothing: 0.1, weights: Some(vec![1.0, 3.0, 0.5]), ..plain.clone() };
        for criterion in
            [&plain, &weighted, &Criterion { answer: OutputKind::Sigmoid, ..weighted.clone() }]
        {
            let (level, pool) = (Level::best(), ThreadPool::new(1));
            let mut layer = vec![0.0; width * 3];
            layer
                .extend(criterion.constant_scores(&examples).into_iter().map(|score| score as f32));
            let (_, gradient) =
                Objective { examples: &examples, criterion, level, pool: &pool }.gradient(&layer);
            assert!(
                gradient[width * 3..].iter().all(|g| g.abs() < 2e-3),
                "{criterion:?} {gradient:?}"
            );
        }
    }

    #[test]
    fn the_loss_is_the_cross_entropy() {
        let criterion =
            Criterion { classes: 3, answer: OutputKind::Softmax, smoothing: 0.0, weights: None };
        let mut scores = [1.0, 2.0, 3.0];
        let probabilities = super::super::layers::probabilities(&scores, OutputKind::Softmax);
        let (loss, right) = criterion.metrics(&[1], &mut scores, &probabilities);
        assert!((loss + f64::from(probabilities[1]).ln()).abs() < 1e-6 && !right);
        assert!((scores[1] - (probabilities[1] - 1.0)).abs() < 1e-7);
    }
}
