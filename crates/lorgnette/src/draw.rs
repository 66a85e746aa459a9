//! Predictions drawn over a photo, and enlarged network inputs.
//!
//! Text grows with the photo and is never smaller than 13 pixels. Predictions are in a translucent
//! panel on the photo, if there is room; small photos are enlarged, and predictions are on a strip
//! below.

use std::borrow::Cow;

use self::canvas::{Canvas, Colour};
use self::layout::Block;
use self::text::{Font, Weight};
use crate::picture::Picture;

pub use self::blur::blur_preview;
pub use self::faces::faces;
pub use self::map::{Overlay, heat, heat_picture, map};

mod blur;
pub(crate) mod canvas;
mod faces;
mod layout;
mod legend;
mod map;
mod palette;
pub(crate) mod text;

/// Minimum legible em in pixels.
const MIN_TEXT_SIZE: f32 = 13.0;
/// A photo's text size is the square root of its area over this, as in the tutorials' pictures.
const TEXT_LINES_PER_SIDE: f32 = 31.0;
/// Text size under an enlarged input.
const CAPTION_SIZE: f32 = 17.0;
/// Minimum width of a canvas with room for a name and a percentage.
const MIN_CANVAS_WIDTH: usize = 320;
/// Narrow photos are enlarged to the width of the canvas, up to this height.
const MAX_ENLARGED_HEIGHT: usize = 2_400;
/// A network's input is enlarged until its longer side has at least this many pixels.
const MIN_INPUT_SIDE: usize = 448;
/// Maximum share of a photo's width and height that its panel covers.
const MAX_COVERED: (f32, f32) = (0.72, 0.5);

/// Background of predictions below a photo, and next to a photo narrower than its canvas.
const BACKGROUND: Colour = Colour::opaque(0x15, 0x17, 0x1c);
/// Background of predictions on a photo.
const PANEL: Colour = Colour { red: 0x10, green: 0x12, blue: 0x17, alpha: 0.68 };
const TEXT_COLOUR: Colour = Colour::opaque(0xff, 0xff, 0xff);

/// Position of the predictions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// On the photo if there is room, else below.
    #[default]
    Automatic,
    /// Below the photo, which stays uncovered.
    Below,
}

/// Maximum side of a drawing's picture, that of a JPEG. A picture of one row of millions of pixels
/// would become one of many rows with text below it.
const MAX_DRAWN_SIDE: usize = 65_535;

/// Shrinks a picture whose longer side is beyond [`MAX_DRAWN_SIDE`].
fn drawable(picture: &Picture) -> Cow<'_, Picture> {
    let longer = picture.width().max(picture.height());
    match longer {
        0..=MAX_DRAWN_SIDE => Cow::Borrowed(picture),
        _ => Cow::Owned(picture.scaled(MAX_DRAWN_SIDE as f64 / longer as f64)),
    }
}

/// As [`drawable`], for a picture that is not needed otherwise.
fn into_drawable(picture: Picture) -> Picture {
    let shrunk = match drawable(&picture) {
        Cow::Owned(shrunk) => Some(shrunk),
        Cow::Borrowed(_) => None,
    };
    shrunk.unwrap_or(picture)
}

/// Draws names with their probabilities (0 to 1) on a photo, the first one emphasised.
///
/// The result has the photo's size, unless it is small or predictions go below: then it is larger.
/// Long names lose their last synonyms, then their end. Without names the photo is unchanged. A
/// side of more than 65,535 pixels is shrunk to that.
#[must_use]
pub fn annotate<S: AsRef<str>>(
    picture: &Picture,
    answers: &[(S, f32)],
    placement: Placement,
) -> Picture {
    if answers.is_empty() {
        return picture.clone();
    }
    let drawable = drawable(picture);
    let (picture, name) = (&*drawable, picture.name());
    let answers: Vec<(&str, f32)> =
        answers.iter().map(|(name, share)| (name.as_ref(), *share)).collect();
    let on_photo = Block::new(&answers, text_size(picture), MAX_COVERED.0 * picture.width() as f32);
    let canvas = if placement == Placement::Automatic && has_room(picture, &on_photo) {
        annotate_on_photo(picture, &on_photo)
    } else {
        annotate_below(picture, &answers)
    };
    canvas.into_picture().named(name)
}

