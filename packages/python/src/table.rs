//! Answers as Arrow tables, for pandas, polars and others, by the PyCapsule interface.
//!
//! ```text
//! answers as JSON, schema of their kind ─▶ columns ─▶ RecordBatch
//!     ─▶ capsule of an ArrowArrayStream
//! ```

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Float64Builder, Int64Builder, StringBuilder,
};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, ListArray, RecordBatch, RecordBatchIterator, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use serde_json::Value;

use crate::error::{OrRaise as _, wrong_value};

/// A table of answers, with a row for each photo. It has the Arrow PyCapsule interface.
#[pyclass(frozen, module = "lorgnette._lorgnette")]
#[derive(Debug)]
pub(crate) struct Table {
    batch: RecordBatch,
}

#[pymethods]
impl Table {
    /// Makes a table of answers of one kind, each as JSON; an answer about a photo that failed has
    /// a photo and an error.
    #[new]
    fn new(py: Python<'_>, kind: &str, answers: Vec<String>) -> PyResult<Self> {
        let fields = fields(kind)?;
        py.detach(|| {
            let mut rows = Vec::with_capacity(answers.len());
            for answer in &answers {
                rows.push(serde_json::from_str::<Value>(answer).map_err(wrong_value)?);
            }
            let rows: Vec<&Value> = rows.iter().collect();
            let mut columns = Vec::with_capacity(fields.len());
            for field in &fields {
                columns.push(column(field.data_type(), &items(&rows, field.name())).or_raise()?);
            }
            let schema = Arc::new(Schema::new(fields));
            Ok(Self { batch: RecordBatch::try_new(schema, columns).or_raise()? })
        })
    }

    /// The names of the columns.
    #[getter]
    fn column_names(&self) -> Vec<String> {
        self.batch.schema_ref().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Number of rows.
    fn __len__(&self) -> usize {
        self.batch.num_rows()
    }

    fn __repr__(&self) -> String {
        let columns = self.column_names().join(", ");
        format!("<lorgnette.Table: {} rows of {columns}>", self.batch.num_rows())
    }

    /// The schema, as a capsule of an `ArrowSchema`.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(&**self.batch.schema_ref()).or_raise()?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The rows, as a capsule of an `ArrowArrayStream`. Another schema is not made: as the
    /// interface allows, `requested_schema` is a wish.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches = RecordBatchIterator::new([Ok(self.batch.clone())], self.batch.schema());
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}

fn field(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

fn list(item: DataType) -> DataType {
    DataType::List(Arc::new(field("item", item)))
}

fn structure(fields: Vec<Field>) -> DataType {
    DataType::Struct(Fields::from(fields))
}

/// The columns of answers of a kind.
fn fields(kind: &str) -> PyResult<Vec<Field>> {
    use DataType::{Boolean, Float32, Float64, Int64, Utf8};
    let class = || vec![field("index", Int64), field("synset", Utf8), field("name", Utf8)];
    let class_and = |more: &[(&str, DataType)]| {
        let more = more.iter().map(|(name, data_type)| field(name, data_type.clone()));
        list(structure(class().into_iter().chain(more).collect()))
    };
    let mut fields = vec![field("photo", Utf8), field("width", Int64), field("height", Int64)];
    let more: Vec<(&str, DataType)> = match kind {
        "classification" => {
            let prediction = [("probability", Float32), ("logit", Float32)];
            vec![("model", Utf8), ("unknown", Boolean), ("predictions", class_and(&prediction))]
        }
        "embedding" => {
            vec![("model", Utf8), ("end_point", Utf8), ("embedding", list(Float32))]
        }
        "map" => {
            let entry = [("cells", Int64), ("share", Float32), ("mean_probability", Float32)];
            let region = [
                ("box", list(Int64)),
                ("place", Utf8),
                ("cells", Int64),
                ("share", Float32),
                ("probability", Float32),
                ("peak_probability", Float32),
            ];
            vec![
                ("model", Utf8),
                ("rows", Int64),
                ("columns", Int64),
                ("stride", Float64),
                ("first", list(Float64)),
                ("field", list(Float64)),
                ("cells", list(list(Int64))),
                ("legend", class_and(&entry)),
                ("regions", class_and(&region)),
            ]
        }
        "blur" => {
            let area = [
                ("box", list(Int64)),
                ("share", Float32),
                ("probability", Float32),
                ("peak_probability", Float32),
            ];
            vec![
                ("model", Utf8),
                ("share", Float32),
                ("blurred", class_and(&area)),
                ("warnings", list(Utf8)),
            ]
        }
        "faces" => {
            let face = vec![
                field("box", list(Float32)),
                field("probability", Float32),
                field("landmarks", list(list(Float32))),
                field("scale", Float32),
            ];
            vec![("model", Utf8), ("scales", list(Float32)), ("faces", list(structure(face)))]
        }
        "hit" => {
            let found = vec![
                field("name", Utf8),
                field("synset", Utf8),
                field("asked", Utf8),
                field("box", list(Int64)),
                field("probability", Float64),
                field("share", Float64),
                field("score", Float64),
            ];
            vec![("score", Float64), ("taken", Utf8), ("matches", list(structure(found)))]
        }
        _ => return Err(wrong_value(format!("{kind:?} is no kind of answers"))),
    };
    fields.extend(more.into_iter().map(|(name, data_type)| field(name, data_type)));
    if kind != "hit" {
        fields.push(field("error", Utf8));
    }
    Ok(fields)
}

/// The items of that name of objects; `null` where there is none.
fn items<'v>(objects: &[&'v Value], name: &str) -> Vec<&'v Value> {
    objects.iter().map(|object| object.get(name).unwrap_or(&Value::Null)).collect()
}

