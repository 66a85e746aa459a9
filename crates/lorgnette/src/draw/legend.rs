//! The legend of a map.

use std::collections::HashMap;

use super::canvas::Colour;
use super::palette::{CLASSES, OTHERS};
use super::text::{self, Weight};
use crate::answer::UNKNOWN;
use crate::dense::SegmentationMap;
use crate::drawing::{Anchor, Drawing, TextStyle};
use crate::labels::Labels;

/// If there are more classes than colours, a class with a smaller share has no colour of its own.
const MIN_SHARE: f32 = 0.01;
/// Text, rules and boxes on a light background.
pub(super) const INK: Colour = Colour::opaque(0x1c, 0x1f, 0x26);
const MUTED: Colour = Colour::opaque(0x5a, 0x60, 0x6c);
/// Unknown cells.
const BLANK: Colour = Colour::opaque(0xee, 0xee, 0xee);

// Lengths, in ems.
const ROW: f32 = 1.9;
const BAR: f32 = 1.5;
const GAP: f32 = 0.7;
const BASELINE: f32 = 1.3;
const MAX_NAME_WIDTH: f32 = 19.0;

/// The colours of a map's classes: the largest have their own, the others share one.
pub(super) struct Legend {
    rows: Vec<Row>,
    colours: HashMap<usize, Colour>,
}

/// A row of the legend.
struct Row {
    colour: Colour,
    name: String,
    share: f32,
}

impl Legend {
    /// Assigns colours to the classes of a map.
    pub(super) fn new(map: &SegmentationMap, labels: &Labels) -> Self {
        let (unknown, legend): (Vec<_>, Vec<_>) =
            map.legend().into_iter().partition(|entry| entry.class == map.unknown_class());
        let all_fit = legend.len() <= CLASSES.len();
        let class_count = legend
            .iter()
            .take(CLASSES.len())
            .take_while(|entry| all_fit || entry.share >= MIN_SHARE)
            .count();
        let name = |class: usize| {
            labels.get(class).map_or_else(|| format!("class {class}"), |label| label.name.into())
        };
        let (shown, others) = legend.split_at(class_count.max(1).min(legend.len()));
        let mut rows: Vec<Row> = shown
            .iter()
            .zip(CLASSES)
            .map(|(entry, colour)| Row { colour, name: name(entry.class), share: entry.share })
            .collect();
        if !others.is_empty() {
            let classes = if others.len() == 1 {
                "1 other class".into()
            } else {
                format!("{} other classes", others.len())
            };
            rows.push(Row {
                colour: OTHERS,
                name: classes,
                share: others.iter().map(|entry| entry.share).sum(),
            });
        }
        let mut colours: HashMap<usize, Colour> =
            shown.iter().zip(CLASSES).map(|(entry, colour)| (entry.class, colour)).collect();
        for entry in unknown {
            rows.push(Row { colour: BLANK, name: UNKNOWN.into(), share: entry.share });
            colours.insert(entry.class, BLANK);
        }
        Self { rows, colours }
    }

    /// The colour of a class.
    pub(super) fn colour(&self, class: usize) -> Colour {
        self.colours.get(&class).copied().unwrap_or(OTHERS)
    }

    /// Width and height for text of `em` pixels.
    pub(super) fn size(&self, em: f32) -> (f32, f32) {
        let name = |row: &Row| text::text_width(&shorten(&row.name, em), Weight::Medium, em);
        let names = self.rows.iter().map(name).fold(0.0, f32::max);
        let share = text::text_width("100.0 %", Weight::Medium, em);
        ((BAR + 2.0 * GAP) * em + names + share, ROW * em * self.rows.len() as f32)
    }

    /// Draws a bar of colours, each with its classes and their share of the map.
    pub(super) fn draw(&self, drawing: &mut Drawing, (left, top): (f32, f32), em: f32) {
        let (width, _) = self.size(em);
        for (number, row) in self.rows.iter().enumerate() {
            let y = top + ROW * em * number as f32;
            drawing.rectangle(
                (left, y),
                (BAR * em, ROW * em),
                0.0,
                row.colour,
                Some(row.name.clone()),
            );
            let baseline = y + BASELINE * em;
            drawing.words(
                shorten(&row.name, em),
                (left + (BAR + GAP) * em, baseline),
                TextStyle::new(em, INK),
            );
            let share = TextStyle::new(em, MUTED).anchored(Anchor::End);
            drawing.words(format!("{:.1} %", 100.0 * row.share), (left + width, baseline), share);
        }
    }
}

fn shorten(name: &str, em: f32) -> String {
    text::shorten(name, Weight::Medium, em, MAX_NAME_WIDTH * em)
}

/// Draws a title and a line below it.
pub(super) fn heading(
    drawing: &mut Drawing,
    (left, top): (f32, f32),
    em: f32,
    [title, note]: [&str; 2],
) {
    let room = drawing.size().0 - 2.0 * left;
    let lines = [
        (title, TextStyle::new(1.3 * em, INK).bold(), 1.2),
        (note, TextStyle::new(em, MUTED), 2.75),
    ];
    for (text, style, baseline) in lines {
        let text = text::shorten(text, style.weight(), style.em, room);
        drawing.words(text, (left, top + baseline * em), style);
    }
}

/// The height of a [`heading`], in ems.
pub(super) const HEADING: f32 = 3.6;
