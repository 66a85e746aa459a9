//! Answers as JSON.

use crate::failure::{Failure, Outcome};
use crate::json::{write_string, write_tf_f32};
use crate::served::{Inference, OutputTensor, Served};

/// Answers a request in row form: `predictions`, a value for each instance, or an object if there
/// are several outputs.
///
/// # Errors
/// If an output has no batch dimension.
pub(super) fn rows(inference: &Inference) -> Outcome<String> {
    let outputs = &inference.outputs;
    let length = outputs.first().and_then(|output| output.shape.first().copied()).unwrap_or(0);
    if outputs.iter().any(|output| !output.has_batch || output.shape[0] != length) {
        let message = "the outputs have no batch dimension: send the request in column form, with \
                       'inputs'";
        return Err(Failure::invalid(message));
    }
    let mut out = String::from("{\n    \"predictions\": [");
    for row in 0..length {
        out.push_str(if row == 0 { "" } else { ", " });
        if let [output] = &outputs[..] {
            write_row(&mut out, output, row);
            continue;
        }
        out.push_str("\n        {");
        for (number, output) in outputs.iter().enumerate() {
            out.push_str(if number == 0 { "\n            " } else { ",\n            " });
            write_string(&mut out, &output.name);
            out.push_str(": ");
            write_row(&mut out, output, row);
        }
        out.push_str("\n        }");
    }
    out.push_str("\n    ]\n}");
    Ok(out)
}

/// Answers a request in column form: `outputs`, a tensor, or an object if there are several.
pub(super) fn columns(inference: &Inference) -> String {
    let mut out = String::from("{\n    \"outputs\": ");
    if let [output] = &inference.outputs[..] {
        write_tensor(&mut out, &output.shape, &output.values);
    } else {
        out.push('{');
        for (number, output) in inference.outputs.iter().enumerate() {
            out.push_str(if number == 0 { "\n        " } else { ",\n        " });
            write_string(&mut out, &output.name);
            out.push_str(": ");
            write_tensor(&mut out, &output.shape, &output.values);
        }
        out.push_str("\n    }");
    }
    out.push_str("\n}");
    out
}

/// Answers a request of classify: labels and scores of every example, in the network's order.
pub(super) fn classifications(served: &Served, inference: &Inference) -> String {
    let output = &inference.outputs[0];
    let classes = output.values.len() / inference.batch.max(1);
    let mut out = String::from("{\n    \"results\": [");
    for (number, scores) in output.values.chunks(classes.max(1)).enumerate() {
        out.push_str(if number == 0 { "[" } else { ", [" });
        for (index, &score) in scores.iter().enumerate() {
            out.push_str(if index == 0 { "[" } else { ", [" });
            write_string(&mut out, served.label(index).unwrap_or_default());
            out.push_str(", ");
            write_tf_f32(&mut out, score);
            out.push(']');
        }
        out.push(']');
    }
    out.push_str("\n    ]\n}");
    out
}

/// Answers a request of regress: a value for every example.
pub(super) fn regressions(inference: &Inference) -> String {
    let mut out = String::from("{\n    \"results\": ");
    let values = &inference.outputs[0].values;
    write_tensor(&mut out, &[values.len()], values);
    out.push_str("\n}");
    out
}

fn write_row(out: &mut String, output: &OutputTensor, row: usize) {
    let length = output.values.len() / output.shape[0].max(1);
    write_tensor(out, &output.shape[1..], &output.values[row * length..][..length]);
}

fn write_tensor(out: &mut String, shape: &[usize], values: &[f32]) {
    let Some((&length, rest)) = shape.split_first() else {
        if let [value] = values {
            write_tf_f32(out, *value);
        }
        return;
    };
    out.push('[');
    let size = values.len() / length.max(1);
    for (number, values) in values.chunks(size.max(1)).enumerate() {
        out.push_str(if number == 0 { "" } else { ", " });
        write_tensor(out, rest, values);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Times;

    fn inference(outputs: &[(&str, &[usize], &[f32])]) -> Inference {
        let output = |&(name, shape, values): &(&str, &[usize], &[f32])| OutputTensor {
            name: name.into(),
            shape: shape.into(),
            values: values.into(),
            has_batch: true,
        };
        let outputs = outputs.iter().map(output).collect();
        Inference { outputs, times: Times::default(), batch: 2 }
    }

    #[test]
    fn one_output_is_a_list_and_several_are_objects() {
        let one = inference(&[("a", &[2, 2], &[1.0, 0.5, f32::NAN, 3.0])]);
        let text = rows(&one).expect("it has rows");
        assert_eq!(text, "{\n    \"predictions\": [[1.0, 0.5], [NaN, 3.0]\n    ]\n}");
        assert_eq!(columns(&one), "{\n    \"outputs\": [[1.0, 0.5], [NaN, 3.0]]\n}");
        let two = inference(&[("a", &[2], &[1.0, 2.0]), ("b", &[2, 1], &[3.0, 4.0])]);
        let text: String = rows(&two).expect("rows").split_whitespace().collect();
        assert_eq!(text, r#"{"predictions":[{"a":1.0,"b":[3.0]},{"a":2.0,"b":[4.0]}]}"#);
        let text: String = columns(&two).split_whitespace().collect();
        assert_eq!(text, r#"{"outputs":{"a":[1.0,2.0],"b":[[3.0],[4.0]]}}"#);
    }
}
