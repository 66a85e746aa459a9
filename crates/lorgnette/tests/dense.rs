//! Maps of photos: parts against the whole, scales, positions, regions.

use std::ops::ControlFlow::{Break, Continue};

use lorgnette::net::zoo;
use lorgnette::{
    Error, MapPadding, Model, ModelOptions, Picture, Progress, RegionOptions, SegmentationMap,
    SegmentationOptions, Segmenter,
};

/// A photo of the repository.
fn photo(name: &str) -> Picture {
    Picture::open(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../photos").join(name))
        .unwrap()
}

fn embedded(options: SegmentationOptions) -> Segmenter {
    Segmenter::new(Model::embedded(&ModelOptions::default()).unwrap(), options).unwrap()
}

fn of_zoo(name: &str, options: SegmentationOptions) -> Segmenter {
    let model =
        Model::with_random_weights(zoo::find(name).unwrap(), &ModelOptions::default()).unwrap();
    Segmenter::new(model, options).unwrap()
}

/// The largest difference of two scores, over the largest score.
fn difference(a: &SegmentationMap, b: &SegmentationMap) -> f32 {
    assert_eq!(
        (a.rows(), a.columns(), a.row_axis(), a.column_axis()),
        (b.rows(), b.columns(), b.row_axis(), b.column_axis())
    );
    let (a, b) = (a.scores().unwrap(), b.scores().unwrap());
    let largest = b.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / largest
}

/// A picture whose sides leave a remainder at every stride.
fn odd_picture() -> Picture {
    photo("coffee.jpg").scaled(1.7)
}

#[test]
fn the_map_of_parts_is_the_map_of_the_whole() {
    let picture = odd_picture();
    for (padding, output_stride) in
        [(MapPadding::Same, None), (MapPadding::Valid, None), (MapPadding::Same, Some(16))]
    {
        let options =
            SegmentationOptions { padding, output_stride, ..SegmentationOptions::default() };
        let whole = embedded(options.clone()).segment(&picture).unwrap();
        let mut parts = (0, 0);
        let cut = embedded(SegmentationOptions { tile: Some(620), ..options });
        let cut = cut
            .segment_observed(&picture, &mut |progress: &Progress| {
                parts = (progress.done, progress.total);
                Continue(())
            })
            .unwrap();
        assert!(parts.0 == parts.1 && parts.1 >= 4, "{parts:?}");
        assert!(
            difference(&cut, &whole) < 1e-5,
            "{padding:?} {output_stride:?}: {}",
            difference(&cut, &whole)
        );
    }
}

#[test]
fn parts_of_other_networks_fit_together_too() {
    let picture = photo("chelsea.jpg");
    for (name, tile) in [("cifarnet", 70), ("alexnet_v2", 420)] {
        let picture = if name == "cifarnet" { picture.clone() } else { picture.scaled(1.5) };
        let whole = of_zoo(name, SegmentationOptions::default()).segment(&picture).unwrap();
        let mut parts = 0;
        let cut = of_zoo(
            name,
            SegmentationOptions { tile: Some(tile), ..SegmentationOptions::default() },
        );
        let cut = cut
            .segment_observed(&picture, &mut |progress: &Progress| {
                parts = progress.total;
                Continue(())
            })
            .unwrap();
        assert!(parts > 1, "{name}");
        assert!(difference(&cut, &whole) < 1e-5, "{name}: {}", difference(&cut, &whole));
    }
}

#[test]
fn a_network_that_looks_at_the_whole_picture_is_not_cut() {
    let picture = photo("chelsea.jpg");
    let mut parts = 0;
    let options = SegmentationOptions { tile: Some(64), ..SegmentationOptions::default() };
    of_zoo("mobilenet_v3_small", options.clone())
        .segment_observed(&picture, &mut |progress: &Progress| {
            parts = progress.total;
            Continue(())
        })
        .unwrap();
    assert_eq!(parts, 1);
    let small = ModelOptions { memory_limit: 6 << 20, ..ModelOptions::default() };
    let model =
        Model::with_random_weights(zoo::find("mobilenet_v3_small").unwrap(), &small).unwrap();
    let error = Segmenter::new(model, options)
        .unwrap()
        .segment(&photo("astronaut.jpg").scaled(2.0))
        .unwrap_err()
        .to_string();
    assert!(error.contains("whole picture") && error.contains("scale it down"), "{error}");
}

/// The best class and the probability at a pixel, the slow and obvious way.
fn at_pixel(map: &SegmentationMap, (x, y): (usize, usize), expected: usize) -> (usize, f32) {
    let around = |axis: &lorgnette::dense::Axis, pixel: usize| {
        let at =
            ((pixel as f64 + 0.5 - axis.first) / axis.stride).clamp(0.0, (axis.cells - 1) as f64);
        let low = at.floor() as usize;
        [
            (low, 1.0 - (at - low as f64) as f32),
            ((low + 1).min(axis.cells - 1), (at - low as f64) as f32),
        ]
    };
    let (rows, columns) = (around(map.row_axis(), y), around(map.column_axis(), x));
    let mixed = |value: &dyn Fn(usize, usize) -> f32| -> f32 {
        rows.iter()
            .flat_map(|&(r, a)| columns.iter().map(move |&(c, b)| (r, c, a * b)))
            .map(|(r, c, w)| w * value(r, c))
            .sum()
    };
    let scores = map.scores().unwrap();
    let score =
        |class: usize| mixed(&|r, c| scores[(r * map.columns() + c) * map.classes() + class]);
    let best = (0..map.classes()).max_by(|&a, &b| score(a).total_cmp(&score(b))).unwrap();
    (best, mixed(&|r, c| map.probability(r, c, expected)))
}

#[test]
fn pixels_are_between_their_cells() {
    const CAT: usize = 286;
    let map = embedded(SegmentationOptions::default()).segment(&photo("chelsea.jpg")).unwrap();
    let (mut agree, mut all) = (0, 0);
    map.label_pixels(0..map.height(), |y, labels| {
        for x in (y % 7..map.width()).step_by(31).filter(|_| y % 5 == 0) {
            agree += usize::from(labels[x] as usize == at_pixel(&map, (x, y), CAT).0);
            all += 1;
        }
    });
    // Where two classes are level, rounding may choose either.
    assert!(agree * 1000 >= all * 999 && all > 500, "{agree} of {all}");
    map.probability_pixels(&[CAT], 0..map.height(), |y, probabilities| {
        for x in (y % 7..map.width()).step_by(31).filter(|_| y % 5 == 0) {
            let expected = at_pixel(&map, (x, y), CAT).1;
            assert!((probabilities[x] - expected).abs() < 1e-5, "({x}, {y})");
        }
    });
}

#[test]
fn regions_are_connected_and_together_the_map() {
    let map = embedded(SegmentationOptions::default()).segment(&photo("coffee.jpg")).unwrap();
    let all = RegionOptions { min_cells: 1, ..RegionOptions::default() };
    let regions = map.regions(&all);
    let mut cells: Vec<usize> =
        regions.iter().flat_map(|region| region.area.iter().copied()).collect();
    cells.sort_unstable();
    assert!(cells.into_iter().eq(0..map.rows() * map.columns()), "every cell is in one region");
    let shares: f32 = regions.iter().map(|region| region.share).sum();
    assert!((shares - 1.0).abs() < 1e-4, "{shares}");
    let few = map.regions(&RegionOptions {
        min_cells: 6,
        min_speck_probability: 1.1,
        min_probability: 0.2,
        ..all
    });
    assert!(!few.is_empty() && few.len() < regions.len());
    assert!(few.iter().all(|region| region.cells >= 6 && region.mean_probability >= 0.2));
}

#[test]
fn several_scales_are_averaged_on_the_finest_grid() {
    let picture = photo("chelsea.jpg");
    let at = |scales: &[f64]| {
        embedded(SegmentationOptions { scales: scales.to_vec(), ..SegmentationOptions::default() })
            .segment(&picture)
            .unwrap()
    };
    let (large, both) = (at(&[2.0]), at(&[1.0, 2.0]));
    assert_eq!((both.rows(), both.row_axis()), (large.rows(), large.row_axis()));
    let sum: f32 = (0..both.classes()).map(|class| both.probability(3, 5, class)).sum();
    assert!((sum - 1.0).abs() < 1e-4, "{sum}");
    let one = at(&[1.0]);
    // In the middle of a cell of the coarse map, the mean of the two.
    let (row, column) = (one.row_axis().centre(5), one.column_axis().centre(7));
    let near =
        |axis: &lorgnette::dense::Axis, at: f64| ((at - axis.first) / axis.stride).round() as usize;
    let (r, c) = (near(large.row_axis(), row), near(large.column_axis(), column));
    let expected = (one.probability(5, 7, 286) + large.probability(r, c, 286)) / 2.0;
    assert!(
        (both.probability(r, c, 286) - expected).abs() < 0.08,
        "{} {expected}",
        both.probability(r, c, 286)
    );
}

#[test]
fn an_observer_cancels_a_map() {
    let segmenter = embedded(SegmentationOptions { tile: Some(320), ..Default::default() });
    let mut done = 0;
    let result = segmenter.segment_observed(&photo("chelsea.jpg"), &mut |progress: &Progress| {
        done = progress.done;
        if progress.done < 1 { Continue(()) } else { Break(()) }
    });
    assert!(matches!(result, Err(Error::Cancelled)) && done == 1);
}
