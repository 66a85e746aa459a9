//! A proportion and its confidence interval.

/// The standard normal distribution's 97.5 % point, for intervals of 95 %.
const NORMAL_QUANTILE_97_5: f64 = 1.959_963_984_540_054;

/// A proportion of photos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proportion {
    /// Number of photos that count.
    pub correct: usize,
    /// Number of all photos.
    pub total: usize,
}

impl Proportion {
    /// Counts flags that are set.
    pub(crate) fn total(flags: impl IntoIterator<Item = bool>) -> Self {
        let count = |share: Self, is: bool| Self {
            correct: share.correct + usize::from(is),
            total: share.total + 1,
        };
        flags.into_iter().fold(Self::default(), count)
    }

    /// The proportion, from 0 to 1; NaN without photos.
    #[must_use]
    pub fn value(self) -> f64 {
        self.correct as f64 / self.total as f64
    }

    /// 95 % confidence interval by Wilson's method ("Probable inference, the law of succession, and
    /// statistical inference", 1927). Unlike the normal approximation, it stays within 0 and 1 and
    /// holds for few photos and for proportions near 1.
    #[must_use]
    pub fn interval(self) -> [f64; 2] {
        if self.total == 0 {
            return [0.0, 1.0];
        }
        let (n, p) = (self.total as f64, self.value());
        let centre = p + NORMAL_QUANTILE_97_5 * NORMAL_QUANTILE_97_5 / (2.0 * n);
        let spread = NORMAL_QUANTILE_97_5
            * (p * (1.0 - p) / n + NORMAL_QUANTILE_97_5 * NORMAL_QUANTILE_97_5 / (4.0 * n * n))
                .sqrt();
        let whole = 1.0 + NORMAL_QUANTILE_97_5 * NORMAL_QUANTILE_97_5 / n;
        [((centre - spread) / whole).max(0.0), ((centre + spread) / whole).min(1.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::Proportion;

    #[test]
    fn intervals_are_wilsons() {
        // statsmodels.stats.proportion.proportion_confint(right, of, method="wilson").
        for (correct, total, low, high) in [
            (81, 263, 0.255_288_519_9, 0.366_209_577_0),
            (0, 10, 0.0, 0.277_532_799_4),
            (10, 10, 0.722_467_200_1, 1.0),
            (1, 1, 0.206_549_314_4, 1.0),
            (274, 300, 0.876_044_041_3, 0.940_171_102_5),
        ] {
            let [found_low, found_high] = Proportion { correct, total }.interval();
            assert!(
                (found_low - low).abs() < 1e-9 && (found_high - high).abs() < 1e-9,
                "{found_low} {found_high}"
            );
        }
    }

    #[test]
    fn of_no_photos_nothing_is_known() {
        assert_eq!(Proportion::default().interval(), [0.0, 1.0]);
    }
}
