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
/// Maximum pixels of a photo at one scale, but for the second fine one of a search, at which few
/// places are looked at.
const MAX_PIXELS: f64 = 40e6;
/// Maximum pixels at a finer scale of a map than [`FINEST`]: it takes small photos little time.
const MAX_FINER_PIXELS: f64 = 16e6;
/// From a scale to the next of a map, and of the fine ones of a search.
const STEP: f64 = std::f64::consts::SQRT_2;
/// The same for the other scales of a search.
const SEARCH_STEP: f64 = 2.0;
/// Scale above which a search looks at few places.
pub(crate) const MIN_FINE_SCALE: f64 = 1.0;

/// The purpose of a pyramid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A map of all classes.
    Map,
    /// A search for some classes, at few places of the fine scales.
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

/// Chooses the scales for a photo, ascending.
pub(super) fn scales(width: usize, height: usize, purpose: Purpose, limits: Limits) -> Vec<f64> {
    let (longer, shorter) = (width.max(height) as f64, width.min(height) as f64);
    let window = limits.window[0].max(limits.window[1]) as f64;
    let max_pixels = limits.max_pixels.min(MAX_PIXELS);
    let finest = FINEST.min((max_pixels / (longer * shorter)).sqrt());
    let coarsest = (COARSEST_SIDE * window / longer).min(finest);
    let step = match purpose {
        Purpose::Map => STEP,
        Purpose::Search => SEARCH_STEP,
    };
    let mut scales = Vec::new();
    let mut scale = finest;
    while scale * longer >= SMALLEST_SIDE * window && scale > 1.05 * coarsest {
        scales.push(scale);
        scale /= step;
    }
    scales.push(coarsest);
    scales.reverse();
    // A search wants small things at more than one scale, as textures are known by chance at one; a
    // map of a small photo sees smaller ones.
    let finer = finest * STEP;
    let max_finer_pixels = match purpose {
        Purpose::Map => limits.max_pixels.min(MAX_FINER_PIXELS),
        Purpose::Search => limits.max_pixels,
    };
    if finer > MIN_FINE_SCALE && finer * finer * longer * shorter <= max_finer_pixels {
        scales.push(finer);
    }
    if limits.padding == MapPadding::Valid {
        // Each window has to lie in the photo.
        scales.retain(|scale| (scale * shorter).round() >= window);
        if scales.is_empty() {
            scales.push(1.0);
        }
    }
    scales
}

/// The scale, below the fine ones among `scales`, at which all of a photo is screened for what is
/// looked at closer; `None` if there are no fine ones.
pub(super) fn screening_scale(scales: &[f64]) -> Option<f64> {
    let finest = scales.iter().copied().find(|&scale| scale > MIN_FINE_SCALE)?;
    Some(finest / STEP)
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
            let scales = scales(width, height, Purpose::Search, limits(MapPadding::Same));
            let longer = width.max(height) as f64;
            assert!(scales.is_sorted() && scales[0] * longer < 320.0, "{width}: {scales:?}");
            assert!(scales[scales.len() - 1] <= FINEST * STEP, "{scales:?}");
            for pair in scales.windows(2) {
                assert!(pair[1] / pair[0] <= 2.3, "{width}: {scales:?} has a gap");
            }
            let area = (width * height) as f64;
            let is_small = |scale: &f64| area * scale * scale <= 1.01 * MAX_PIXELS;
            assert!(scales[..scales.len() - 1].iter().all(is_small));
            let screening = screening_scale(&scales).unwrap();
            assert!(screening < FINEST && is_small(&screening), "{scales:?}: {screening}");
        }
        let camera = |purpose| scales(4000, 3000, purpose, limits(MapPadding::Same));
        assert_eq!(camera(Purpose::Search).len(), 7);
        assert_eq!(camera(Purpose::Map).len(), 10);
        let small = scales(1000, 750, Purpose::Map, limits(MapPadding::Same));
        assert!((small[small.len() - 1] - FINEST * STEP).abs() < 1e-9, "{small:?}");
    }

    #[test]
    fn without_padding_every_window_is_in_the_photo() {
        let found = scales(500, 375, Purpose::Map, limits(MapPadding::Valid));
        assert!(
            (found[1] - 0.8).abs() < 1e-9 && found[2..] == [1.6 / STEP, 1.6, 1.6 * STEP],
            "{found:?}"
        );
        assert!(found[0] * 375.0 >= 224.0 && found[0] < 0.64, "{found:?}");
        assert_eq!(scales(100, 80, Purpose::Map, limits(MapPadding::Valid)), [1.0]);
    }
}
