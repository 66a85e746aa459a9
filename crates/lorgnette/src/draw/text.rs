//! Text: measuring, shortening and drawing in the bundled font (Inter; `fonts/LICENSE-Inter.txt`).

use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef, PxScale, PxScaleFont, ScaleFont as _};

use super::canvas::{Canvas, Colour};

/// The font's two weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Medium,
    SemiBold,
}

/// The font at a size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Font {
    pub(crate) weight: Weight,
    /// Height of the em in pixels.
    pub(crate) em: f32,
}

impl Font {
    /// Scales the bundled font; `ab_glyph` itself scales by the line's height.
    fn scaled(self) -> PxScaleFont<&'static FontRef<'static>> {
        static FONTS: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
        let [medium, semi_bold] = FONTS.get_or_init(|| {
            [
                bundled(include_bytes!("../../fonts/Inter-Medium.ttf")),
                bundled(include_bytes!("../../fonts/Inter-SemiBold.ttf")),
            ]
        });
        let font = match self.weight {
            Weight::Medium => medium,
            Weight::SemiBold => semi_bold,
        };
        let units = font.units_per_em().unwrap_or(1.0);
        font.as_scaled(PxScale::from(self.em * font.height_unscaled() / units))
    }
}

fn bundled(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the bundled font is whole: a test draws with it")
}

/// Width of a line in pixels.
pub(crate) fn text_width(line: &str, weight: Weight, em: f32) -> f32 {
    let font = Font { weight, em }.scaled();
    line.chars().map(|letter| font.h_advance(font.glyph_id(letter))).sum()
}

/// Draws a line from a point on its baseline.
pub(crate) fn draw(
    canvas: &mut Canvas,
    line: &str,
    font: Font,
    (x, y): (f32, f32),
    colour: Colour,
) {
    let font = font.scaled();
    let mut pen = x;
    for letter in line.chars() {
        let glyph =
            font.glyph_id(letter).with_scale_and_position(font.scale(), ab_glyph::point(pen, y));
        pen += font.h_advance(glyph.id);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, coverage| {
            canvas.blend(
                corner.x as i64 + i64::from(dx),
                corner.y as i64 + i64::from(dy),
                colour,
                coverage,
            );
        });
    }
}

/// Draws a line upwards, with its baseline on the right, from a point on it.
pub(crate) fn draw_upwards(
    canvas: &mut Canvas,
    line: &str,
    font: Font,
    (x, y): (f32, f32),
    colour: Colour,
) {
    let font = font.scaled();
    let mut pen = 0.0;
    for letter in line.chars() {
        let glyph =
            font.glyph_id(letter).with_scale_and_position(font.scale(), ab_glyph::point(pen, 0.0));
        pen += font.h_advance(glyph.id);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|dx, dy, coverage| {
            let (along, down) = (corner.x as i64 + i64::from(dx), corner.y as i64 + i64::from(dy));
            canvas.blend(x.round() as i64 + down, y.round() as i64 - 1 - along, colour, coverage);
        });
    }
}

/// Shortens a name to the width: drops its last synonyms, or cuts the first with an ellipsis.
pub(crate) fn shorten(name: &str, weight: Weight, em: f32, max_width: f32) -> String {
    let name = name.trim();
    let fitting = fitting_length(name, weight, em, max_width);
    if fitting == name.len() {
        return name.into();
    }
    // Blanks before a comma do not count.
    let next = name[fitting..].find(',').map(|at| name[..fitting + at].trim_end());
    let last = name[..fitting].rfind(',').map(|at| name[..at].trim_end());
    match next.filter(|synonyms| synonyms.len() <= fitting).or(last) {
        Some(synonyms) => synonyms.into(),
        None => {
            let first = name.split(',').next().unwrap_or_default().trim_end();
            truncate(first, |name| text_width(name, weight, em) <= max_width)
        }
    }
}

/// Bytes of the longest beginning of a name that is not wider than `max_width`.
fn fitting_length(name: &str, weight: Weight, em: f32, max_width: f32) -> usize {
    let font = Font { weight, em }.scaled();
    let mut width = 0.0;
    for (at, letter) in name.char_indices() {
        width += font.h_advance(font.glyph_id(letter));
        if width > max_width {
            return at;
        }
    }
    name.len()
}

/// The longest prefix of a name that fits with an ellipsis; only the ellipsis if nothing fits.
fn truncate(name: &str, fits_width: impl Fn(&str) -> bool) -> String {
    let ends: Vec<usize> = name.char_indices().map(|(end, _)| end).collect();
    let start = |end: usize| format!("{}…", name[..end].trim_end());
    let fitting = ends.partition_point(|&end| fits_width(&start(end)));
    ends.get(fitting.saturating_sub(1)).map(|&end| start(end)).unwrap_or_default()
}

/// Wraps a text at spaces; a word that is too long for a line is cut.
pub(crate) fn wrapped(text: &str, weight: Weight, em: f32, max_width: f32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shorten(word, weight, em, max_width);
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), weight, em) <= max_width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortens by cutting synonyms off one after another, as long names may not be.
    fn cut_one_by_one(name: &str, max_width: f32) -> String {
        let fits = |name: &str| text_width(name, Weight::Medium, 20.0) <= max_width;
        let mut name = name.trim();
        while !fits(name) {
            let Some((synonyms, _)) = name.rsplit_once(',') else { return truncate(name, fits) };
            name = synonyms.trim_end();
        }
        name.into()
    }

    #[test]
    fn names_lose_synonyms_then_letters() {
        for name in ["school bus", "tabby, tabby cat", "a  , b ,c,dddd", ", x", "größe,日本語", ""]
        {
            for width in 0..200 {
                let width = width as f32;
                let short = shorten(name, Weight::Medium, 20.0, width);
                assert_eq!(short, cut_one_by_one(name, width), "'{name}' in {width}");
            }
        }
    }

    /// The beginnings of this name have 45 GB together.
    #[test]
    fn a_name_may_be_long() {
        for name in ["x".repeat(300_000), "x,".repeat(150_000)] {
            let short = shorten(&name, Weight::Medium, 20.0, 100.0);
            assert!(!short.is_empty() && short.len() < 30, "{short}");
        }
    }
}
