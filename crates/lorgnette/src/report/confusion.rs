//! Figure of the confusion matrix: correct predictions in blue, errors in vermilion, and a list of
//! the most confused pairs.

use super::palette::{BLUE, EMPTY, GRID, INK, QUIET, VERMILION, WHITE, between, ink_on};
use crate::draw::text::{Weight, shorten};
use crate::drawing::{Anchor, Drawing, TextStyle};
use crate::metrics::{ConfusedPair, Confusion, Evaluation};

/// Values in the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Numbers of photos.
    Counts,
    /// Percentages of the true class.
    Shares,
}

/// Sides of cells: the first that is for as many classes.
const CELLS: [(usize, f32); 6] =
    [(8, 64.0), (16, 44.0), (32, 32.0), (64, 22.0), (400, 12.0), (usize::MAX, 3.0)];
/// Cells smaller than this have no numbers in them; smaller than that, no names beside them.
const WITH_NUMBERS: f32 = 22.0;
const WITH_NAMES: f32 = 12.0;
/// All classes are shown where they are few; else those that occur.
const FEW_CLASSES: usize = 64;
/// Minimum strength of a cell's colour that is not empty.
const PALEST: f64 = 0.14;
const MARGIN: f32 = 24.0;
/// Maximum length of class names, in ems.
const MAX_NAME_EMS: f32 = 15.0;
/// Limits of the number of pairs in the list.
const MAX_PAIRS: usize = 25;
const MIN_PAIRS: usize = 8;

/// Draws the confusion matrix: a row for each true class, a column for each predicted one. With
/// many classes, those that do not occur are left out.
#[must_use]
pub fn confusion(evaluation: &Evaluation, scale: Scale) -> Drawing {
    let confusion = evaluation.confusion();
    let classes = if confusion.classes() <= FEW_CLASSES {
        (0..confusion.classes()).collect()
    } else {
        confusion.occurring()
    };
    Matrix::new(evaluation, scale, classes).figure()
}

/// A matrix and where its parts are.
struct Matrix<'a> {
    evaluation: &'a Evaluation,
    scale: Scale,
    /// The classes shown.
    classes: Vec<usize>,
    cell: f32,
    /// The em of names.
    em: f32,
    /// The room that the longest name takes.
    names: f32,
    /// The corner of the first cell.
    corner: (f32, f32),
    pairs: Vec<ConfusedPair>,
}

impl<'a> Matrix<'a> {
    fn new(evaluation: &'a Evaluation, scale: Scale, classes: Vec<usize>) -> Self {
        let cell =
            CELLS.iter().find(|(max, _)| classes.len() <= *max).map_or(3.0, |(_, cell)| *cell);
        let em = (cell * 0.84).min(14.0);
        let side = cell * classes.len() as f32;
        let mut matrix = Self {
            evaluation,
            scale,
            classes,
            cell,
            em,
            names: 0.0,
            corner: (0.0, 0.0),
            pairs: Vec::new(),
        };
        matrix.names = if cell < WITH_NAMES {
            0.0
        } else {
            let longest =
                matrix.classes.iter().map(|&class| matrix.name_style().length(&matrix.name(class)));
            longest.fold(0.0, f32::max) + em * 0.7
        };
        let title = matrix.title_em();
        matrix.corner = (MARGIN + 2.0 * title + matrix.names, MARGIN + 5.2 * title + matrix.names);
        let room = (side / (1.65 * matrix.list_em())) as usize;
        let pairs = evaluation.confusion().most_confused();
        matrix.pairs = pairs.into_iter().take(room.clamp(MIN_PAIRS, MAX_PAIRS)).collect();
        matrix
    }

