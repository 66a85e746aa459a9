//! Colour conversion of a JPEG's components to RGB, by libjpeg's and TensorFlow's rules.

use crate::markers::Layout;

/// The colour space of a JPEG's stored components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Grey,
    YCbCr,
    Rgb,
    /// `inverted`: with an Adobe marker, 255 means no ink.
    Cmyk {
        inverted: bool,
    },
    /// Exists only with an Adobe marker, so it is always inverted.
    Ycck,
}

impl Colour {
    /// libjpeg's decision (`default_decompress_parms` in jdapimin.c); `None` for two components or
    /// more than four.
    pub(crate) fn from_layout(layout: &Layout<'_>) -> Option<Self> {
        match layout.components.len() {
            1 => Some(Self::Grey),
            3 => Some(Self::from_three_components(layout)),
            4 => Some(Self::from_four_components(layout)),
            _ => None,
        }
    }

    fn from_three_components(layout: &Layout<'_>) -> Self {
        if layout.jfif {
            return Self::YCbCr;
        }
        let ids = [0, 1, 2].map(|index: usize| layout.components[index].id);
        match layout.adobe_transform {
            Some(0) => Self::Rgb,
            Some(_) => Self::YCbCr,
            None if ids == *b"RGB" => Self::Rgb,
            None => Self::YCbCr,
        }
    }

    fn from_four_components(layout: &Layout<'_>) -> Self {
        match layout.adobe_transform {
            None => Self::Cmyk { inverted: false },
            Some(0) => Self::Cmyk { inverted: true },
            Some(_) => Self::Ycck,
        }
    }

    /// Converts one row: a slice per component in, interleaved RGB out.
    pub(crate) fn convert(self, rows: &[Vec<u8>], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0;
        // The colour was chosen by the number of components, which is that of rows.
        match self {
            Self::Grey => {
                for (pixel, &grey) in pixels.iter_mut().zip(&rows[0]) {
                    *pixel = [grey; 3];
                }
            }
            Self::YCbCr => row_to_rgb(&rows[0], &rows[1], &rows[2], pixels),
            Self::Rgb => {
                let samples = rows[0].iter().zip(&rows[1]).zip(&rows[2]);
                for (pixel, ((&r, &g), &b)) in pixels.iter_mut().zip(samples) {
                    *pixel = [r, g, b];
                }
            }
            Self::Cmyk { inverted } => {
                let samples = rows[0].iter().zip(&rows[1]).zip(rows[2].iter().zip(&rows[3]));
                for (pixel, ((&c, &m), (&y, &k))) in pixels.iter_mut().zip(samples) {
                    *pixel = cmyk_to_rgb(c, m, y, k, inverted);
                }
            }
            Self::Ycck => {
                let samples = rows[0].iter().zip(&rows[1]).zip(rows[2].iter().zip(&rows[3]));
                for (pixel, ((&y, &cb), (&cr, &k))) in pixels.iter_mut().zip(samples) {
                    *pixel = ycck_to_rgb(y, cb, cr, k);
                }
            }
        }
    }
}

/// Pixels converted side by side.
const LANES: usize = 16;

/// [`ycbcr_to_rgb`] of a row, several pixels at a time.
fn row_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], pixels: &mut [[u8; 3]]) {
    let (parts, rest) = pixels.as_chunks_mut::<LANES>();
    let whole = LANES * parts.len();
    let samples = y
        .as_chunks::<LANES>()
        .0
        .iter()
        .zip(cb.as_chunks::<LANES>().0)
        .zip(cr.as_chunks::<LANES>().0);
    for (part, ((y, cb), cr)) in parts.iter_mut().zip(samples) {
        let [red, green, blue] = lanes_to_rgb(y, cb, cr);
        for (lane, pixel) in part.iter_mut().enumerate() {
            *pixel = [red[lane], green[lane], blue[lane]];
        }
    }
    for (pixel, ((&y, &cb), &cr)) in
        rest.iter_mut().zip(y[whole..].iter().zip(&cb[whole..]).zip(&cr[whole..]))
    {
        *pixel = ycbcr_to_rgb(y, cb, cr);
    }
}

