//! Layout of predictions: name, percentage and bar in each row.

use super::TEXT_COLOUR;
use super::canvas::{Canvas, Colour};
use super::text::{self, Font, Weight, text_width};

/// The first bar, and the others.
const FIRST_BAR: Colour = Colour::opaque(0xff, 0xc2, 0x4b);
const BAR: Colour = Colour::opaque(0x9f, 0xc8, 0xe8);
/// The track of a bar, and the text of all rows but the first.
const TRACK: Colour = TEXT_COLOUR.with_alpha(0.17);
const MUTED: Colour = TEXT_COLOUR.with_alpha(0.86);

// Lengths, in ems.
const PADDING: f32 = 0.75;
const ROW: f32 = 1.88;
const BASELINE: f32 = 0.98;
const BAR_TOP: f32 = 1.34;
const BAR_HEIGHT: f32 = 0.2;
const COLUMN_GAP: f32 = 1.0;
/// Names longer than this are shortened, however wide the picture.
const MAX_NAME_WIDTH: f32 = 20.0;
/// Maximum width of the name column below a photo.
const MAX_STRETCHED_NAME_WIDTH: f32 = 36.0;
/// Minimum width of the name column, so that bars can be compared.
const MIN_NAME_WIDTH: f32 = 9.0;
/// Minimum width of the name column in a panel on the photo.
const MIN_NAME_WIDTH_ON_PHOTO: f32 = 7.0;

/// Predictions laid out for a text size.
pub(super) struct Block<'a> {
    answers: &'a [(&'a str, f32)],
    em: f32,
    names: f32,
    percentages: f32,
}

impl<'a> Block<'a> {
    /// Lays predictions out for text of `em` pixels, at most `max_width` pixels wide.
    pub(super) fn new(answers: &'a [(&'a str, f32)], em: f32, max_width: f32) -> Self {
        let percentages =
            answers.iter().map(|(_, share)| text_width(&percentage(*share), Weight::SemiBold, em));
        let mut block =
            Self { answers, em, names: 0.0, percentages: percentages.fold(0.0, f32::max) };
        let max_width = (max_width - block.width()).clamp(0.0, MAX_NAME_WIDTH * em);
        let shorten =
            answers.iter().map(|(name, _)| text::shorten(name, Weight::SemiBold, em, max_width));
        let widest =
            shorten.map(|name| text_width(&name, Weight::SemiBold, em)).fold(0.0, f32::max);
        block.names = widest.max(MIN_NAME_WIDTH * em).min(max_width);
        block
    }

    /// Widens the name column to the whole width, if names stay near their percentages.
    pub(super) fn stretched(mut self, width: f32) -> Self {
        let names = self.names + width - self.width();
        self.names = names.clamp(self.names, (MAX_STRETCHED_NAME_WIDTH * self.em).max(self.names));
        self
    }

    pub(super) fn em(&self) -> f32 {
        self.em
    }

    pub(super) fn width(&self) -> f32 {
        self.names + self.percentages + (2.0 * PADDING + COLUMN_GAP) * self.em
    }

    pub(super) fn height(&self) -> f32 {
        // The last row's gap is part of the padding.
        (2.0 * PADDING + ROW * self.answers.len() as f32 - (ROW - BAR_TOP - BAR_HEIGHT)) * self.em
    }

    /// Minimum width with legible names.
    pub(super) fn min_width(&self) -> f32 {
        self.width() - self.names + MIN_NAME_WIDTH_ON_PHOTO * self.em
    }

    /// Draws all rows from the block's upper left corner.
    pub(super) fn draw(&self, canvas: &mut Canvas, (left, top): (f32, f32)) {
        let left = left + PADDING * self.em;
        for (index, &(name, probability)) in self.answers.iter().enumerate() {
            let top = top + (PADDING + ROW * index as f32) * self.em;
            self.draw_words(
                canvas,
                (left, top + BASELINE * self.em),
                name,
                probability,
                index == 0,
            );
            let bar = if index == 0 { FIRST_BAR } else { BAR };
            self.draw_bar(canvas, (left, top + BAR_TOP * self.em), probability, bar);
        }
    }

    fn draw_words(
        &self,
        canvas: &mut Canvas,
        (x, y): (f32, f32),
        name: &str,
        probability: f32,
        first: bool,
    ) {
        let (weight, colour) =
            if first { (Weight::SemiBold, TEXT_COLOUR) } else { (Weight::Medium, MUTED) };
        let name = text::shorten(name, weight, self.em, self.names);
        let font = Font { weight, em: self.em };
        text::draw(canvas, &name, font, (x, y), colour);
        let number_text = percentage(probability);
        let right = x + self.inner_width() - text_width(&number_text, weight, self.em);
        text::draw(canvas, &number_text, font, (right, y), colour);
    }

    fn draw_bar(&self, canvas: &mut Canvas, corner: (f32, f32), probability: f32, colour: Colour) {
        let height = (BAR_HEIGHT * self.em).max(2.0);
        canvas.fill_rounded(corner, (self.inner_width(), height), height / 2.0, TRACK);
        let share = if probability.is_finite() { probability.clamp(0.0, 1.0) } else { 0.0 };
        let length = self.inner_width() * share;
        if length >= 0.5 {
            canvas.fill_rounded(corner, (length.max(height), height), height / 2.0, colour);
        }
    }

    fn inner_width(&self) -> f32 {
        self.names + self.percentages + COLUMN_GAP * self.em
    }
}

/// A probability as a percentage with one decimal; never rounded to 0 or 100.
fn percentage(probability: f32) -> String {
    let percent = 100.0 * probability;
    if !percent.is_finite() {
        return "–".into();
    }
    if percent < 0.05 {
        return "<0.1%".into();
    }
    if (99.95..100.0).contains(&percent) {
        return ">99.9%".into();
    }
    format!("{percent:.1}%")
}