    fn figure(&self) -> Drawing {
        let (right, bottom) = self.end();
        let list = self.list();
        let list_em = self.list_em();
        let list_width =
            list.iter().map(|(line, count)| self.line_length(line, count)).fold(0.0, f32::max);
        let list_left = right + 2.0 * list_em;
        let list_bottom = self.corner.1 + 1.65 * list_em * (list.len() as f32 + 1.0);
        let title = TextStyle::new(self.title_em(), QUIET).length(&self.subtitle()) + MARGIN;
        let width = if list.is_empty() { right } else { list_left + list_width };
        let mut figure = Drawing::new(width.max(title) + MARGIN, bottom.max(list_bottom) + MARGIN);
        self.titles(&mut figure);
        self.cells(&mut figure);
        if self.names > 0.0 {
            self.names(&mut figure);
        }
        if !list.is_empty() {
            self.draw_list(&mut figure, &list, (list_left, list_left + list_width));
        }
        figure
    }

    fn end(&self) -> (f32, f32) {
        let side = self.cell * self.classes.len() as f32;
        (self.corner.0 + side, self.corner.1 + side)
    }

    /// Letters of the titles grow with the matrix, so that they can be read when the whole of it is
    /// looked at.
    fn title_em(&self) -> f32 {
        (self.cell * self.classes.len() as f32 / 60.0).max(15.0)
    }

    fn list_em(&self) -> f32 {
        (self.cell * self.classes.len() as f32 / 75.0).max(13.0)
    }

    fn name_style(&self) -> TextStyle {
        TextStyle::new(self.em, INK)
    }

    fn name(&self, class: usize) -> String {
        shorten(&self.evaluation.names()[class], Weight::Medium, self.em, MAX_NAME_EMS * self.em)
    }

    fn subtitle(&self) -> String {
        let accuracy = self.evaluation.accuracy();
        let what = match self.scale {
            Scale::Counts => "photos",
            Scale::Shares => "of a hundred photos of the true class",
        };
        format!(
            "{} of {} photos right; a cell says how many {what}",
            accuracy.correct, accuracy.total
        )
    }

    fn titles(&self, figure: &mut Drawing) {
        let em = self.title_em();
        let (right, bottom) = self.end();
        let heading = format!("Confusion of {} classes", self.classes.len());
        figure.words(heading, (MARGIN, MARGIN + em), TextStyle::new(1.3 * em, INK).bold());
        figure.words(self.subtitle(), (MARGIN, MARGIN + 2.6 * em), TextStyle::new(em, QUIET));
        let axis = TextStyle::new(em, QUIET).anchored(Anchor::Middle);
        let above = self.corner.1 - self.names - 0.7 * em;
        figure.words("what the model says", (f32::midpoint(self.corner.0, right), above), axis);
        let beside = self.corner.0 - self.names - 0.7 * em;
        figure.words("what it is", (beside, f32::midpoint(self.corner.1, bottom)), axis.upwards());
    }

    fn cells(&self, figure: &mut Drawing) {
        let side = self.cell * self.classes.len() as f32;
        figure.rectangle(self.corner, (side, side), 0.0, EMPTY, None);
        if self.cell >= WITH_NAMES {
            self.grid(figure);
        }
        let confusion = self.evaluation.confusion();
        let max =
            self.classes.iter().flat_map(|&class| confusion.row(class)).copied().max().unwrap_or(1);
        for (row, &truth) in self.classes.iter().enumerate() {
            for (column, &scored) in self.classes.iter().enumerate() {
                let count = confusion.count(truth, scored);
                if count > 0 {
                    self.cell(figure, row, column, f64::from(max));
                }
            }
        }
    }

    fn grid(&self, figure: &mut Drawing) {
        let (left, top) = self.corner;
        let (right, bottom) = self.end();
        for line in 1..self.classes.len() {
            let (x, y) = (left + line as f32 * self.cell, top + line as f32 * self.cell);
            figure.line(vec![(x, top), (x, bottom)], 1.0, WHITE);
            figure.line(vec![(left, y), (right, y)], 1.0, WHITE);
        }
    }

