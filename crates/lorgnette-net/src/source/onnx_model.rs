//! An ONNX model as a source of networks.

use std::path::Path;

use super::ModelFormat;
use crate::error::Result;
use crate::export;
use crate::graph::{Graph, TensorOrLazy};
use crate::import::Signature;
use crate::onnx::OnnxModel;
use crate::tensor::Tensor;

impl ModelFormat for OnnxModel {
    fn file(&self) -> &Path {
        self.path()
    }

    fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        Self::graph(self, feeds, settings, fetches)
    }

    fn signature(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        Self::signature(self, input, output)
    }

    fn frozen(&self, fetches: &[&str], [height, width]: [usize; 2]) -> Result<Vec<export::Node>> {
        let input = Self::signature(self, None, None)?.input;
        let channels = input.shape.and_then(|shape| shape.last().copied().flatten()).unwrap_or(3);
        let shape = [1, height, width, channels];
        let graph = Self::graph(self, &[(&input.name, &shape)], &[], fetches)?;
        export::to_graph_def(&graph, [height, width])
    }

    fn nodes_for_display(
        &self,
        _fetches: &[&str],
        _size: [usize; 2],
    ) -> Result<(Vec<export::Node>, Vec<String>)> {
        Ok((Self::nodes_for_display(self), Vec::new()))
    }

    fn variables(&self, fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
        Self::variables(self, fetches)
    }

    fn value(&self, name: &str) -> Result<Option<TensorOrLazy>> {
        Ok(Self::value(self, name))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(Self::names(self))
    }
}
