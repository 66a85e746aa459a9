//! Features with their classes.

use lorgnette_kernels::ThreadPool;

/// Rows of features with their classes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Examples {
    width: usize,
    features: Vec<f32>,
    truth: Vec<Vec<usize>>,
    photos: Vec<usize>,
}

impl Examples {
    /// Joins features, `[examples][width]`, and the classes of each example.
    ///
    /// # Panics
    /// If `features` has another length.
    #[must_use]
    pub fn new(width: usize, features: Vec<f32>, truth: Vec<Vec<usize>>) -> Self {
        assert_eq!(features.len(), width * truth.len(), "a row of features for each example");
        let photos = (0..truth.len()).collect();
        Self { width, features, truth, photos }
    }

    /// Sets the photo of each example. Examples of one photo are held out together.
    ///
    /// # Panics
    /// If `photos` has another length.
    #[must_use]
    pub fn with_photos(self, photos: Vec<usize>) -> Self {
        assert_eq!(photos.len(), self.len(), "a photo for each example");
        Self { photos, ..self }
    }

    /// The photo of each example.
    #[must_use]
    pub fn photos(&self) -> &[usize] {
        &self.photos
    }

    /// Number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Whether there are no examples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// Number of features.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// All features, `[examples][width]`.
    #[must_use]
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// Features of an example.
    #[must_use]
    pub fn row(&self, index: usize) -> &[f32] {
        &self.features[index * self.width..][..self.width]
    }

    /// Classes of each example.
    #[must_use]
    pub fn truth(&self) -> &[Vec<usize>] {
        &self.truth
    }

    /// Returns the examples of these indices, in this order.
    #[must_use]
    pub fn select(&self, numbers: &[usize]) -> Self {
        let features = numbers.iter().flat_map(|&i| self.row(i)).copied().collect();
        let truth = numbers.iter().map(|&i| self.truth[i].clone()).collect();
        let photos = numbers.iter().map(|&i| self.photos[i]).collect();
        Self { width: self.width, features, truth, photos }
    }

    /// Returns class weights with which all classes have the same total weight; their mean over the
    /// examples is 1.
    pub(super) fn balanced_weights(&self, classes: usize) -> Vec<f64> {
        let mut counts = vec![0usize; classes];
        self.truth.iter().flatten().for_each(|&class| counts[class] += 1);
        let (all, present) =
            (counts.iter().sum::<usize>() as f64, counts.iter().filter(|&&n| n > 0).count() as f64);
        counts.iter().map(|&n| if n == 0 { 0.0 } else { all / (present * n as f64) }).collect()
    }
}

/// Affine map of features: a shift for each feature and one common factor.
#[derive(Clone, Debug)]
pub(super) struct Scaling {
    pub(super) macro_averages: Vec<f64>,
    pub(super) factor: f64,
}

impl Scaling {
    /// Centres each feature, and makes the mean variance 1.
    pub(super) fn fit(examples: &Examples) -> Self {
        let (width, count) = (examples.width(), examples.len().max(1) as f64);
        let mut macro_averages = vec![0.0; width];
        for row in examples.features().chunks_exact(width) {
            macro_averages.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x));
        }
        macro_averages.iter_mut().for_each(|mean| *mean /= count);
        let deviations = |row: &[f32]| -> f64 {
            row.iter().zip(&macro_averages).map(|(&x, mean)| (f64::from(x) - mean).powi(2)).sum()
        };
        let squares: f64 = examples.features().chunks_exact(width).map(deviations).sum();
        let variance = squares / (count * width as f64);
        let factor = if variance > 0.0 { variance.sqrt().recip() } else { 1.0 };
        Self { macro_averages, factor }
    }

    /// Drops the shift.
    pub(super) fn without_shift(self) -> Self {
        Self { macro_averages: vec![0.0; self.macro_averages.len()], ..self }
    }

    /// Returns the scaled examples.
    pub(super) fn apply(&self, examples: &Examples, pool: &ThreadPool) -> Examples {
        const ROWS: usize = 256;
        let width = examples.width();
        let mut features = vec![0.0; examples.features().len()];
        let parts: Vec<_> = features.chunks_mut(ROWS * width).map(std::sync::Mutex::new).collect();
        pool.run(parts.len(), &|_, index| {
            let mut part = parts[index].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let from = &examples.features()[index * ROWS * width..][..part.len()];
            for (to, from) in part.chunks_exact_mut(width).zip(from.chunks_exact(width)) {
                for ((to, &x), mean) in to.iter_mut().zip(from).zip(&self.macro_averages) {
                    *to = ((f64::from(x) - mean) * self.factor) as f32;
                }
            }
        });
        drop(parts);
        Examples {
            width,
            features,
            truth: examples.truth().to_vec(),
            photos: examples.photos.clone(),
        }
    }
}
