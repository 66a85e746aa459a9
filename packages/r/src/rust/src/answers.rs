//! Answers as R has them: columns of data frames, and lists.

use savvy::{
    OwnedIntegerSexp, OwnedListSexp, OwnedLogicalSexp, OwnedRealSexp, OwnedStringSexp, Sexp,
};
use serde::Serialize;
use serde_json::Value;

/// The type of a column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// A position, counted from 1 in R and from 0 elsewhere.
    Index,
    /// A truth value.
    Flag,
}

/// A column: its name, where its value is in a row (a JSON pointer), and its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) pointer: &'static str,
    pub(crate) kind: Kind,
}

impl Field {
    /// Creates the column of this name.
    pub(crate) const fn new(name: &'static str, pointer: &'static str, kind: Kind) -> Self {
        Self { name, pointer, kind }
    }
}

/// The columns of a box.
pub(crate) const LEFT: Field = Field::new("left", "/box/0", Kind::Number);
pub(crate) const TOP: Field = Field::new("top", "/box/1", Kind::Number);
pub(crate) const RIGHT: Field = Field::new("right", "/box/2", Kind::Number);
pub(crate) const BOTTOM: Field = Field::new("bottom", "/box/3", Kind::Number);
/// The columns of a class.
pub(crate) const INDEX: Field = Field::new("index", "/index", Kind::Index);
pub(crate) const SYNSET: Field = Field::new("synset", "/synset", Kind::Text);
pub(crate) const NAME: Field = Field::new("name", "/name", Kind::Text);
/// The columns of a thing that was found.
pub(crate) const SHARE: Field = Field::new("share", "/share", Kind::Number);
pub(crate) const PROBABILITY: Field = Field::new("probability", "/probability", Kind::Number);
pub(crate) const PEAK_PROBABILITY: Field =
    Field::new("peak_probability", "/peak_probability", Kind::Number);

/// The columns of every data frame: the photo, and why it failed.
pub(crate) const PHOTO: Field = Field::new("photo", "/photo", Kind::Text);
pub(crate) const ERROR: Field = Field::new("error", "/error", Kind::Text);

/// The rows of one photo: `items`, each with the photo's name and its rank, from 1.
pub(crate) fn rows_of(photo: &str, items: Vec<Value>) -> Vec<Value> {
    let mut rows = items;
    for (index, row) in rows.iter_mut().enumerate() {
        row["photo"] = photo.into();
        row["rank"] = (index + 1).into();
    }
    rows
}

/// The row of a photo that failed.
pub(crate) fn failed_row(photo: &str, error: &str) -> Value {
    serde_json::json!({"photo": photo, "error": error})
}

/// Takes the array of that name out of an answer.
pub(crate) fn take_array(answer: &mut Value, name: &str) -> Vec<Value> {
    match answer.as_object_mut().and_then(|fields| fields.remove(name)) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// Converts an answer to JSON's values.
pub(crate) fn value(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).expect("answers are plain data")
}

/// Makes the columns of a data frame; a value that a row has not is `NA`.
pub(crate) fn columns(rows: &[Value], fields: &[Field]) -> savvy::Result<OwnedListSexp> {
    let mut list = OwnedListSexp::new(fields.len(), true)?;
    for (number, field) in fields.iter().enumerate() {
        list.set_value(number, column(rows, *field)?)?;
        list.set_name(number, field.name)?;
    }
    Ok(list)
}

fn column(rows: &[Value], field: Field) -> savvy::Result<Sexp> {
    let cells = rows.iter().map(|row| row.pointer(field.pointer)).enumerate();
    match field.kind {
        Kind::Text => {
            let mut column = OwnedStringSexp::new(rows.len())?;
            for (row, cell) in cells {
                match cell.and_then(Value::as_str) {
                    Some(text) => column.set_elt(row, text)?,
                    None => column.set_na(row)?,
                }
            }
            Ok(column.into())
        }
        Kind::Number => {
            let mut column = OwnedRealSexp::new(rows.len())?;
            for (row, cell) in cells {
                match cell.and_then(Value::as_f64) {
                    Some(number) => column.set_elt(row, number)?,
                    None => column.set_na(row)?,
                }
            }
            Ok(column.into())
        }
        Kind::Whole | Kind::Index => {
            let first = i64::from(matches!(field.kind, Kind::Index));
            let mut column = OwnedIntegerSexp::new(rows.len())?;
            for (row, cell) in cells {
                match cell.and_then(Value::as_i64).map(|number| i32::try_from(number + first)) {
                    Some(Ok(number)) => column.set_elt(row, number)?,
                    _ => column.set_na(row)?,
                }
            }
            Ok(column.into())
        }
        Kind::Flag => {
            let mut column = OwnedLogicalSexp::new(rows.len())?;
            for (row, cell) in cells {
                match cell.and_then(Value::as_bool) {
                    Some(flag) => column.set_elt(row, flag)?,
                    None => column.set_na(row)?,
                }
            }
            Ok(column.into())
        }
    }
}

/// Converts JSON's values to R's: objects are named lists, arrays of numbers, of texts and of truth
/// values are vectors, arrays of equally long arrays of numbers are matrices with a row for each,
/// and other arrays are lists.
pub(crate) fn to_r(value: &Value) -> savvy::Result<Sexp> {
    match value {
        Value::Null => Ok(savvy::NullSexp.into()),
        Value::Bool(flag) => Ok(OwnedLogicalSexp::try_from_scalar(*flag)?.into()),
        Value::Number(number) => {
            Ok(OwnedRealSexp::try_from_scalar(number.as_f64().unwrap_or(f64::NAN))?.into())
        }
        Value::String(text) => Ok(OwnedStringSexp::try_from_scalar(text)?.into()),
        Value::Array(items) => array_to_r(items),
        Value::Object(fields) => {
            let mut list = OwnedListSexp::new(fields.len(), true)?;
            for (number, (name, value)) in fields.iter().enumerate() {
                list.set_value(number, to_r(value)?)?;
                list.set_name(number, name)?;
            }
            Ok(list.into())
        }
    }
}

fn array_to_r(items: &[Value]) -> savvy::Result<Sexp> {
    if let Some(numbers) = numbers(items) {
        return Ok(OwnedRealSexp::try_from_slice(numbers)?.into());
    }
    if let Some(texts) = items.iter().map(Value::as_str).collect::<Option<Vec<&str>>>() {
        return Ok(OwnedStringSexp::try_from_slice(texts)?.into());
    }
    if let Some(rows) = matrix(items) {
        let (height, width) = (rows.len(), rows[0].len());
        let mut array = OwnedRealSexp::new(height * width)?;
        for (row, numbers) in rows.iter().enumerate() {
            for (column, &number) in numbers.iter().enumerate() {
                array.set_elt(row + column * height, number)?;
            }
        }
        array.set_dim(&[height, width])?;
        return Ok(array.into());
    }
    let mut list = OwnedListSexp::new(items.len(), false)?;
    for (number, item) in items.iter().enumerate() {
        list.set_value(number, to_r(item)?)?;
    }
    Ok(list.into())
}

fn numbers(items: &[Value]) -> Option<Vec<f64>> {
    items.iter().map(Value::as_f64).collect()
}

/// The rows of a matrix; `None` if they are none, or not equally long.
fn matrix(items: &[Value]) -> Option<Vec<Vec<f64>>> {
    let rows: Option<Vec<Vec<f64>>> = items.iter().map(|row| numbers(row.as_array()?)).collect();
    rows.filter(|rows| {
        rows.first().is_some_and(|first| {
            !first.is_empty() && rows.iter().all(|row| row.len() == first.len())
        })
    })
}