    fn cell(&self, figure: &mut Drawing, row: usize, column: usize, max: f64) {
        let (truth, scored) = (self.classes[row], self.classes[column]);
        let confusion = self.evaluation.confusion();
        let (count, share) = (confusion.count(truth, scored), confusion.share(truth, scored));
        let strength = match self.scale {
            Scale::Counts => count as f64 / max,
            Scale::Shares => share,
        };
        let colour = between(
            WHITE,
            if truth == scored { BLUE } else { VERMILION },
            PALEST + (1.0 - PALEST) * strength,
        );
        let corner =
            (self.corner.0 + column as f32 * self.cell, self.corner.1 + row as f32 * self.cell);
        let gap = if self.cell >= WITH_NAMES { 0.5 } else { 0.0 };
        let side = self.cell - 2.0 * gap;
        let tip = tip(self.evaluation, truth, scored);
        figure.rectangle((corner.0 + gap, corner.1 + gap), (side, side), 0.0, colour, Some(tip));
        if self.cell >= WITH_NUMBERS {
            let number = match self.scale {
                Scale::Counts => count.to_string(),
                Scale::Shares => hundredths(share),
            };
            let style =
                TextStyle::new(self.cell.min(44.0) * 0.4, ink_on(colour)).anchored(Anchor::Middle);
            // Four digits have less room than two.
            let fitting = (self.cell * 0.86 / style.length(&number)).min(1.0);
            let style = TextStyle { em: style.em * fitting, ..style };
            let middle = (corner.0 + self.cell / 2.0, corner.1 + self.cell / 2.0 + 0.36 * style.em);
            figure.words(number, middle, style);
        }
    }

    fn names(&self, figure: &mut Drawing) {
        for (place, &class) in self.classes.iter().enumerate() {
            let middle = (place as f32 + 0.5) * self.cell + 0.34 * self.em;
            let gap = 0.5 * self.em;
            let beside = (self.corner.0 - gap, self.corner.1 + middle);
            let above = (self.corner.0 + middle, self.corner.1 - gap);
            figure.words(self.name(class), beside, self.name_style().anchored(Anchor::End));
            figure.words(self.name(class), above, self.name_style().upwards());
        }
    }

    /// The most confused pairs in words.
    fn list(&self) -> Vec<(String, String)> {
        let names = self.evaluation.names();
        let room = MAX_NAME_EMS * self.list_em();
        let name = |class: usize| shorten(&names[class], Weight::Medium, self.list_em(), room);
        let line = |pair: &ConfusedPair| {
            (
                format!("{} → {}", name(pair.truth), name(pair.predicted)),
                format!("{} of {}", pair.count, pair.total),
            )
        };
        self.pairs.iter().map(line).collect()
    }

    fn line_length(&self, line: &str, count: &str) -> f32 {
        let style = TextStyle::new(self.list_em(), INK);
        style.length(line) + 1.5 * style.em + style.bold().length(count)
    }

    fn draw_list(
        &self,
        figure: &mut Drawing,
        list: &[(String, String)],
        (left, right): (f32, f32),
    ) {
        let em = self.list_em();
        let top = self.corner.1;
        figure.words("Most confused", (left, top + em), TextStyle::new(1.1 * em, INK).bold());
        for (place, (line, count)) in list.iter().enumerate() {
            let y = top + em + 1.65 * em * (place as f32 + 1.0);
            let rule = y + 0.5 * em;
            figure.line(vec![(left, rule), (right, rule)], 1.0, GRID);
            figure.words(line, (left, y), TextStyle::new(em, INK));
            figure.words(
                count,
                (right, y),
                TextStyle::new(em, VERMILION).bold().anchored(Anchor::End),
            );
        }
    }
}

/// A share as a whole number of hundredths; `<1` for less than half of one.
fn hundredths(share: f64) -> String {
    let rounded = (100.0 * share).round();
    if rounded < 1.0 { "<1".into() } else { format!("{rounded}") }
}

/// Tooltip of a cell.
fn tip(evaluation: &Evaluation, truth: usize, scored: usize) -> String {
    let (names, confusion): (_, &Confusion) = (evaluation.names(), evaluation.confusion());
    let (count, percent) = (confusion.count(truth, scored), 100.0 * confusion.share(truth, scored));
    let scored = if truth == scored { "itself" } else { &names[scored] };
    format!("{} → {scored}: {count} ({percent:.1} %)", names[truth])
}
