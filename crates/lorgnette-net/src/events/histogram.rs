//! Histograms with TensorFlow's buckets.

use super::proto::HistogramProto;

/// The smallest bucket limit; each further limit is 1.1 times the previous one, mirrored for
/// negative values (`tensorflow/core/lib/histogram/histogram.cc`, `InitDefaultBucketsInner`).
const FIRST_LIMIT: f64 = 1e-12;
const LAST_LIMIT: f64 = 1e20;
const GROWTH: f64 = 1.1;

/// Counts values in TensorFlow's buckets. Returns the buckets from the first to the last non-empty
/// one.
pub(super) fn histogram(values: &[f32]) -> HistogramProto {
    let values = || values.iter().map(|&value| f64::from(value)).filter(|value| value.is_finite());
    let limits = limits();
    let mut counts = vec![0.0; limits.len()];
    // A value equal to a limit belongs to the bucket above it, as with std::upper_bound.
    values().for_each(|value| {
        counts[limits.partition_point(|&limit| limit <= value).min(limits.len() - 1)] += 1.0;
    });
    let first = counts.iter().position(|&count| count > 0.0).unwrap_or(0);
    let last = counts.iter().rposition(|&count| count > 0.0).unwrap_or(0);
    HistogramProto {
        min: values().fold(f64::INFINITY, f64::min),
        max: values().fold(f64::NEG_INFINITY, f64::max),
        num: values().count() as f64,
        sum: values().sum(),
        sum_squares: values().map(|value| value * value).sum(),
        // The preceding bucket's limit is the lower limit of the first bucket.
        bucket_limit: limits[first.saturating_sub(1)..=last].to_vec(),
        bucket: counts[first.saturating_sub(1)..=last].to_vec(),
    }
}

/// Returns the upper limit of each bucket.
fn limits() -> Vec<f64> {
    let positive: Vec<f64> =
        std::iter::successors(Some(FIRST_LIMIT), |limit: &f64| Some(limit * GROWTH))
            .take_while(|&limit| limit < LAST_LIMIT)
            .collect();
    let positive = positive.into_iter().chain([f64::MAX]).collect::<Vec<f64>>();
    positive.iter().rev().map(|limit| -limit).chain([0.0]).chain(positive.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_is_below_their_limits() {
        let actual = histogram(&[0.0, 1.0, 1.0, 2.0, -3.0, f32::NAN]);
        assert_eq!(
            (actual.min, actual.max, actual.num, actual.sum, actual.sum_squares),
            (-3.0, 2.0, 5.0, 1.0, 15.0)
        );
        assert_eq!(actual.bucket.iter().sum::<f64>(), 5.0);
        let bucket_of =
            |value: f64| actual.bucket_limit.iter().position(|&limit| limit > value).unwrap();
        assert_eq!(
            (
                actual.bucket[bucket_of(1.0)],
                actual.bucket[bucket_of(2.0)],
                actual.bucket[bucket_of(-3.0)]
            ),
            (2.0, 1.0, 1.0)
        );
        assert!(actual.bucket_limit.windows(2).all(|two| two[0] < two[1]));
    }

    #[test]
    fn of_nothing_there_is_an_empty_histogram() {
        assert_eq!(histogram(&[]).num, 0.0);
    }
}