/// Enlarges a network's input, pixel by pixel, with an optional caption below.
#[must_use]
pub fn show_input(input: &Picture, caption: Option<&str>) -> Picture {
    let times = MIN_INPUT_SIDE.div_ceil(input.width().max(input.height())).max(1);
    let photo = Canvas::from_picture(input).repeated(times);
    let Some(caption) = caption else { return photo.into_picture().named(input.name()) };
    let width = photo.width().max(MIN_CANVAS_WIDTH);
    let margin = CAPTION_SIZE * 0.7;
    let width_limit = width as f32 - 2.0 * margin;
    let lines = text::wrapped(caption, Weight::Medium, CAPTION_SIZE, width_limit);
    let line_height = CAPTION_SIZE * 1.4;
    let strip = (lines.len() as f32 * line_height + 2.0 * margin * 0.8).ceil() as usize;
    let mut canvas = framed(&photo, width, strip);
    for (index, line) in lines.iter().enumerate() {
        let baseline =
            photo.height() as f32 + margin * 0.8 + line_height * index as f32 + CAPTION_SIZE;
        let font = Font { weight: Weight::Medium, em: CAPTION_SIZE };
        text::draw(&mut canvas, line, font, (margin, baseline), TEXT_COLOUR);
    }
    canvas.into_picture().named(input.name())
}

/// The em of a photo's text.
fn text_size(picture: &Picture) -> f32 {
    let area = picture.width() as f32 * picture.height() as f32;
    (area.sqrt() / TEXT_LINES_PER_SIDE).max(MIN_TEXT_SIZE)
}

fn has_room(picture: &Picture, block: &Block<'_>) -> bool {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let whole_names = block.min_width() <= MAX_COVERED.0 * width;
    whole_names && picture.width() >= MIN_CANVAS_WIDTH && block.height() <= MAX_COVERED.1 * height
}

/// Draws predictions in the lower left corner.
fn annotate_on_photo(picture: &Picture, block: &Block<'_>) -> Canvas {
    let mut canvas = Canvas::from_picture(picture);
    let margin = block.em() * 0.8;
    let corner = (margin, canvas.height() as f32 - margin - block.height());
    canvas.fill_rounded(corner, (block.width(), block.height()), block.em() * 0.55, PANEL);
    block.draw(&mut canvas, corner);
    canvas
}

/// Draws the photo, enlarged if it is small, and predictions on a strip below.
fn annotate_below(picture: &Picture, answers: &[(&str, f32)]) -> Canvas {
    let photo = enlarged(picture);
    let width = photo.width().max(MIN_CANVAS_WIDTH);
    let area = (photo.width() * photo.height()) as f32;
    // The text size is limited by a panorama's height, and by the width below a tall photo.
    let bound = (photo.height() as f32 / 9.0).min(width as f32 / 24.0);
    let em = (area.sqrt() / TEXT_LINES_PER_SIDE).min(bound).max(MIN_TEXT_SIZE);
    let block = Block::new(answers, em, width as f32).stretched(width as f32);
    let mut canvas = framed(&photo, width, block.height().ceil() as usize);
    block.draw(&mut canvas, (0.0, photo.height() as f32));
    canvas
}

/// Enlarges a photo to the minimum width, unless that makes it too tall.
fn enlarged(picture: &Picture) -> Canvas {
    let photo = Canvas::from_picture(picture);
    let wanted_scale = MIN_CANVAS_WIDTH as f32 / picture.width() as f32;
    let max_scale = MAX_ENLARGED_HEIGHT as f32 / picture.height() as f32;
    let times = wanted_scale.min(max_scale);
    if times <= 1.0 { photo } else { photo.enlarged(times) }
}

/// A photo at the top of a canvas of `width`, with a strip below.
fn framed(photo: &Canvas, width: usize, strip: usize) -> Canvas {
    let mut canvas = Canvas::filled(width, photo.height() + strip, BACKGROUND);
    canvas.draw_picture(photo, (width - photo.width()) / 2, 0);
    canvas
}
