//! Connected regions of one class.

use super::connected::{GridSize, connected};
use super::segmentation_map::SegmentationMap;

/// Criteria for regions.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionOptions {
    /// Minimum number of cells, unless a region's peak reaches `min_speck_probability`.
    pub min_cells: usize,
    /// Peak probability, 0 to 1, from which a region counts however small it is.
    pub min_speck_probability: f32,
    /// Minimum mean probability of a region.
    pub min_probability: f32,
    /// Classes to leave out, such as the background of networks with 1001 classes.
    pub excluded: Vec<usize>,
}

impl Default for RegionOptions {
    /// Regions of two cells, or of one cell with a probability of at least a half.
    fn default() -> Self {
        Self {
            min_cells: 2,
            min_speck_probability: 0.5,
            min_probability: 0.0,
            excluded: Vec::new(),
        }
    }
}

/// Connected cells of one class (4-connectivity).
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The network's output index.
    pub class: usize,
    /// Left, top, right, bottom in pixels of the photo; right and bottom are exclusive.
    pub bounds: [usize; 4],
    /// Number of cells.
    pub cells: usize,
    /// Share of the photo, 0 to 1.
    pub share: f32,
    /// Mean probability of the class over the region.
    pub mean_probability: f32,
    /// Peak probability of the class.
    pub peak_probability: f32,
    /// Its cells, as row-major indices in ascending order.
    pub area: Vec<usize>,
}

impl Region {
    /// Position of its centre in a photo of this size, by thirds: "top left", "middle center",
    /// "bottom right".
    #[must_use]
    pub fn location(&self, width: usize, height: usize) -> &'static str {
        const LOCATIONS: [[&str; 3]; 3] = [
            ["top left", "top center", "top right"],
            ["middle left", "middle center", "middle right"],
            ["bottom left", "bottom center", "bottom right"],
        ];
        let [x0, y0, x1, y1] = self.bounds;
        let third =
            |low: usize, high: usize, length: usize| (3 * (low + high) / (2 * length)).min(2);
        LOCATIONS[third(y0, y1, height)][third(x0, x1, width)]
    }
}

/// Finds the regions of a map, largest first, then by probability.
pub(super) fn find(map: &SegmentationMap, options: &RegionOptions) -> Vec<Region> {
    let labels = map.labels();
    let mut visited = vec![false; labels.len()];
    let mut regions = Vec::new();
    for start in 0..labels.len() {
        let is_unknown = labels[start] == map.unknown_class();
        if visited[start] || is_unknown || options.excluded.contains(&labels[start]) {
            continue;
        }
        let region = measure_region(
            map,
            labels[start],
            connected_component(map, &labels, start, &mut visited),
        );
        let is_speck = region.cells < options.min_cells
            && region.peak_probability < options.min_speck_probability;
        if !is_speck && region.mean_probability >= options.min_probability {
            regions.push(region);
        }
    }
    regions.sort_by(|a, b| {
        b.cells.cmp(&a.cells).then(b.peak_probability.total_cmp(&a.peak_probability))
    });
    regions
}

/// The cells connected to `start` in its class.
fn connected_component(
    map: &SegmentationMap,
    labels: &[usize],
    start: usize,
    visited: &mut [bool],
) -> Vec<usize> {
    visited[start] = true;
    let size = GridSize { columns: map.columns(), cells: labels.len() };
    let mut area = connected(vec![start], size, |cell| {
        labels[cell] == labels[start] && !std::mem::replace(&mut visited[cell], true)
    });
    area.sort_unstable();
    area
}

fn measure_region(map: &SegmentationMap, class: usize, area: Vec<usize>) -> Region {
    let (rows, columns) = (map.row_axis(), map.column_axis());
    let (mut sum, mut peak, mut covered_area) = (0.0_f64, 0.0_f32, 0.0);
    let (mut left, mut right) = (usize::MAX, 0);
    for &cell in &area {
        let (row, column) = (cell / columns.cells, cell % columns.cells);
        let probability = map.probability(row, column, class);
        sum += f64::from(probability);
        peak = peak.max(probability);
        let length = |[low, high]: [f64; 2]| high - low;
        covered_area += length(rows.cell_interval(row)) * length(columns.cell_interval(column));
        (left, right) = (left.min(column), right.max(column));
    }
    let (top, bottom) = (area[0] / columns.cells, area[area.len() - 1] / columns.cells);
    let ([x0, x1], [y0, y1]) = (columns.pixels(left..=right), rows.pixels(top..=bottom));
    let (mut bounds, mut pixels) = ([x0, y0, x1, y1], covered_area);
    if let Some(outline) = map.outline(area[0]) {
        (bounds, pixels) = (outline.bounds(), outline.pixels() as f64);
    }
    Region {
        class,
        bounds,
        cells: area.len(),
        share: (pixels / (map.width() as f64 * map.height() as f64)) as f32,
        mean_probability: (sum / area.len() as f64) as f32,
        peak_probability: peak,
        area,
    }
}
