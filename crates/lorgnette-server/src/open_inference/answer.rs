//! Answers of `infer`.

use std::fmt::Write as _;

use bytes::BytesMut;

use super::binary::{write_f32 as raw_f32, write_strings};
use super::request::RequestedOutput;
use super::tensors::classified;
use crate::failure::Outcome;
use crate::json::{write_f32, write_string};
use crate::served::{Inference, OutputTensor, Served, shape_text};

/// An answer: JSON, and the binary tensors behind it.
pub(super) struct Answer {
    pub(super) json: String,
    pub(super) binary: BytesMut,
}

impl Answer {
    pub(super) fn new(
        served: &Served,
        id: Option<String>,
        inference: &Inference,
        requested: &[RequestedOutput],
        is_binary: bool,
    ) -> Outcome<Self> {
        let mut answer = Self { json: String::from("{"), binary: BytesMut::new() };
        if let Some(id) = id {
            answer.json.push_str("\"id\":");
            write_string(&mut answer.json, &id);
            answer.json.push(',');
        }
        answer.json.push_str("\"model_name\":");
        write_string(&mut answer.json, &served.name);
        let written =
            write!(answer.json, ",\"model_version\":\"{}\",\"outputs\":[", served.version);
        debug_assert!(written.is_ok(), "writing to a string does not fail");
        for (number, output) in inference.outputs.iter().enumerate() {
            answer.json.push_str(if number == 0 { "" } else { "," });
            let request = requested.get(number);
            let is_binary = request.map_or(is_binary, |request| request.is_binary);
            match request.and_then(|request| request.classification) {
                Some(classes) => answer.add_classes(served, output, classes, is_binary),
                None => answer.add_values(output, is_binary),
            }
        }
        answer.json.push_str("]}");
        Ok(answer)
    }

    fn add_values(&mut self, output: &OutputTensor, is_binary: bool) {
        self.begin(&output.name, "FP32", &output.shape);
        if is_binary {
            self.add_binary(&raw_f32(&output.values));
        } else {
            self.json.push_str(",\"data\":[");
            for (number, &value) in output.values.iter().enumerate() {
                self.json.push_str(if number == 0 { "" } else { "," });
                write_f32(&mut self.json, value);
            }
            self.json.push(']');
        }
        self.json.push('}');
    }

    fn add_classes(
        &mut self,
        served: &Served,
        output: &OutputTensor,
        classes: usize,
        is_binary: bool,
    ) {
        let (shape, strings) = classified(served, output, classes);
        self.begin(&output.name, "BYTES", &shape);
        if is_binary {
            self.add_binary(&write_strings(&strings));
        } else {
            self.json.push_str(",\"data\":[");
            for (number, string) in strings.iter().enumerate() {
                self.json.push_str(if number == 0 { "" } else { "," });
                write_string(&mut self.json, string);
            }
            self.json.push(']');
        }
        self.json.push('}');
    }

    fn begin(&mut self, name: &str, datatype: &str, shape: &[usize]) {
        self.json.push_str("{\"name\":");
        write_string(&mut self.json, name);
        let shape = shape_text(shape);
        let _ = write!(self.json, ",\"datatype\":\"{datatype}\",\"shape\":{shape}");
    }

    fn add_binary(&mut self, bytes: &[u8]) {
        let _ = write!(self.json, ",\"parameters\":{{\"binary_data_size\":{}}}", bytes.len());
        self.binary.extend_from_slice(bytes);
    }
}
