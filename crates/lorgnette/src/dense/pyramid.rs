//! The scales at which a photo of any size is mapped, and the map of all of them.
//!
//! A network knows things that fill a half to the whole of its input. A pyramid shows it every
//! thing of a photo at such a size: it begins with almost the whole photo in one input and ends
//! with the photo enlarged, so that a thing of 120 pixels is large enough.

use lorgnette_net::MapPadding;

/// The finest scale: a thing of 120 pixels becomes 192 pixels long.
const FINEST: f64 = 1.6;
/// Side of the photo at the coarsest scale, over the input's. At 1, the one answer for the whole
/// photo would cover all of it.
const COARSEST_SIDE: f64 = std::f64::consts::SQRT_2;
/// The same at the smallest division of the finest scale.
const SMALLEST_SIDE: f64 = 1.6;
/// Maximum pixels of a photo at one scale, but for the finest of a search, at which few places are
/// looked at.
const MAX_PIXELS: f64 = 40e6;
/// Maximum pixels at a finer scale of a map than [`FINEST`]: it takes small photos little time.
const MAX_FINER_PIXELS: f64 = 16e6;
/// From a scale to the next.
const STEP: f64 = std::f64::consts::SQRT_2;

/// The purpose of a pyramid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A map of all classes.
    Map,
    /// A search for some classes, at few places of the finest scales.
    Search,
}

/// Limits of a pyramid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Height and width of the network's own input.
    pub(super) window: [usize; 2],
    pub(super) padding: MapPadding,
    /// Maximum pixels at one scale that the network can take.
    pub(super) max_pixels: f64,
}

/// The scales for a photo.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pyramid {
    /// In ascending order.
    pub(super) scales: Vec<f64>,
    /// Number of those, the coarsest, that are looked at everywhere, whatever a visitor wants.
    pub(super) whole: usize,
}

/// Chooses the scales for a photo.
pub(super) fn pyramid(width: usize, height: usize, purpose: Purpose, limits: Limits) -> Pyramid {
    let (longer, shorter) = (width.max(height) as f64, width.min(height) as f64);
    let window = limits.window[0].max(limits.window[1]) as f64;
    let max_pixels = limits.max_pixels.min(MAX_PIXELS);
    let finest = FINEST.min((max_pixels / (longer * shorter)).sqrt());
    let coarsest = (COARSEST_SIDE * window / longer).min(finest);
    let mut scales = Vec::new();
    let mut scale = finest;
    while scale * longer >= SMALLEST_SIDE * window && scale > 1.05 * coarsest {
        scales.push(scale);
        scale /= STEP;
    }
    scales.push(coarsest);
    scales.reverse();
    // A small thing that a search found at one scale it looks at closer; a map of a small photo
    // sees smaller things.
    let finer = finest * STEP;
    let max_finer_pixels = match purpose {
        Purpose::Map => limits.max_pixels.min(MAX_FINER_PIXELS),
        Purpose::Search => limits.max_pixels,
    };
    if finer * finer * longer * shorter <= max_finer_pixels {
        scales.push(finer);
    }
    if limits.padding == MapPadding::Valid {
        // Each window has to lie in the photo.
        scales.retain(|scale| (scale * shorter).round() >= window);
        if scales.is_empty() {
            scales.push(1.0);
        }
    }
    let whole = match purpose {
        Purpose::Map => scales.len(),
        Purpose::Search => scales.iter().filter(|&&scale| scale < finest).count().max(1),
    };
    Pyramid { scales, whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(padding: MapPadding) -> Limits {
        Limits { window: [224, 224], padding, max_pixels: f64::INFINITY }
    }

    #[test]
    fn a_pyramid_goes_from_the_whole_photo_to_small_things() {
        for (width, height) in [(100, 80), (500, 375), (2400, 1600), (4000, 3000), (300, 9000)] {
            let Pyramid { scales, whole } =
                pyramid(width, height, Purpose::Search, limits(MapPadding::Same));
            let longer = width.max(height) as f64;
            assert!(scales.is_sorted() && scales[0] * longer < 320.0, "{width}: {scales:?}");
            assert!(scales[scales.len() - 1] <= FINEST * STEP, "{scales:?}");
            for pair in scales.windows(2) {
                assert!(pair[1] / pair[0] <= 1.7, "{width}: {scales:?} has a gap");
            }
            let area = (width * height) as f64;
            let is_small = |scale: &f64| area * scale * scale <= 1.01 * MAX_PIXELS / 2.0;
            assert!(whole > 0 && scales[..whole].iter().all(is_small), "{scales:?}: {whole}");
        }
        let camera = |purpose| pyramid(4000, 3000, purpose, limits(MapPadding::Same));
        let (map, search) = (camera(Purpose::Map), camera(Purpose::Search));
        assert_eq!((map.scales.len(), map.whole), (10, 10));
        assert_eq!((search.scales.len(), search.whole), (11, 9));
        assert_eq!(search.scales[..10], map.scales);
        let small = pyramid(1000, 750, Purpose::Map, limits(MapPadding::Same)).scales;
        assert!((small[small.len() - 1] - FINEST * STEP).abs() < 1e-9, "{small:?}");
    }

    #[test]
    fn without_padding_every_window_is_in_the_photo() {
        let scales =
            |width, height| pyramid(width, height, Purpose::Map, limits(MapPadding::Valid)).scales;
        let found = scales(500, 375);
        assert!(
            (found[1] - 0.8).abs() < 1e-9 && found[2..] == [1.6 / STEP, 1.6, 1.6 * STEP],
            "{found:?}"
        );
        assert!(found[0] * 375.0 >= 224.0 && found[0] < 0.64, "{found:?}");
        assert_eq!(scales(100, 80), [1.0]);
    }
}
