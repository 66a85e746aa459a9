//! The limited-memory BFGS method (Nocedal and Wright, "Numerical optimization", second edition,
//! algorithms 7.4 and 3.1): minimises a smooth function from its values and gradients.

use std::collections::VecDeque;

/// Number of correction pairs.
const HISTORY: usize = 10;
/// Constant of Armijo's sufficient decrease condition.
const SUFFICIENT_DECREASE: f64 = 1e-4;
/// Maximum number of backtracking steps of a line search.
const MAX_BACKTRACKS: usize = 25;

/// Returns value and gradient at a point.
pub(super) type Function<'a> = dyn FnMut(&[f64]) -> (f64, Vec<f64>) + 'a;

/// State of a minimisation.
#[derive(Clone, Debug)]
pub(super) struct Lbfgs {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
    pub(super) gradient: Vec<f64>,
    /// Correction pairs: steps and gradient differences, the latest last.
    pub(super) pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
}

impl Lbfgs {
    /// Starts at a point.
    pub(super) fn from(point: Vec<f64>, function: &mut Function<'_>) -> Self {
        let (value, gradient) = function(&point);
        Self { point, value, gradient, pairs: VecDeque::new() }
    }

    /// From where another descent ended on, if the function has since got `more/2·|point|²` added
    /// (less a constant place, if need be): that changes a gradient by `more` times the step, so
    /// what was learnt of the curvature stays true.
    pub(super) fn with_penalty(self, more: f64, function: &mut Function<'_>) -> Self {
        let mut pairs = self.pairs;
        pairs.iter_mut().for_each(|(step, change)| add(change, more, step));
        // A weaker penalty may leave curvature that is only rounding error.
        pairs.retain(|(step, change)| is_upward(step, change));
        Self { pairs, ..Self::from(self.point, function) }
    }

    /// Takes a step. Returns `false` if the line search finds none; the point then stays. The last
    /// call of `function` is at the new point.
    pub(super) fn step(&mut self, function: &mut Function<'_>) -> bool {
        let mut direction = self.direction();
        let mut slope = dot(&direction, &self.gradient);
        if slope >= 0.0 {
            // Not a descent direction, because of rounding: restart with steepest descent.
            self.pairs.clear();
            direction = self.gradient.iter().map(|g| -g).collect();
            slope = dot(&direction, &self.gradient);
        }
        // Without curvature, the first step has length 1 or less.
        let first = if self.pairs.is_empty() { (-slope).sqrt().recip().min(1.0) } else { 1.0 };
        let mut length = first;
        for _ in 0..MAX_BACKTRACKS {
            let point: Vec<f64> =
                self.point.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let (value, gradient) = function(&point);
            if value <= self.value + SUFFICIENT_DECREASE * length * slope {
                self.remember(&point, &gradient);
                (self.point, self.value, self.gradient) = (point, value, gradient);
                return true;
            }
            // Minimum of the interpolating parabola, within limits.
            let lowest = -slope * length * length / (2.0 * (value - self.value - slope * length));
            length = if lowest.is_finite() {
                lowest.clamp(0.1 * length, 0.5 * length)
            } else {
                0.1 * length
            };
        }
        false
    }

    fn remember(&mut self, point: &[f64], gradient: &[f64]) {
        let step: Vec<f64> = point.iter().zip(&self.point).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = gradient.iter().zip(&self.gradient).map(|(a, b)| a - b).collect();
        if is_upward(&step, &change) {
            self.pairs.push_back((step, change));
            if self.pairs.len() > HISTORY {
                self.pairs.pop_front();
            }
        }
    }

    /// Returns the search direction by the two-loop recursion.
    fn direction(&self) -> Vec<f64> {
        let mut direction: Vec<f64> = self.gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for (step, change) in self.pairs.iter().rev() {
            let share = dot(step, &direction) / dot(step, change);
            add(&mut direction, -share, change);
            shares.push(share);
        }
        if let Some((step, change)) = self.pairs.back() {
            let scale = dot(step, change) / dot(change, change);
            direction.iter_mut().for_each(|d| *d *= scale);
        }
        for ((step, change), share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let back = dot(change, &direction) / dot(step, change);
            add(&mut direction, share - back, step);
        }
        direction
    }
}

/// Whether a correction pair has positive curvature.
fn is_upward(step: &[f64], change: &[f64]) -> bool {
    dot(step, change) > 1e-10 * dot(change, change).sqrt() * dot(step, step).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight independent sums hide the latency of additions.
    let (wholes_a, rest_a) = a.as_chunks::<8>();
    let (wholes_b, rest_b) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in wholes_a.iter().zip(wholes_b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += factor * from);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley, in four dimensions.
    fn valley(x: &[f64]) -> (f64, Vec<f64>) {
        let mut gradient = vec![0.0; x.len()];
        let mut value = 0.0;
        for i in 0..x.len() - 1 {
            let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
            value += 100.0 * a * a + b * b;
            gradient[i] += -400.0 * a * x[i] - 2.0 * b;
            gradient[i + 1] += 200.0 * a;
        }
        (value, gradient)
    }

    #[test]
    fn it_finds_the_bottom_of_the_valley() {
        let mut descent = Lbfgs::from(vec![-1.2, 1.0, -0.5, 2.0], &mut valley);
        let mut steps = 0;
        while descent.value > 1e-12 && descent.step(&mut valley) {
            steps += 1;
        }
        assert!(steps < 100, "{steps} steps");
        assert!(descent.point.iter().all(|x| (x - 1.0).abs() < 1e-5), "{:?}", descent.point);
    }

    #[test]
    fn what_is_known_of_a_bowl_stays_true_when_it_is_bent() {
        let bowl = |bend: f64| {
            move |x: &[f64]| {
                let (steep, flat) = (100.0 + bend, 1.0 + bend);
                (
                    0.5 * (steep * x[0] * x[0] + flat * (x[1] - 1.0).powi(2)),
                    vec![steep * x[0], flat * (x[1] - 1.0)],
                )
            }
        };
        let mut descent = Lbfgs::from(vec![1.0, 3.0], &mut bowl(2.0));
        while descent.step(&mut bowl(2.0)) && descent.value > 1e-9 {}
        let with_penalty = descent.with_penalty(-1.5, &mut bowl(0.5));
        for (step, change) in &with_penalty.pairs {
            assert!(
                (change[0] - 100.5 * step[0]).abs() < 1e-9
                    && (change[1] - 1.5 * step[1]).abs() < 1e-9
            );
        }
        assert!(!with_penalty.pairs.is_empty());
    }

    #[test]
    fn at_the_bottom_there_is_no_step() {
        let mut bowl = |x: &[f64]| (x[0] * x[0], vec![2.0 * x[0]]);
        let mut descent = Lbfgs::from(vec![3.0], &mut bowl);
        while descent.step(&mut bowl) && descent.value > 0.0 {}
        assert!(descent.point[0].abs() < 1e-6);
    }
}
