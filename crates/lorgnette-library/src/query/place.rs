//! Places in a photo, by name.

use std::fmt;

/// A place in a photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// Anywhere.
    Anywhere,
    /// Any of the four corners.
    Corner,
    /// A cell, row or column of the photo divided in thirds; at least one of the two is given.
    Thirds {
        /// Row: top, middle or bottom.
        row: Option<Third>,
        /// Column: left, centre or right.
        column: Option<Third>,
    },
    /// A half of the photo.
    Half(Side),
    /// A quarter of the photo.
    Quarter {
        /// Whether it is one of the lower two.
        lower: bool,
        /// Whether it is one of the right two.
        right: bool,
    },
    /// Near the camera: the lower edge of the object is in the bottom third of the photo.
    Foreground,
    /// Far from the camera: the lower edge of the object is above the bottom third of the photo.
    Background,
    /// A box in fractions of the photo.
    Box(PlaceBox),
}

/// A box in fractions of the photo, 0 to 1: x from the left, y from the top.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub struct PlaceBox {
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
}

impl PlaceBox {
    /// Returns the box of four numbers from 0 to 1, or with percent signs, separated by commas or
    /// spaces: left, top, right, bottom. `None` if it has no area.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers = text.split([',', ' ']).filter(|part| !part.is_empty()).map(share);
        let sides: [f64; 4] = numbers.collect::<Option<Vec<f64>>>()?.try_into().ok()?;
        let [x0, y0, x1, y1] = sides;
        (x0 < x1 && y0 < y1).then_some(Self { x0, y0, x1, y1 })
    }
}

/// Parses a number from 0 to 1, or from 0 to 100 before a percent sign.
pub(super) fn share(text: &str) -> Option<f64> {
    let (digits, scale) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let share = digits.parse::<f64>().ok().filter(|_| decimal)? / scale;
    (0.0..=1.0).contains(&share).then_some(share)
}

/// A third of the photo, from the left or from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Third {
    /// Left or top.
    First,
    /// Middle or centre.
    Middle,
    /// Right or bottom.
    Last,
}

/// A side of the photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Side {
    Top,
    Bottom,
    Left,
    Right,
}

impl Place {
    /// Returns the place named by words without articles, such as `top`, `left`, `corner`.
    pub(super) fn from_words(words: &[&str]) -> Option<Self> {
        let (&last, before) = words.split_last()?;
        match last {
            "anywhere" if before.is_empty() => Some(Self::Anywhere),
            "corner" if before.is_empty() => Some(Self::Corner),
            "foreground" | "front" if before.is_empty() => Some(Self::Foreground),
            "background" | "distance" | "back" if before.is_empty() => Some(Self::Background),
            "corner" => Self::cell(before).filter(|place| place.is_corner()),
            "half" => Self::half(before),
            "quarter" => Self::quarter(before),
            "row" => Some(Self::Thirds { row: Some(row(only(before)?)?), column: None }),
            "column" => Some(Self::Thirds { row: None, column: Some(column(only(before)?)?) }),
            "part" | "side" | "edge" | "third" | "area" => Self::cell(before),
            _ => Self::cell(words),
        }
    }

    /// Maximum number of words of a place's name, without articles.
    pub(super) const MAX_WORDS: usize = 3;

    fn cell(words: &[&str]) -> Option<Self> {
        let thirds = |row, column| Some(Self::Thirds { row, column });
        match *words {
            [one] if is_middle(one) => thirds(Some(Third::Middle), Some(Third::Middle)),
            [one] => match (row(one), column(one)) {
                (None, None) => None,
                (row, column) => thirds(row, column),
            },
            [first, second] => {
                let (row, column) =
                    row(first).zip(column(second)).or_else(|| row(second).zip(column(first)))?;
                thirds(Some(row), Some(column))
            }
            _ => None,
        }
    }

    fn is_corner(self) -> bool {
        let outer = |third| matches!(third, Some(Third::First | Third::Last));
        matches!(self, Self::Thirds { row, column } if outer(row) && outer(column))
    }

    fn half(words: &[&str]) -> Option<Self> {
        let side = match (row(only(words)?), column(only(words)?)) {
            (Some(Third::First), None) => Side::Top,
            (Some(Third::Last), None) => Side::Bottom,
            (None, Some(Third::First)) => Side::Left,
            (None, Some(Third::Last)) => Side::Right,
            _ => return None,
        };
        Some(Self::Half(side))
    }

    fn quarter(words: &[&str]) -> Option<Self> {
        match Self::cell(words).filter(|place| place.is_corner())? {
            Self::Thirds { row, column } => Some(Self::Quarter {
                lower: row == Some(Third::Last),
                right: column == Some(Third::Last),
            }),
            _ => None,
        }
    }
}

fn only<'a>(words: &[&'a str]) -> Option<&'a str> {
    if let [word] = *words { Some(word) } else { None }
}

fn is_middle(word: &str) -> bool {
    matches!(word, "middle" | "center" | "centre" | "central")
}

fn row(word: &str) -> Option<Third> {
    match word {
        "top" | "upper" => Some(Third::First),
        "bottom" | "lower" => Some(Third::Last),
        _ => is_middle(word).then_some(Third::Middle),
    }
}

fn column(word: &str) -> Option<Third> {
    match word {
        "left" | "leftmost" => Some(Third::First),
        "right" | "rightmost" => Some(Third::Last),
        _ => is_middle(word).then_some(Third::Middle),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Anywhere => f.write_str("anywhere"),
            Self::Corner => f.write_str("corner"),
            Self::Foreground => f.write_str("foreground"),
            Self::Background => f.write_str("background"),
            Self::Box(PlaceBox { x0, y0, x1, y1 }) => write!(f, "box({x0},{y0},{x1},{y1})"),
            Self::Thirds { row: Some(Third::Middle), column: Some(Third::Middle) } => {
                f.write_str("middle")
            }
            Self::Thirds { row: Some(row), column: Some(column) } => {
                write!(f, "{} {}", row.row_name(), column.column_name())
            }
            Self::Thirds { row: Some(row), column: None } => write!(f, "{} row", row.row_name()),
            Self::Thirds { row: None, column: Some(column) } => {
                write!(f, "{} column", column.column_name())
            }
            Self::Thirds { row: None, column: None } => f.write_str("anywhere"),
            Self::Half(side) => write!(f, "{} half", side.text()),
            Self::Quarter { lower, right } => {
                let (row, column) =
                    (if lower { "bottom" } else { "top" }, if right { "right" } else { "left" });
                write!(f, "{row} {column} quarter")
            }
        }
    }
}

impl Third {
    fn row_name(self) -> &'static str {
        match self {
            Self::First => "top",
            Self::Middle => "middle",
            Self::Last => "bottom",
        }
    }

    fn column_name(self) -> &'static str {
        match self {
            Self::First => "left",
            Self::Middle => "center",
            Self::Last => "right",
        }
    }
}

impl Side {
    fn text(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Bottom => "bottom",
            Self::Left => "left",
            Self::Right => "right",
        }
    }
}