/// Makes a column; a value of another type is null.
fn column(data_type: &DataType, values: &[&Value]) -> Result<ArrayRef, ArrowError> {
    Ok(match data_type {
        DataType::Boolean => {
            let mut builder = BooleanBuilder::new();
            values.iter().for_each(|value| builder.append_option(value.as_bool()));
            Arc::new(builder.finish())
        }
        DataType::Int64 => {
            let mut builder = Int64Builder::new();
            values.iter().for_each(|value| builder.append_option(value.as_i64()));
            Arc::new(builder.finish())
        }
        DataType::Float32 => {
            let mut builder = Float32Builder::new();
            let number = |value: &Value| value.as_f64().map(|number| number as f32);
            values.iter().for_each(|value| builder.append_option(number(value)));
            Arc::new(builder.finish())
        }
        DataType::Float64 => {
            let mut builder = Float64Builder::new();
            values.iter().for_each(|value| builder.append_option(value.as_f64()));
            Arc::new(builder.finish())
        }
        DataType::Utf8 => {
            let mut builder = StringBuilder::new();
            values.iter().for_each(|value| builder.append_option(value.as_str()));
            Arc::new(builder.finish())
        }
        DataType::List(item) => {
            let lists: Vec<Option<&Vec<Value>>> =
                values.iter().map(|value| value.as_array()).collect();
            let lengths = lists.iter().map(|list| list.map_or(0, Vec::len));
            let offsets = OffsetBuffer::from_lengths(lengths);
            let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
            let inner: Vec<&Value> = lists.iter().flatten().copied().flatten().collect();
            let inner = column(item.data_type(), &inner)?;
            Arc::new(ListArray::try_new(item.clone(), offsets, inner, Some(nulls))?)
        }
        DataType::Struct(fields) => {
            let mut columns = Vec::with_capacity(fields.len());
            for field in fields {
                columns.push(column(field.data_type(), &items(values, field.name()))?);
            }
            Arc::new(StructArray::try_new(fields.clone(), columns, None)?)
        }
        other => return Err(ArrowError::NotYetImplemented(other.to_string())),
    })
}
