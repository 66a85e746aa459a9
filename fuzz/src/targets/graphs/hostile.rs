//! Graphs of a few hundred bytes that request as much memory and time as possible.

use super::Sample;
use crate::mutate::graph::{Attribute, write_node};

const MIB: i64 = 1 << 20;

/// One graph for each way in which a few bytes may grow: constants, values computed from them,
/// index tables, packed weights.
pub(super) fn samples() -> Vec<Sample> {
    let makers: [&dyn Fn(&mut Graph); 13] = [
        &|graph: &mut Graph| {
            graph.floats("a", &[8 * MIB]);
            graph.floats("b", &[2 * MIB]);
            graph.node("answer", "Identity", &["a"]);
        },
        &|graph: &mut Graph| {
            graph.floats("a", &[2, 2, 2, 2, MIB / 4]);
            graph.node("answer", "Mul", &["a", "a"]);
        },
        &|graph: &mut Graph| {
            graph.numbers("a", &[4 * MIB], 3);
            graph.node("answer", "FloorDiv", &["a", "a"]);
        },
        &|graph: &mut Graph| {
            graph.numbers("a", &[8 * MIB], 3);
            graph.numbers("times", &[1], 2);
            graph.node("tiled", "Tile", &["a", "times"]);
            graph.node("remainder", "FloorMod", &["a", "a"]);
            graph.node("answer", "Concat", &["axis", "tiled", "remainder"]);
            graph.numbers("axis", &[], 0);
        },
        &|graph: &mut Graph| {
            graph.floats("a", &[64]);
            graph.cast("b", "a", 10);
            graph.node("answer", "Pack", &["a", "b"]);
        },
        &|graph: &mut Graph| {
            graph.placeholder("x", &[1, 2, 1, 2, 1, 2]);
            graph.placeholder("y", &[2, 1, 2]);
            graph.node("over zero", "Relu", &["x"]);
            graph.node("answer", "Maximum", &["over zero", "y"]);
        },
        &|graph: &mut Graph| {
            graph.floats("a", &[8, MIB]);
            graph.numbers("axes", &[1], 0);
            graph.node("answer", "Max", &["a", "axes"]);
        },
        &|graph: &mut Graph| {
            graph.numbers("a", &[2 * MIB], 7);
            graph.cast("as floats", "a", FLOAT);
            graph.cast("answer", "as floats", 10);
        },
        &|graph: &mut Graph| {
            graph.floats("x", &[1, 512, 512, 4]);
            graph.floats("filter", &[128, 128, 4, 1]);
            graph.convolution("answer", "x", "filter");
        },
        &|graph: &mut Graph| {
            graph.placeholder("x", &[2, MIB]);
            graph.numbers("axes", &[1], 0);
            let mut last = "x".to_owned();
            for i in 0..24 {
                let name = format!("reversed {i}");
                graph.node(&name, "ReverseV2", &[&last, "axes"]);
                last = name;
            }
            graph.node("answer", "Relu", &[&last]);
        },
        &|graph: &mut Graph| {
            graph.placeholder("x", &[2, MIB]);
            graph.numbers("axes", &[1], 1);
            graph.node("least", "Min", &["x", "axes"]);
            graph.node("greatest", "Max", &["x", "axes"]);
            graph.node("answer", "Sub", &["least", "greatest"]);
        },
        &|graph: &mut Graph| {
            graph.placeholder("x", &[1, 1, 1, MIB]);
            graph.floats("filter", &[1, 1, MIB, 1]);
            graph.convolution("answer", "x", "filter");
        },
        &|graph: &mut Graph| {
            graph.numbers("start", &[], 0);
            graph.numbers("limit", &[], 4 * MIB);
            graph.numbers("step", &[], 1);
            graph.node("answer", "Range", &["start", "limit", "step"]);
        },
    ];
    makers.into_iter().map(|make| Graph::made_by(make)).collect()
}

const FLOAT: u64 = 1;
const INT32: u64 = 3;

/// A graph that is being written.
#[derive(Default)]
struct Graph(Vec<u8>);

impl Graph {
    fn made_by(make: &dyn Fn(&mut Self)) -> Sample {
        let mut graph = Self::default();
        make(&mut graph);
        Sample { file: graph.0, feeds: Vec::new(), fetches: vec!["answer".into()] }
    }

    fn node(&mut self, name: &str, op: &str, inputs: &[&str]) {
        write_node(&mut self.0, name, op, inputs, &[]);
    }

    /// Adds a constant of one repeated float.
    fn floats(&mut self, name: &str, shape: &[i64]) {
        write_node(&mut self.0, name, "Const", &[], &[("value", Attribute::Floats(shape, 0.5))]);
    }

    /// Adds a constant of one repeated integer.
    fn numbers(&mut self, name: &str, shape: &[i64], number: i64) {
        write_node(
            &mut self.0,
            name,
            "Const",
            &[],
            &[("value", Attribute::Numbers(shape, number))],
        );
    }

    fn placeholder(&mut self, name: &str, shape: &[i64]) {
        let attributes = [("dtype", Attribute::Type(FLOAT)), ("shape", Attribute::Shape(shape))];
        write_node(&mut self.0, name, "Placeholder", &[], &attributes);
    }

    fn cast(&mut self, name: &str, input: &str, to: u64) {
        let attributes = [("SrcT", Attribute::Type(INT32)), ("DstT", Attribute::Type(to))];
        write_node(&mut self.0, name, "Cast", &[input], &attributes);
    }

    fn convolution(&mut self, name: &str, input: &str, filter: &str) {
        let attributes =
            [("strides", Attribute::List(&[1, 1, 1, 1])), ("padding", Attribute::Text("SAME"))];
        write_node(&mut self.0, name, "Conv2D", &[input, filter], &attributes);
    }
}
