//! Colours for classes, distinguishable with any colour vision, and a sequential colour map.

use super::canvas::Colour;

/// Twelve colours for classes, the first for the largest. Chosen among those of Okabe and Ito
/// ("Color universal design", 2008), Paul Tol ("Colour schemes", SRON/EPS/TN/09-002, 2021) and
/// ColorBrewer, so that any two, and [`OTHERS`], differ clearly even without one kind of cone; a
/// test checks the distance.
pub(super) const CLASSES: [Colour; 12] = [
    Colour::opaque(0x00, 0x77, 0xbb),
    Colour::opaque(0xff, 0x7f, 0x00),
    Colour::opaque(0x66, 0xcc, 0xee),
    Colour::opaque(0xcc, 0x33, 0x11),
    Colour::opaque(0xf0, 0xe4, 0x42),
    Colour::opaque(0x33, 0x22, 0x88),
    Colour::opaque(0xcc, 0x79, 0xa7),
    Colour::opaque(0xc8, 0xf7, 0xc5),
    Colour::opaque(0x88, 0x22, 0x55),
    Colour::opaque(0xfd, 0xbf, 0x6f),
    Colour::opaque(0x5c, 0x2e, 0x00),
    Colour::opaque(0x3b, 0x0a, 0x45),
];

/// The colour of all classes without one of their own.
pub(super) const OTHERS: Colour = Colour::opaque(0xd9, 0xd9, 0xd9);

/// Ten of the 256 colours of viridis (Smith and van der Walt, matplotlib 2.0; CC0), at equal
/// distances: from dark for low to light for high, also in grey.
const VIRIDIS: [[u8; 3]; 10] = [
    [0x44, 0x01, 0x54],
    [0x48, 0x28, 0x78],
    [0x3e, 0x49, 0x89],
    [0x31, 0x68, 0x8e],
    [0x26, 0x82, 0x8e],
    [0x1f, 0x9e, 0x89],
    [0x35, 0xb7, 0x79],
    [0x6e, 0xce, 0x58],
    [0xb5, 0xde, 0x2b],
    [0xfd, 0xe7, 0x25],
];

/// The colour of a value of 0 to 1.
pub(super) fn viridis(share: f32) -> Colour {
    let last = VIRIDIS.len() - 1;
    let at = share.clamp(0.0, 1.0) * last as f32;
    let low = (at as usize).min(last - 1);
    let [red, green, blue] = VIRIDIS[low + 1];
    let [red, green, blue] =
        Colour::opaque(red, green, blue).with_alpha(at - low as f32).over(VIRIDIS[low]);
    Colour::opaque(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colour vision without one kind of cone: Machado, Oliveira and Fernandes, "A
    /// physiologically-based model for simulation of color vision deficiency" (2009), severity 1,
    /// on linear RGB. The first is normal vision.
    const COLOUR_VISIONS: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    ];
    /// From linear RGB to XYZ (IEC 61966-2-1).
    const XYZ: [[f64; 3]; 3] = [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ];
    const WHITE: [f64; 3] = [0.95047, 1.0, 1.08883];

    fn times(matrix: &[[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum())
    }

    /// CIE L*a*b* of a colour in this colour vision.
    fn lab(colour: Colour, vision: &[[f64; 3]; 3]) -> [f64; 3] {
        let linear = [colour.red, colour.green, colour.blue].map(|level| {
            let share = f64::from(level) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        let seen = times(vision, linear).map(|share| share.clamp(0.0, 1.0));
        let xyz = times(&XYZ, seen);
        let f = |i: usize| {
            let t = xyz[i] / WHITE[i];
            if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 }
        };
        [116.0 * f(1) - 16.0, 500.0 * (f(0) - f(1)), 200.0 * (f(1) - f(2))]
    }

    #[test]
    fn any_two_are_far_apart_for_everybody() {
        let colours: Vec<Colour> = CLASSES.into_iter().chain([OTHERS]).collect();
        for (at, &a) in colours.iter().enumerate() {
            for &b in &colours[at + 1..] {
                for vision in &COLOUR_VISIONS {
                    let distance: f64 = lab(a, vision)
                        .iter()
                        .zip(lab(b, vision))
                        .map(|(a, b)| (a - b).powi(2))
                        .sum();
                    // The just noticeable difference is about 2.
                    assert!(distance.sqrt() > 18.0, "{a:?} and {b:?}: {}", distance.sqrt());
                }
            }
        }
    }

    #[test]
    fn more_is_lighter() {
        let lightness = |share: f32| lab(viridis(share), &COLOUR_VISIONS[0])[0];
        let steps: Vec<f64> = (0..=40).map(|step| lightness(step as f32 / 40.0)).collect();
        assert!(steps.is_sorted() && steps[0] < 16.0 && steps[40] > 90.0, "{steps:?}");
    }
}
