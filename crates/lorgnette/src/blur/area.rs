//! Connected areas of selected pixels.

use std::collections::BTreeMap;

/// Connected pixels of the selected classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    /// The selected class of most of its pixels: the network's output index. `None` for a face.
    pub class: Option<usize>,
    /// Left, top, right, bottom in pixels of the photo; right and bottom are exclusive.
    pub bounds: [usize; 4],
    /// Share of the photo, 0 to 1.
    pub share: f32,
    /// Mean probability of the selected classes over its pixels.
    pub mean_probability: f32,
    /// Highest probability of the selected classes.
    pub peak_probability: f32,
}

/// A run of selected pixels in a row.
struct Run {
    row: usize,
    start: usize,
    end: usize,
    /// Index of the parent run in the union-find forest.
    parent: usize,
}

/// Sums over the runs of an area.
#[derive(Default)]
struct AreaSums {
    bounds: Option<[usize; 4]>,
    pixels: usize,
    probability: u64,
    peak: u8,
    classes: BTreeMap<u32, usize>,
}

/// Finds the connected areas of pixels with levels above 0, largest first. Levels are probabilities
/// in 255ths, in rows of `width` pixels. `visit_rows` calls its argument with each row's number and
/// classes.
pub(super) fn find(
    width: usize,
    levels: &[u8],
    is_selected: &[bool],
    visit_rows: impl FnOnce(&mut dyn FnMut(usize, &[u32])),
) -> Vec<Area> {
    let mut runs = runs(width, levels);
    union_runs(&mut runs);
    let mut sums: BTreeMap<usize, AreaSums> = BTreeMap::new();
    let roots: Vec<usize> = (0..runs.len()).map(|at| find_root(&mut runs, at)).collect();
    let mut next = 0;
    visit_rows(&mut |y, labels| {
        while next < runs.len() && runs[next].row == y {
            let Run { row, start, end, .. } = runs[next];
            let probabilities = &levels[row * width..][start..end];
            sums.entry(roots[next]).or_default().add(
                row,
                start,
                probabilities,
                &labels[start..end],
            );
            next += 1;
        }
    });
    let mut areas: Vec<Area> =
        sums.into_values().filter_map(|sum| sum.area(levels.len(), is_selected)).collect();
    areas.sort_by(|a, b| b.share.total_cmp(&a.share));
    areas
}

fn runs(width: usize, levels: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    for (row, pixels) in levels.chunks_exact(width).enumerate() {
        let mut x = 0;
        for run in pixels.chunk_by(|a, b| (*a > 0) == (*b > 0)) {
            if run[0] > 0 {
                runs.push(Run { row, start: x, end: x + run.len(), parent: runs.len() });
            }
            x += run.len();
        }
    }
    runs
}

/// Joins runs of adjacent rows that touch, diagonally too.
fn union_runs(runs: &mut [Run]) {
    let mut above = 0;
    for at in 0..runs.len() {
        let (row, start, end) = (runs[at].row, runs[at].start, runs[at].end);
        while runs[above].row + 1 < row || (runs[above].row + 1 == row && runs[above].end < start) {
            above += 1;
        }
        let mut touching = above;
        while touching < at && runs[touching].row + 1 == row && runs[touching].start <= end {
            let (a, b) = (find_root(runs, touching), find_root(runs, at));
            runs[a.max(b)].parent = a.min(b);
            touching += 1;
        }
    }
}

fn find_root(runs: &mut [Run], mut at: usize) -> usize {
    while runs[at].parent != at {
        runs[at].parent = runs[runs[at].parent].parent;
        at = runs[at].parent;
    }
    at
}

impl AreaSums {
    fn add(&mut self, row: usize, start: usize, probabilities: &[u8], labels: &[u32]) {
        let run = [start, row, start + probabilities.len(), row + 1];
        let [x0, y0, x1, y1] = self.bounds.unwrap_or(run);
        self.bounds = Some([x0.min(run[0]), y0.min(run[1]), x1.max(run[2]), y1.max(run[3])]);
        self.pixels += probabilities.len();
        self.probability +=
            probabilities.iter().map(|&probability| u64::from(probability)).sum::<u64>();
        self.peak = self.peak.max(probabilities.iter().copied().max().unwrap_or(0));
        labels.iter().for_each(|&class| *self.classes.entry(class).or_default() += 1);
    }

    fn area(self, pixels: usize, is_selected: &[bool]) -> Option<Area> {
        let rank = |&(class, count): &(u32, usize)| {
            (is_selected[class as usize], count, std::cmp::Reverse(class))
        };
        let commonest = self.classes.into_iter().max_by_key(rank)?;
        Some(Area {
            class: Some(commonest.0 as usize),
            bounds: self.bounds?,
            share: self.pixels as f32 / pixels as f32,
            mean_probability: self.probability as f32 / self.pixels as f32 / 255.0,
            peak_probability: f32::from(self.peak) / 255.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_are_one_area() {
        #[rustfmt::skip]
        let levels = [
            1, 1, 0, 0, 0, 1,
            0, 0, 1, 0, 0, 1,
            0, 0, 0, 0, 0, 1,
            1, 0, 1, 1, 1, 1,
            1, 0, 0, 0, 0, 0,
        ];
        let mut runs = runs(6, &levels);
        union_runs(&mut runs);
        let mut roots: Vec<usize> = (0..runs.len()).map(|at| find_root(&mut runs, at)).collect();
        assert_eq!((roots[0], roots.len()), (roots[2], 8));
        roots.sort_unstable();
        roots.dedup();
        assert_eq!(roots.len(), 3);
    }
}
