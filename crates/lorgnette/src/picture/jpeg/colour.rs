//! Which colours a JPEG's components are, and how they become RGB, by libjpeg's and TensorFlow's rules.

use super::markers::Layout;

/// The colour space of a JPEG's stored components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Grey,
    YCbCr,
    Rgb,
    /// `inverted`: an Adobe marker says that 255 means no ink.
    Cmyk {
        inverted: bool,
    },
    /// Exists only with an Adobe marker, so it is always inverted.
    Ycck,
}

impl Colour {
    /// libjpeg's decision (`default_decompress_parms` in jdapimin.c); `None` for two components or more than four.
    pub(super) fn of(layout: &Layout<'_>) -> Option<Self> {
        match layout.components.len() {
            1 => Some(Self::Grey),
            3 => Some(Self::of_three(layout)),
            4 => Some(Self::of_four(layout)),
            _ => None,
        }
    }

    fn of_three(layout: &Layout<'_>) -> Self {
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

    fn of_four(layout: &Layout<'_>) -> Self {
        match layout.adobe_transform {
            None => Self::Cmyk { inverted: false },
            Some(0) => Self::Cmyk { inverted: true },
            Some(_) => Self::Ycck,
        }
    }

    /// Converts one row: a slice a component in, red, green and blue of each pixel out.
    pub(super) fn convert(self, rows: &[Vec<u8>], out: &mut [u8]) {
        let pixels = out.as_chunks_mut::<3>().0;
        match (self, rows) {
            (Self::Grey, [grey]) => pixels.iter_mut().zip(grey).for_each(|(pixel, &grey)| *pixel = [grey; 3]),
            (Self::YCbCr, [y, cb, cr]) => {
                let samples = y.iter().zip(cb).zip(cr);
                pixels.iter_mut().zip(samples).for_each(|(pixel, ((&y, &cb), &cr))| *pixel = ycbcr_to_rgb(y, cb, cr));
            }
            (Self::Rgb, [r, g, b]) => {
                let samples = r.iter().zip(g).zip(b);
                pixels.iter_mut().zip(samples).for_each(|(pixel, ((&r, &g), &b))| *pixel = [r, g, b]);
            }
            (Self::Cmyk { inverted }, [c, m, y, k]) => {
                let samples = c.iter().zip(m).zip(y.iter().zip(k));
                let convert = |((&c, &m), (&y, &k))| cmyk_to_rgb([c, m, y, k], inverted);
                pixels.iter_mut().zip(samples.map(convert)).for_each(|(pixel, rgb)| *pixel = rgb);
            }
            (Self::Ycck, [y, cb, cr, k]) => {
                let samples = y.iter().zip(cb).zip(cr.iter().zip(k));
                let convert = |((&y, &cb), (&cr, &k))| ycck_to_rgb(y, cb, cr, k);
                pixels.iter_mut().zip(samples.map(convert)).for_each(|(pixel, rgb)| *pixel = rgb);
            }
            _ => unreachable!("the colour was chosen by the number of components"),
        }
    }
}

/// ITU-R BT.601 at full range in sixteen-bit fixed point, rounded where libjpeg's tables round (`jdcolor.c`).
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
fn cmyk_to_rgb([c, m, y, k]: [u8; 4], inverted: bool) -> [u8; 3] {
    let light = |ink: u8| if inverted { u32::from(ink) } else { 255 - u32::from(ink) };
    [c, m, y].map(|ink| (light(k) * light(ink) / 255) as u8)
}

/// libjpeg makes CMY the complement of the RGB of YCbCr and passes black through; then as CMYK.
fn ycck_to_rgb(y: u8, cb: u8, cr: u8, k: u8) -> [u8; 3] {
    let [c, m, y] = ycbcr_to_rgb(y, cb, cr).map(|light| 255 - light);
    cmyk_to_rgb([c, m, y, k], true)
}
