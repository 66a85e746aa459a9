//! Observations of a value over the calibration photos.

/// Bins of a histogram.
const BINS: usize = 2048;
/// Half of them.
const HALF: usize = BINS / 2;

/// The distribution of a value.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    pub(super) min: f32,
    pub(super) max: f32,
    /// Counts of equal intervals from `-reach` to `reach`.
    bins: Vec<u64>,
    reach: f32,
    /// Sum of each channel, the last dimension.
    sums: Vec<f64>,
    /// Largest magnitude of each channel.
    pub(super) magnitudes: Vec<f32>,
    /// Values of each channel.
    count: u64,
}

impl Statistics {
    /// Returns statistics of a value of so many channels, of which nothing is known.
    pub(super) fn new(channels: usize) -> Self {
        Self {
            min: f32::INFINITY,
            max: f32::NEG_INFINITY,
            bins: vec![0; BINS],
            reach: 0.0,
            sums: vec![0.0; channels],
            magnitudes: vec![0.0; channels],
            count: 0,
        }
    }

    /// Adds values. Those that are not finite are left out.
    pub(super) fn observe(&mut self, values: &[f32]) {
        let channels = self.sums.len();
        let finite = |values: &[f32]| -> Vec<f32> {
            values.iter().copied().filter(|x| x.is_finite()).collect()
        };
        let largest = finite(values).iter().fold(0f32, |largest, x| largest.max(x.abs()));
        self.widen(largest);
        for pixel in values.chunks_exact(channels) {
            for (channel, &x) in pixel.iter().enumerate().filter(|(_, x)| x.is_finite()) {
                self.min = self.min.min(x);
                self.max = self.max.max(x);
                self.sums[channel] += f64::from(x);
                self.magnitudes[channel] = self.magnitudes[channel].max(x.abs());
                let bin = self.bin(x);
                self.bins[bin] += 1;
            }
        }
        self.count += (values.len() / channels.max(1)) as u64;
    }

    fn bin(&self, x: f32) -> usize {
        if self.reach == 0.0 {
            return HALF;
        }
        let at = (x / self.reach * HALF as f32).floor() as i64 + HALF as i64;
        at.clamp(0, BINS as i64 - 1) as usize
    }

    /// Makes the histogram reach as far as a magnitude, by merging bins.
    fn widen(&mut self, largest: f32) {
        if self.reach == 0.0 {
            self.reach = largest;
            return;
        }
        while self.reach < largest {
            let mut wider = vec![0; BINS];
            for (i, count) in self.bins.iter().enumerate() {
                wider[HALF / 2 + i / 2] += count;
            }
            self.bins = wider;
            self.reach *= 2.0;
        }
    }

    /// Returns the middle of a bin.
    fn middle(&self, bin: usize) -> f32 {
        (bin as f32 + 0.5 - HALF as f32) / HALF as f32 * self.reach
    }

    /// Returns the mean of each channel.
    pub(super) fn means(&self) -> Vec<f32> {
        self.sums.iter().map(|sum| (sum / self.count.max(1) as f64) as f32).collect()
    }

    /// Returns the range of all values, or nothing's.
    pub(super) fn whole(&self) -> Range {
        if self.min > self.max {
            Range { low: 0.0, high: 0.0 }
        } else {
            self.between(self.min, self.max)
        }
    }

    fn between(&self, low: f32, high: f32) -> Range {
        Range { low: low.min(0.0), high: high.max(0.0) }
    }

    /// Returns the range without the share `tail` of the values at each end.
    pub(super) fn without_tails(&self, tail: f64) -> Range {
        let all: u64 = self.bins.iter().sum();
        let allowed = (all as f64 * tail) as u64;
        let is_beyond = |seen: &mut u64, bin: usize| {
            *seen += self.bins[bin];
            *seen > allowed
        };
        let (mut below, mut above) = (0, 0);
        let first = (0..BINS).find(|&bin| is_beyond(&mut below, bin));
        let last = (0..BINS).rev().find(|&bin| is_beyond(&mut above, bin));
        let (Some(first), Some(last)) = (first, last) else { return self.whole() };
        let half_bin = self.reach / BINS as f32;
        let whole = self.whole();
        let (low, high) = (self.middle(first) - half_bin, self.middle(last) + half_bin);
        self.between(low.max(whole.low), high.min(whole.high))
    }

    /// Returns the range that 8 bits store with the least squared error.
    pub(super) fn least_error(&self) -> Range {
        const SHARES: usize = 64;
        let whole = self.whole();
        let candidates = (SHARES / 8..=SHARES).map(|share| {
            let share = share as f32 / SHARES as f32;
            Range { low: whole.low * share, high: whole.high * share }
        });
        let error = |range: &Range| self.squared_error(range);
        candidates.min_by(|a, b| error(a).total_cmp(&error(b))).unwrap_or(whole)
    }

    /// Returns the sum of squared differences between the values and what 8 bits store of them.
    fn squared_error(&self, range: &Range) -> f64 {
        let step = f64::from(range.high - range.low) / 255.0;
        let (low, high) = (f64::from(range.low), f64::from(range.high));
        let bins = self.bins.iter().enumerate().filter(|(_, count)| **count > 0);
        bins.map(|(bin, &count)| {
            let x = f64::from(self.middle(bin));
            // Rounding errors are evenly distributed within a step.
            let beyond = (low - x).max(x - high).max(0.0);
            count as f64 * (beyond * beyond + step * step / 12.0)
        })
        .sum()
    }
}

/// The real numbers that 8 bits stand for; zero is among them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Range {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Range {
    /// Returns the range that holds both.
    pub(super) fn union(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outlier_widens_the_whole_range_alone() {
        let mut statistics = Statistics::new(1);
        let values: Vec<f32> = (0..10_000).map(|i| (i % 100) as f32 / 100.0).collect();
        statistics.observe(&values);
        statistics.observe(&[50.0]);
        assert_eq!(statistics.whole(), Range { low: 0.0, high: 50.0 });
        let cut = statistics.without_tails(1e-3);
        assert!(cut.low == 0.0 && (0.9..1.2).contains(&cut.high), "{cut:?}");
        let best = statistics.least_error();
        assert!((6.0..50.0).contains(&best.high), "{best:?}");
        assert!((statistics.means()[0] - 0.5).abs() < 0.01);
    }

    #[test]
    fn numbers_that_are_not_finite_are_left_out() {
        let mut statistics = Statistics::new(2);
        statistics.observe(&[f32::NAN, -1.0, f32::INFINITY, 2.0]);
        assert_eq!(statistics.whole(), Range { low: -1.0, high: 2.0 });
        assert_eq!(statistics.magnitudes, [0.0, 2.0]);
    }
}
