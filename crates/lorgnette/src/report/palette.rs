//! Colours of figures, distinguishable with colour blindness (Okabe and Ito, "Color universal
//! design", 2008).

use crate::draw::canvas::Colour;

/// Correct predictions; training.
pub(super) const BLUE: Colour = Colour::opaque(0x00, 0x72, 0xb2);
/// Wrong predictions; validation.
pub(super) const VERMILION: Colour = Colour::opaque(0xd5, 0x5e, 0x00);
/// Words that matter, and others.
pub(super) const INK: Colour = Colour::opaque(0x1c, 0x23, 0x2b);
pub(super) const QUIET: Colour = Colour::opaque(0x5b, 0x66, 0x72);
/// Lines that guide the eye, and empty cells.
pub(super) const GRID: Colour = Colour::opaque(0xe2, 0xe6, 0xeb);
pub(super) const EMPTY: Colour = Colour::opaque(0xf5, 0xf6, 0xf8);
pub(super) const WHITE: Colour = Colour::opaque(0xff, 0xff, 0xff);

/// A colour between two, `share` of the way.
pub(super) fn between(from: Colour, to: Colour, share: f64) -> Colour {
    let channel = |from: u8, to: u8| {
        (f64::from(from) + (f64::from(to) - f64::from(from)) * share).round() as u8
    };
    Colour::opaque(
        channel(from.red, to.red),
        channel(from.green, to.green),
        channel(from.blue, to.blue),
    )
}

/// The colour of words on a ground: white where that is dark. The ground's luminance is as in ITU-R
/// BT.709.
pub(super) fn ink_on(ground: Colour) -> Colour {
    let Colour { red, green, blue, .. } = ground;
    let luminance = 0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue);
    if luminance < 140.0 { WHITE } else { INK }
}
