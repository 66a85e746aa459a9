//! A `.tflite` file from tensors and operators.

use super::builder::{Field, Object, finish};
use super::schema::{
    self, FILE_IDENTIFIER, buffer, metadata, model, operator, operator_code, quantization,
    subgraph, tensor,
};
use crate::tensor::DType;

/// A model to be written: one subgraph.
#[derive(Debug, Default)]
pub(crate) struct NewModel {
    pub(crate) description: String,
    pub(crate) tensors: Vec<NewTensor>,
    pub(crate) operators: Vec<NewOperator>,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    /// Names and texts for those who read the file.
    pub(crate) metadata: Vec<(String, String)>,
}

/// A tensor.
#[derive(Clone, Debug)]
pub(crate) struct NewTensor {
    pub(crate) name: String,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// The elements of a constant.
    pub(crate) constant: Option<Vec<u8>>,
    pub(crate) quantization: Option<NewQuantization>,
}

/// `real = scale · (stored − zero_point)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NewQuantization {
    /// One scale, or one for each index of `dimension`.
    pub(crate) scales: Vec<f32>,
    pub(crate) zero_point: i64,
    pub(crate) dimension: usize,
}

/// An operator.
#[derive(Clone, Debug)]
pub(crate) struct NewOperator {
    /// Its name in the schema.
    pub(crate) builtin: &'static str,
    pub(crate) version: i32,
    pub(crate) inputs: Vec<usize>,
    pub(crate) outputs: Vec<usize>,
    /// The number of its options' type in the schema's union, and their fields.
    pub(crate) options: Option<(u8, Vec<(usize, NewOption)>)>,
}

/// A field of an operator's options.
#[derive(Clone, Debug)]
pub(crate) enum NewOption {
    Flag(bool),
    Choice(u8),
    Int(i32),
    Float(f32),
    Ints(Vec<i32>),
}

impl NewModel {
    /// Returns the file.
    ///
    /// # Panics
    /// If it would be 4 GiB long, or an operator is not in the schema.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut buffers = vec![Object::Table(Vec::new())];
        let mut add_buffer = |bytes: Vec<u8>| {
            let content = Field::Object(Object::Bytes(bytes));
            buffers.push(Object::Table(vec![(buffer::DATA, content)]));
            Field::I32((buffers.len() - 1) as i32)
        };
        let tensors = self.tensors.iter().map(|tensor| tensor.table(&mut add_buffer)).collect();
        let notes: Vec<Object> = self
            .metadata
            .iter()
            .map(|(name, text)| {
                let content = add_buffer(text.clone().into_bytes());
                Object::Table(vec![(metadata::NAME, of_text(name)), (metadata::BUFFER, content)])
            })
            .collect();
        let mut codes: Vec<(&str, i32)> = Vec::new();
        let operators = self
            .operators
            .iter()
            .map(|operator| {
                let code = (operator.builtin, operator.version);
                let known = codes.iter().position(|known| *known == code);
                let index = known.unwrap_or_else(|| {
                    codes.push(code);
                    codes.len() - 1
                });
                operator.table(index)
            })
            .collect();
        let graph = Object::Table(vec![
            (subgraph::TENSORS, Field::Object(Object::Tables(tensors))),
            (subgraph::INPUTS, of_indices(&self.inputs)),
            (subgraph::OUTPUTS, of_indices(&self.outputs)),
            (subgraph::OPERATORS, Field::Object(Object::Tables(operators))),
            (subgraph::NAME, of_text("main")),
        ]);
        let codes =
            codes.into_iter().map(|(builtin, version)| code_table(builtin, version)).collect();
        let root = Object::Table(vec![
            (model::VERSION, Field::I32(3)),
            (model::OPERATOR_CODES, Field::Object(Object::Tables(codes))),
            (model::SUBGRAPHS, Field::Object(Object::Tables(vec![graph]))),
            (model::DESCRIPTION, of_text(&self.description)),
            (model::BUFFERS, Field::Object(Object::Tables(buffers))),
            (model::METADATA, Field::Object(Object::Tables(notes))),
        ]);
        finish(&root, *FILE_IDENTIFIER)
    }
}

impl NewTensor {
    fn table(&self, add_buffer: &mut impl FnMut(Vec<u8>) -> Field) -> Object {
        let mut fields = vec![
            (tensor::SHAPE, of_indices(&self.shape)),
            (tensor::TYPE, Field::U8(schema::type_number(self.dtype))),
            (tensor::NAME, of_text(&self.name)),
        ];
        if let Some(bytes) = &self.constant {
            fields.push((tensor::BUFFER, add_buffer(bytes.clone())));
        }
        if let Some(NewQuantization { scales, zero_point, dimension }) = &self.quantization {
            let zero_points = vec![*zero_point; scales.len()];
            let parameters = Object::Table(vec![
                (quantization::SCALE, Field::Object(Object::F32s(scales.clone()))),
                (quantization::ZERO_POINT, Field::Object(Object::I64s(zero_points))),
                (quantization::DIMENSION, Field::I32(*dimension as i32)),
            ]);
            fields.push((tensor::QUANTIZATION, Field::Object(parameters)));
        }
        Object::Table(fields)
    }
}

impl NewOperator {
    fn table(&self, code: usize) -> Object {
        let mut fields = vec![
            (operator::CODE, Field::I32(code as i32)),
            (operator::INPUTS, of_indices(&self.inputs)),
            (operator::OUTPUTS, of_indices(&self.outputs)),
        ];
        if let Some((kind, options)) = &self.options {
            let options = options.iter().map(|(number, option)| (*number, option.field()));
            fields.push((operator::OPTIONS_TYPE, Field::U8(*kind)));
            fields.push((operator::OPTIONS, Field::Object(Object::Table(options.collect()))));
        }
        Object::Table(fields)
    }
}

impl NewOption {
    fn field(&self) -> Field {
        match self {
            Self::Flag(flag) => Field::U8(u8::from(*flag)),
            Self::Choice(choice) => Field::U8(*choice),
            Self::Int(number) => Field::I32(*number),
            Self::Float(number) => Field::F32(*number),
            Self::Ints(numbers) => Field::Object(Object::I32s(numbers.clone())),
        }
    }
}

/// An operator code. Numbers beyond 127 have a field of their own.
fn code_table(builtin: &str, version: i32) -> Object {
    let number = schema::builtin_number(builtin).expect("a builtin operator");
    Object::Table(vec![
        (operator_code::DEPRECATED_BUILTIN, Field::U8(number.min(127) as u8)),
        (operator_code::VERSION, Field::I32(version)),
        (operator_code::BUILTIN, Field::I32(number)),
    ])
}

fn of_text(text: &str) -> Field {
    Field::Object(Object::Text(text.to_owned()))
}

fn of_indices(numbers: &[usize]) -> Field {
    Field::Object(Object::I32s(numbers.iter().map(|&n| n as i32).collect()))
}
