//! Answers drawn on pictures: names and probabilities over a photo, and the picture a network saw.
//!
//! Letters grow with the photo and never fall below 13 pixels. Where a photo has room, its answers
//! lie on it in a translucent panel; where it has none, small photos are enlarged and the answers
//! go on a strip below.

use self::canvas::{Canvas, Colour};
use self::layout::Block;
use self::text::Weight;
use crate::picture::Picture;

pub use self::blur::blur_preview;
pub use self::map::{Overlay, heat, heat_picture, map};

mod blur;
pub(crate) mod canvas;
mod layout;
mod legend;
mod map;
mod palette;
pub(crate) mod text;

/// Height of the em in pixels below which letters cannot be read.
const MIN_TEXT_SIZE: f32 = 13.0;
/// Letters of a photo: the square root of its area over this. The tutorials' pictures have about as
/// much.
const TEXT_LINES_PER_SIDE: f32 = 31.0;
/// Letters under an enlarged input: half as large again as the smallest.
const CAPTION_SIZE: f32 = 17.0;
/// A canvas narrower than this has no room for a name and a percentage.
const MIN_CANVAS_WIDTH: usize = 320;
/// Narrow photos are enlarged until they fill the canvas, but not beyond this height.
const MAX_ENLARGED_HEIGHT: usize = 2_400;
/// A network's input is enlarged until its longer side has at least as many pixels.
const MIN_INPUT_SIDE: usize = 448;
/// The most of a photo's width and height its panel may cover.
const MAX_COVERED: (f32, f32) = (0.72, 0.5);

/// Behind answers below a photo, and beside a photo that is narrower than its canvas.
const BACKGROUND: Colour = Colour::opaque(0x15, 0x17, 0x1c);
/// Behind answers on a photo.
const PANEL: Colour = Colour { red: 0x10, green: 0x12, blue: 0x17, alpha: 0.68 };
const TEXT_COLOUR: Colour = Colour::opaque(0xff, 0xff, 0xff);

/// Where answers go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// On the photo where it has room, else below it.
    #[default]
    Automatic,
    /// Below the photo, which stays uncovered.
    Below,
}

/// Draws names and their probabilities (0 to 1), the first one strongest, on a photo.
///
/// The result is the photo's own size, unless it is small or its answers go below: then it is
/// larger. Long names lose their last synonyms, then their end. Without names it is the photo as it
/// was.
#[must_use]
pub fn annotate<S: AsRef<str>>(
    picture: &Picture,
    answers: &[(S, f32)],
    placement: Placement,
) -> Picture {
    if answers.is_empty() {
        return picture.clone();
    }
    let answers: Vec<(&str, f32)> =
        answers.iter().map(|(name, share)| (name.as_ref(), *share)).collect();
    let on_photo = Block::new(&answers, text_size(picture), MAX_COVERED.0 * picture.width() as f32);
    let canvas = if placement == Placement::Automatic && has_room(picture, &on_photo) {
        annotate_on_photo(picture, &on_photo)
    } else {
        annotate_below(picture, &answers)
    };
    canvas.into_picture().named(picture.name())
}

/// Enlarges a network's input, pixel by pixel, so that it can be looked at; an optional line of
/// text goes below.
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
        text::draw(
            &mut canvas,
            line,
            Weight::Medium,
            CAPTION_SIZE,
            (margin, baseline),
            TEXT_COLOUR,
        );
    }
    canvas.into_picture().named(input.name())
}

/// The em of a photo's letters.
fn text_size(picture: &Picture) -> f32 {
    let area = picture.width() as f32 * picture.height() as f32;
    (area.sqrt() / TEXT_LINES_PER_SIDE).max(MIN_TEXT_SIZE)
}

fn has_room(picture: &Picture, block: &Block<'_>) -> bool {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let whole_names = block.min_width() <= MAX_COVERED.0 * width;
    whole_names && picture.width() >= MIN_CANVAS_WIDTH && block.height() <= MAX_COVERED.1 * height
}

/// Answers in the lower left corner.
fn annotate_on_photo(picture: &Picture, block: &Block<'_>) -> Canvas {
    let mut canvas = Canvas::from_picture(picture);
    let margin = block.em() * 0.8;
    let corner = (margin, canvas.height() as f32 - margin - block.height());
    canvas.fill_rounded(corner, (block.width(), block.height()), block.em() * 0.55, PANEL);
    block.draw(&mut canvas, corner);
    canvas
}

/// The photo, enlarged if it is small, and its answers on a strip below.
fn annotate_below(picture: &Picture, answers: &[(&str, f32)]) -> Canvas {
    let photo = enlarged(picture);
    let width = photo.width().max(MIN_CANVAS_WIDTH);
    let area = (photo.width() * photo.height()) as f32;
    // The strip of a panorama is bounded by its height, the names under a tall photo by its width.
    let bound = (photo.height() as f32 / 9.0).min(width as f32 / 24.0);
    let em = (area.sqrt() / TEXT_LINES_PER_SIDE).min(bound).max(MIN_TEXT_SIZE);
    let block = Block::new(answers, em, width as f32).stretched(width as f32);
    let mut canvas = framed(&photo, width, block.height().ceil() as usize);
    block.draw(&mut canvas, (0.0, photo.height() as f32));
    canvas
}

/// A photo at the width of the narrowest canvas, if that does not make it too tall.
fn enlarged(picture: &Picture) -> Canvas {
    let photo = Canvas::from_picture(picture);
    let wanted_scale = MIN_CANVAS_WIDTH as f32 / picture.width() as f32;
    let max_scale = MAX_ENLARGED_HEIGHT as f32 / picture.height() as f32;
    let times = wanted_scale.min(max_scale);
    if times <= 1.0 { photo } else { photo.enlarged(times) }
}

/// A photo at the top of a canvas of this width, with a strip below.
fn framed(photo: &Canvas, width: usize, strip: usize) -> Canvas {
    let mut canvas = Canvas::filled(width, photo.height() + strip, BACKGROUND);
    canvas.draw_picture(photo, (width - photo.width()) / 2, 0);
    canvas
}
