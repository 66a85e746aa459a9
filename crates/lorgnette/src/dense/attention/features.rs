//! Features of a cell at one scale that tell how well that scale shows the thing there.

use lorgnette_kernels::ThreadPool;

use crate::dense::ScaleLevel;
use crate::dense::scores::BAND_CELLS;
use crate::parallel::for_each_part;

/// Number of a cell's features.
pub(super) const FEATURES: usize = 12;
/// Number of distances at which is looked around a cell, evenly spaced up to half a window.
const RINGS: usize = 4;
/// The one of which the extremes count too.
const MIDDLE_RING: usize = 2;
/// Number of places around a cell at each distance.
const DIRECTIONS: usize = 8;
/// The features of a cell.
pub(super) type Features = [f32; FEATURES];

/// The cells around one; `None` for each that is beyond the photo.
type Ring = [Option<usize>; DIRECTIONS];

/// How far is looked around a cell.
pub(super) struct Surroundings {
    /// Distances in cells, vertically and horizontally.
    distances: [[usize; 2]; RINGS],
}

impl Surroundings {
    /// Looks around up to half a window of the network in cells, vertically and horizontally.
    pub(super) fn new(half_window: [usize; 2]) -> Self {
        let distance = |ring: usize, half: usize| {
            let share = (ring + 1) as f64 / RINGS as f64;
            (share * half as f64).round().max(1.0) as usize
        };
        Self { distances: std::array::from_fn(|ring| half_window.map(|half| distance(ring, half))) }
    }

    /// The features of each cell of a scale, on the threads of `pool`.
    pub(super) fn of_level(&self, level: &ScaleLevel, pool: &ThreadPool) -> Vec<Features> {
        let mut features = vec![[0.0; FEATURES]; level.scores.cells()];
        for_each_part(pool, features.chunks_mut(BAND_CELLS), |band, features| {
            for (offset, features) in features.iter_mut().enumerate() {
                *features = self.of_cell(level, band * BAND_CELLS + offset);
            }
        });
        features
    }

    /// In order: the probability of the best class; the same around, on average at each distance,
    /// and the highest at one of them; how much more evidence for any class there is than around,
    /// on average at each distance, and the least at one of them; and how far the best class leads.
    pub(super) fn of_cell(&self, level: &ScaleLevel, at: usize) -> Features {
        let class = level.scores.best(at)[0].class as usize;
        let probability = level.scores.probability(at, class);
        let second = level.scores.best(at).get(1);
        let second = second.map_or(0.0, |score| level.scores.probability(at, score.class as usize));
        let rings = self.distances.map(|distance| ring(level, at, distance));
        let around = rings.map(|ring| mean(probabilities(level, &ring, class)));
        let highest = probabilities(level, &rings[MIDDLE_RING], class).fold(0.0, f32::max);
        let more = rings.map(|ring| mean(evidence(level, at, &ring)));
        let least = evidence(level, at, &rings[MIDDLE_RING]).reduce(f32::min).unwrap_or(0.0);
        let lead = probability - second;
        let features =
            [&[probability][..], &around[..], &[highest][..], &more[..], &[least, lead][..]];
        let features = features.concat();
        std::array::from_fn(|feature| features[feature])
    }
}

/// The cells around one at a distance, vertically and horizontally.
fn ring(level: &ScaleLevel, at: usize, distance: [usize; 2]) -> Ring {
    let (rows, columns) = (level.rows.cells, level.columns.cells);
    let down = around(at / columns, distance[0], rows);
    let across = around(at % columns, distance[1], columns);
    let place = |direction: usize| Some(down[direction / 3]? * columns + across[direction % 3]?);
    [0, 1, 2, 3, 5, 6, 7, 8].map(place)
}

/// The cells at a distance before and after one of `cells`, and itself between; `None` beyond them.
fn around(cell: usize, distance: usize, cells: usize) -> [Option<usize>; 3] {
    let after = Some(cell + distance).filter(|&after| after < cells);
    [cell.checked_sub(distance), Some(cell), after]
}

/// The probability of a class in some cells. Beyond the photo nothing is probable.
fn probabilities(level: &ScaleLevel, ring: &Ring, class: usize) -> impl Iterator<Item = f32> {
    ring.iter().map(move |place| place.map_or(0.0, |at| level.scores.probability(at, class)))
}

/// How much more evidence for any class a cell has than each of some others: the difference of the
/// logarithms of the sums of their exponentiated scores.
fn evidence(level: &ScaleLevel, at: usize, ring: &Ring) -> impl Iterator<Item = f32> {
    let own = level.scores.log_sum_exp(at);
    ring.iter().flatten().map(move |&there| own - level.scores.log_sum_exp(there))
}

/// The mean of some values, 0 of none.
fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / count.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 12;

    fn level(logits: &(dyn Fn(usize, usize) -> [f32; 2] + Sync)) -> ScaleLevel {
        ScaleLevel::of_logits(SIDE, logits)
    }

    fn close(found: &[f32], expected: &[f32]) -> bool {
        let is_close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-4;
        found.len() == expected.len() && found.iter().zip(expected).all(is_close)
    }

    #[test]
    fn a_cell_like_all_others_has_no_more_evidence() {
        let (level, surroundings) = (level(&|_, _| [2.0, 1.0]), Surroundings::new([4, 4]));
        let features = surroundings.of_level(&level, &ThreadPool::new(2));
        let best = 1.0 / (1.0 + (-1.0_f32).exp());
        let middle = features[SIDE / 2 * SIDE + SIDE / 2];
        assert!(close(&middle[..6], &[best; 6]), "{middle:?}");
        assert!(close(&middle[6..], &[0.0, 0.0, 0.0, 0.0, 0.0, 2.0 * best - 1.0]), "{middle:?}");
        // Five of a corner's eight neighbours are beyond the photo.
        assert!(close(&features[0][1..5], &[3.0 / 8.0 * best; 4]), "{:?}", features[0]);
        assert!(close(&features[0][6..11], &[0.0; 5]), "{:?}", features[0]);
    }

    #[test]
    fn a_thing_has_more_evidence_than_what_is_around() {
        let is_thing = |x: usize, y: usize| x == 6 && y == 6;
        let level = level(&|x, y| if is_thing(x, y) { [5.0, 4.0] } else { [2.0, 1.0] });
        let surroundings = Surroundings::new([4, 4]);
        let thing = surroundings.of_cell(&level, 6 * SIDE + 6);
        assert!(close(&thing[6..11], &[3.0; 5]), "{thing:?}");
        let beside = surroundings.of_cell(&level, 6 * SIDE + 7);
        assert!(close(&beside[6..8], &[-3.0 / 8.0, 0.0]), "{beside:?}");
        let three_beside = surroundings.of_cell(&level, 6 * SIDE + 9);
        assert!(close(&three_beside[10..11], &[-3.0]), "{three_beside:?}");
    }

    #[test]
    fn rings_are_a_quarter_of_half_a_window_apart() {
        let distances = |half_window| Surroundings::new(half_window).distances;
        assert_eq!(distances([4, 8]), [[1, 2], [2, 4], [3, 6], [4, 8]]);
        assert_eq!(distances([1, 1]), [[1; 2]; 4]);
    }
}
