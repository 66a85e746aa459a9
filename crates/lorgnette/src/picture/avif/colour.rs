//! Luma and chroma to RGB with the arithmetic of libavif, so that pixels equal Pillow's.
//!
//! - Colours are computed in integers with coefficients in 64ths, as in libyuv, which libavif and
//!   Chromium use. Of ten and twelve bits the upper eight are taken.
//! - Chroma of half the width is interpolated: three parts of the nearer sample and one of the
//!   other, in each direction, rounded once. Its last column is repeated where the width is odd.
//! - Grey is rounded from all its bits.

use super::crop::Crop;
use super::planes::{Layout, Planes};

/// How samples stand for colours, by the numbers of ITU-T H.273.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) primaries: u16,
    pub(super) matrix: u16,
    /// Whether black is 0 and white the largest number; if not, black is a sixteenth.
    pub(super) full_range: bool,
}

impl Coding {
    /// Names the matrix.
    pub(super) fn described(&self) -> String {
        let name = match self.matrix {
            10 => "BT.2020 with constant luminance",
            11 => "Y'D'zD'x",
            13 => "chromaticity-derived constant luminance",
            14 => "ICtCp",
            _ => return format!("colours of matrix {}", self.matrix),
        };
        format!("colours of {name}")
    }

    /// Shares of red and blue in luma; `None` for matrices that are no such sum.
    fn luma_shares(&self) -> Option<LumaShares> {
        match self.matrix {
            1 => Some(LumaShares::BT709),
            // Unspecified, and what libavif takes for it.
            2 | 5 | 6 => Some(LumaShares::BT601),
            4 => Some(LumaShares { red: 0.30, blue: 0.11 }),
            7 => Some(LumaShares { red: 0.212, blue: 0.087 }),
            9 => Some(LumaShares::BT2020),
            // Derived from the primaries.
            12 => match self.primaries {
                1 | 2 => Some(LumaShares::BT709),
                5 | 6 => Some(LumaShares::BT601),
                9 => Some(LumaShares::BT2020),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Shares of red and blue in luma; the rest is green's.
#[derive(Clone, Copy, Debug, PartialEq)]
struct LumaShares {
    red: f64,
    blue: f64,
}

impl LumaShares {
    const BT601: Self = Self { red: 0.299, blue: 0.114 };
    const BT709: Self = Self { red: 0.2126, blue: 0.0722 };
    const BT2020: Self = Self { red: 0.2627, blue: 0.0593 };
}

/// Converts samples to RGB of eight bits.
pub(super) enum Converter {
    /// A matrix of luma and chroma.
    Matrix(Matrix),
    /// Luma alone.
    Grey { full_range: bool },
    /// The samples are green, blue and red (matrix 0).
    Identity { full_range: bool },
    /// Luma with orange and green differences (matrix 8), of the full range.
    YCgCo,
}

/// Coefficients in 64ths.
pub(super) struct Matrix {
    /// Of luma in 65,536 levels, in 65,536ths of a 64th of a level.
    luma: u32,
    /// Added to luma: black, and a half to round.
    offset: i32,
    red: i32,
    green: [i32; 2],
    blue: i32,
}

impl Matrix {
    /// Largest coefficient of blue in libyuv.
    const MAX_BLUE: i32 = 128;

    fn new(shares: LumaShares, full_range: bool) -> Self {
        let LumaShares { red, blue } = shares;
        let green = 1.0 - red - blue;
        // Of 255 levels 219 are luma's, and 224 chroma's. libyuv has three digits of 255 / 219,
        // but in BT.2020.
        let limited_gain = if shares == LumaShares::BT2020 { 255.0 / 219.0 } else { 1.164 };
        let (luma_gain, black, chroma_gain): (f64, f64, f64) =
            if full_range { (1.0, 0.0, 1.0) } else { (limited_gain, 16.0, 255.0 / 224.0) };
        let in_64ths = |value: f64| (value * 64.0).round() as i32;
        let (from_red, from_blue) =
            (2.0 * (1.0 - red) * chroma_gain, 2.0 * (1.0 - blue) * chroma_gain);
        Self {
            luma: (luma_gain * 64.0 * 65536.0 / 257.0).round() as u32,
            offset: (32.0 - luma_gain * 64.0 * black).round() as i32,
            red: in_64ths(from_red),
            green: [in_64ths(from_blue * blue / green), in_64ths(from_red * red / green)],
            blue: in_64ths(from_blue).min(Self::MAX_BLUE),
        }
    }

    /// Returns red, green and blue of samples of eight bits.
    fn pixel(&self, luma: u16, chroma: [u16; 2]) -> [u8; 3] {
        let luma = ((u32::from(luma) * 257 * self.luma) >> 16) as i32 + self.offset;
        let [u, v] = chroma.map(|sample| i32::from(sample) - 128);
        [luma + self.red * v, luma - self.green[0] * u - self.green[1] * v, luma + self.blue * u]
            .map(|level| (level >> 6).clamp(0, 255) as u8)
    }
}

impl Converter {
    /// Returns the conversion of a coding; `None` if it is not known.
    pub(super) fn new(coding: &Coding, planes: &Planes) -> Option<Self> {
        let full_range = coding.full_range;
        if planes.is_grey() {
            return Some(Self::Grey { full_range });
        }
        match coding.matrix {
            0 if planes.layout == Layout::Full => Some(Self::Identity { full_range }),
            8 if full_range => Some(Self::YCgCo),
            _ => Some(Self::Matrix(Matrix::new(coding.luma_shares()?, full_range))),
        }
    }

    /// Converts the pixels within a rectangle.
    pub(super) fn rgb(&self, planes: &Planes, crop: &Crop) -> Vec<u8> {
        let mut rgb = Vec::with_capacity(3 * crop.width * crop.height);
        let dropped_bits = match self {
            Self::Matrix(_) => planes.bits - 8,
            _ => 0,
        };
        let mut chroma = [vec![0; planes.width], vec![0; planes.width]];
        for y in crop.top..crop.top + crop.height {
            if !planes.is_grey() {
                for (plane, row) in chroma.iter_mut().enumerate() {
                    upsample(planes, plane + 1, y, dropped_bits, row);
                }
            }
            let luma = planes.row(0, y);
            for x in crop.left..crop.left + crop.width {
                let chroma = [chroma[0][x], chroma[1][x]];
                rgb.extend(self.pixel(planes.bits, luma[x] >> dropped_bits, chroma));
            }
        }
        rgb
    }

    fn pixel(&self, bits: u32, luma: u16, chroma: [u16; 2]) -> [u8; 3] {
        match self {
            Self::Matrix(matrix) => matrix.pixel(luma, chroma),
            Self::Grey { full_range } => [level(luma, bits, *full_range); 3],
            Self::Identity { full_range } => {
                let [blue, red] = chroma;
                [red, luma, blue].map(|sample| level(sample, bits, *full_range))
            }
            Self::YCgCo => {
                let (luma, neutral, largest) = (i32::from(luma), 1 << (bits - 1), (1 << bits) - 1);
                let [green, orange] = chroma.map(|sample| i32::from(sample) - neutral);
                let rest = luma - green;
                [rest + orange, luma + green, rest - orange]
                    .map(|sample| level(sample.clamp(0, largest) as u16, bits, true))
            }
        }
    }
}

/// Rounds a sample of one colour to eight bits.
fn level(sample: u16, bits: u32, full_range: bool) -> u8 {
    let scale = f64::from(1_u32 << (bits - 8));
    let sample = f64::from(sample);
    let level = match full_range {
        true => sample * 255.0 / (256.0 * scale - 1.0),
        false => (sample / scale - 16.0) * 255.0 / 219.0,
    };
    level.round().clamp(0.0, 255.0) as u8
}

/// Brings a row of chroma to the width of the picture, without its lowest bits.
fn upsample(planes: &Planes, plane: usize, y: usize, dropped_bits: u32, out: &mut [u16]) {
    let nearer = match planes.layout {
        Layout::Quarter => y / 2,
        _ => y,
    };
    let (_, rows) = planes.layout.plane_size(plane, planes.width, planes.height);
    let near = planes.row(plane, nearer);
    let sample = |row: &[u16], column: usize| u32::from(row[column] >> dropped_bits);
    match planes.layout {
        Layout::Full | Layout::Grey => {
            out.iter_mut().zip(near).for_each(|(out, &sample)| *out = sample >> dropped_bits);
        }
        Layout::Half => interpolate(out, |column| 4 * sample(near, column)),
        Layout::Quarter => {
            // Odd rows lie nearer to the next row of chroma, even ones to the one before.
            let further = if y % 2 == 1 { (nearer + 1).min(rows - 1) } else { nearer.max(1) - 1 };
            let far = planes.row(plane, further);
            interpolate(out, |column| 3 * sample(near, column) + sample(far, column));
        }
    }
}

/// Interpolates columns; `sample` gives four times a column of chroma.
fn interpolate(out: &mut [u16], sample: impl Fn(usize) -> u32) {
    let width = out.len();
    let columns = width.div_ceil(2);
    for (x, out) in out.iter_mut().enumerate() {
        let near = x / 2;
        let far = match x % 2 {
            1 => (near + 1).min(columns - 1),
            // The last column of an odd width.
            _ if x + 1 == width => near,
            _ => near.max(1) - 1,
        };
        *out = ((3 * sample(near) + sample(far) + 8) >> 4) as u16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_are_those_of_the_standards_in_64ths() {
        let of = |shares, full_range| {
            let m = Matrix::new(shares, full_range);
            (m.luma, m.offset, m.red, m.green, m.blue)
        };
        assert_eq!(of(LumaShares::BT601, true), (16320, 32, 90, [22, 46], 113));
        assert_eq!(of(LumaShares::BT709, false), (18997, -1160, 115, [14, 34], 128));
        assert_eq!(of(LumaShares::BT2020, false), (19003, -1160, 107, [12, 42], 128));
    }

    #[test]
    fn black_and_white_are_black_and_white() {
        assert_eq!(
            [level(1023, 10, true), level(64, 10, false), level(940, 10, false)],
            [255, 0, 255]
        );
        for (full_range, black, white) in [(true, 0, 255), (false, 16, 235)] {
            let matrix = Matrix::new(LumaShares::BT601, full_range);
            for (sample, expected) in [(black, 0), (white, 255)] {
                let pixel = matrix.pixel(sample, [128, 128]);
                assert_eq!(pixel, [expected; 3]);
                assert_eq!(level(sample, 8, full_range), expected);
            }
        }
    }

    #[test]
    fn chroma_is_interpolated_between_its_middles() {
        let of = |width, samples: &[u32]| {
            let mut out = vec![0; width];
            interpolate(&mut out, |column| 4 * samples[column]);
            out
        };
        assert_eq!(of(6, &[0, 40, 80]), [0, 10, 30, 50, 70, 80]);
        assert_eq!(of(5, &[0, 40, 80]), [0, 10, 30, 50, 80]);
        assert_eq!(of(1, &[7]), [7]);
    }
}
