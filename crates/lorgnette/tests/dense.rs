//! Maps of photos: parts against the whole, scales, positions, regions.

use lorgnette::dense::LegendEntry;
use lorgnette::net::zoo;
use lorgnette::{LabelMap, MapOptions, MapPadding, Mapper, Model, ModelOptions, Picture, RegionOptions};

/// A photo of the repository.
fn photo(name: &str) -> Picture {
    Picture::open(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../photos").join(name)).unwrap()
}

fn embedded(options: MapOptions) -> Mapper {
    Mapper::new(Model::embedded(&ModelOptions::default()).unwrap(), options).unwrap()
}

fn of_zoo(name: &str, options: MapOptions) -> Mapper {
    let model = Model::made_up(zoo::find(name).unwrap(), &ModelOptions::default()).unwrap();
    Mapper::new(model, options).unwrap()
}

/// The largest difference of two scores, over the largest score.
fn difference(a: &LabelMap, b: &LabelMap) -> f32 {
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
    for (padding, output_stride) in [(MapPadding::Same, None), (MapPadding::Valid, None), (MapPadding::Same, Some(16))]
    {
        let options = MapOptions { padding, output_stride, ..MapOptions::default() };
        let whole = embedded(options.clone()).map(&picture).unwrap();
        let mut parts = (0, 0);
        let cut = embedded(MapOptions { part: Some(620), ..options });
        let cut = cut.map_watched(&picture, &mut |done, all| parts = (done, all)).unwrap();
        assert!(parts.0 == parts.1 && parts.1 >= 4, "{parts:?}");
        assert!(difference(&cut, &whole) < 1e-5, "{padding:?} {output_stride:?}: {}", difference(&cut, &whole));
    }
}

#[test]
fn parts_of_other_networks_fit_together_too() {
    let picture = photo("chelsea.jpg");
    for (name, part) in [("cifarnet", 70), ("alexnet_v2", 420)] {
        let picture = if name == "cifarnet" { picture.clone() } else { picture.scaled(1.5) };
        let whole = of_zoo(name, MapOptions::default()).map(&picture).unwrap();
        let mut parts = 0;
        let cut = of_zoo(name, MapOptions { part: Some(part), ..MapOptions::default() });
        let cut = cut.map_watched(&picture, &mut |_, all| parts = all).unwrap();
        assert!(parts > 1, "{name}");
        assert!(difference(&cut, &whole) < 1e-5, "{name}: {}", difference(&cut, &whole));
    }
}
