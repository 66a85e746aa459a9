//! A page of photos, each with what it is and what the model says: three rows of three, as the
//! tutorial shows them.

use super::PictureLoader;
use super::palette::{BLUE, EMPTY, INK, VERMILION, WHITE};
use crate::draw::canvas::Canvas;
use crate::draw::text::{self, Font, Weight, shorten};
use crate::metrics::{Evaluation, ScoredPhoto};
use crate::picture::Picture;

const COLUMNS: usize = 3;
const ROWS: usize = 3;
/// A photo's room, and that of the two lines below.
const SIDE: usize = 300;
const LINES: usize = 62;
const GAP: usize = 20;
const EM: f32 = 17.0;

/// Nine photos, evenly from all, with their class and what the model says. `None` if not one can be
/// opened.
#[must_use]
pub fn page(
    evaluation: &Evaluation,
    scored: &[ScoredPhoto],
    open: PictureLoader<'_>,
) -> Option<Picture> {
    let shown: Vec<(&ScoredPhoto, Picture)> = evenly(scored, COLUMNS * ROWS)
        .filter_map(|scored| Some((scored, open(&scored.photo)?)))
        .collect();
    let rows = shown.len().div_ceil(COLUMNS);
    if rows == 0 {
        return None;
    }
    let (width, height) = (COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + LINES + GAP) + GAP);
    let mut canvas = Canvas::filled(width, height, WHITE);
    for (place, (scored, picture)) in shown.iter().enumerate() {
        let left = GAP + (place % COLUMNS) * (SIDE + GAP);
        let top = GAP + (place / COLUMNS) * (SIDE + LINES + GAP);
        photo(&mut canvas, picture, (left, top));
        lines(&mut canvas, evaluation, scored, (left as f32, (top + SIDE) as f32));
    }
    Some(canvas.into_picture())
}

/// So many of the photos, or all, evenly apart: photos are usually in the order of their classes,
/// so that all get a turn.
pub(super) fn evenly(scored: &[ScoredPhoto], count: usize) -> impl Iterator<Item = &ScoredPhoto> {
    let count = count.min(scored.len());
    (0..count).map(move |place| &scored[(2 * place + 1) * scored.len() / (2 * count)])
}

fn photo(canvas: &mut Canvas, picture: &Picture, (left, top): (usize, usize)) {
    let small = Canvas::from_picture(picture).fitted(SIDE, SIDE);
    canvas.fill_rounded((left as f32, top as f32), (SIDE as f32, SIDE as f32), 6.0, EMPTY);
    canvas.draw_picture(
        &small,
        left + (SIDE - small.width()) / 2,
        top + (SIDE - small.height()) / 2,
    );
}

fn lines(
    canvas: &mut Canvas,
    evaluation: &Evaluation,
    scored: &ScoredPhoto,
    (left, top): (f32, f32),
) {
    let (answer, is_correct) = (answer(evaluation, scored), scored.is_correct());
    let colour = if is_correct { BLUE } else { VERMILION };
    let room = SIDE as f32;
    for (line, weight, colour, down) in [
        (truth(evaluation, scored), Weight::Medium, INK, 1.45),
        (answer, Weight::SemiBold, colour, 2.85),
    ] {
        let line = shorten(&line, weight, EM, room);
        text::draw(canvas, &line, Font { weight, em: EM }, (left, top + down * EM), colour);
    }
}

/// Returns the names of a photo's true classes.
pub(super) fn truth(evaluation: &Evaluation, scored: &ScoredPhoto) -> String {
    let names: Vec<&str> =
        scored.truth.iter().map(|&class| evaluation.names()[class].as_str()).collect();
    names.join(" and ")
}

/// Returns the predicted class with its probability.
pub(super) fn answer(evaluation: &Evaluation, scored: &ScoredPhoto) -> String {
    format!("{} {:.0} %", evaluation.names()[scored.predicted_class()], 100.0 * scored.confidence())
}