/// The same arithmetic in lanes of sixteen bits. Multiples of 2^16 in the constants need no
/// product, and the rest is the upper half of a product, one instruction. Rounding doubles the
/// product, adds one and halves it.
#[inline]
fn lanes_to_rgb(y: &[u8; LANES], cb: &[u8; LANES], cr: &[u8; LANES]) -> [[u8; LANES]; 3] {
    const CR_TO_RED: i32 = 91_881 - (1 << 16);
    const CB_TO_BLUE: i32 = 116_130 - (2 << 16);
    const CR_TO_GREEN: i32 = (1 << 16) - 46_802;
    const CB_TO_GREEN: i32 = -22_554;
    let rounded = |constant: i32, x: i16| ((((constant * i32::from(2 * x)) >> 16) as i16) + 1) >> 1;
    let mut rgb = [[0; LANES]; 3];
    for lane in 0..LANES {
        let (y, cb, cr) =
            (i16::from(y[lane]), i16::from(cb[lane]) - 128, i16::from(cr[lane]) - 128);
        let green = (CB_TO_GREEN * i32::from(cb) + CR_TO_GREEN * i32::from(cr) + (1 << 15)) >> 16;
        rgb[0][lane] = (y + cr + rounded(CR_TO_RED, cr)).clamp(0, 255) as u8;
        rgb[1][lane] = (y - cr + green as i16).clamp(0, 255) as u8;
        rgb[2][lane] = (y + 2 * cb + rounded(CB_TO_BLUE, cb)).clamp(0, 255) as u8;
    }
    rgb
}

/// ITU-R BT.601 at full range in sixteen-bit fixed point, rounded where libjpeg's tables round
/// (`jdcolor.c`).
#[inline]
fn ycbcr_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    const CR_TO_RED: i32 = 91_881; // 1.40200
    const CB_TO_BLUE: i32 = 116_130; // 1.77200
    const CR_TO_GREEN: i32 = 46_802; // 0.71414
    const CB_TO_GREEN: i32 = 22_554; // 0.34414
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((CR_TO_RED * cr + HALF) >> 16);
    let green = y + ((-CB_TO_GREEN * cb - CR_TO_GREEN * cr + HALF) >> 16);
    let blue = y + ((CB_TO_BLUE * cb + HALF) >> 16);
    [red, green, blue].map(|light| light.clamp(0, 255) as u8)
}

/// TensorFlow's CMYK to RGB (`jpeg_mem.cc`), with its truncating division.
fn cmyk_to_rgb(c: u8, m: u8, y: u8, k: u8, inverted: bool) -> [u8; 3] {
    let light = |ink: u8| if inverted { u32::from(ink) } else { 255 - u32::from(ink) };
    [c, m, y].map(|ink| (light(k) * light(ink) / 255) as u8)
}

/// libjpeg makes CMY the complement of the RGB of YCbCr and passes black through; then as CMYK.
fn ycck_to_rgb(y: u8, cb: u8, cr: u8, k: u8) -> [u8; 3] {
    let [c, m, y] = ycbcr_to_rgb(y, cb, cr).map(|light| 255 - light);
    cmyk_to_rgb(c, m, y, k, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_converted_as_pixels_are() {
        let chroma: Vec<u8> = (0..=255).collect();
        for y in [0, 1, 77, 128, 254, 255] {
            for cb in 0..=255 {
                // One more than a multiple of the lanes, so that the remainder of a row is tested.
                let (ys, cbs, crs) = ([y; 257], [cb; 257], [&chroma[..], &[9]].concat());
                let mut row = [[0; 3]; 257];
                row_to_rgb(&ys, &cbs, &crs, &mut row);
                assert!(
                    row.iter().zip(&crs).all(|(pixel, &cr)| *pixel == ycbcr_to_rgb(y, cb, cr)),
                    "{y} {cb}"
                );
            }
        }
    }
}
