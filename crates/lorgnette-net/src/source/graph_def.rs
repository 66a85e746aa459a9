//! A GraphDef as a source of networks.

use std::path::Path;

use super::ModelFormat;
use crate::error::Result;
use crate::export;
use crate::graph::{Graph, TensorOrLazy};
use crate::import::{Decoding, GraphDef, Signature};
use crate::tensor::Tensor;

impl ModelFormat for GraphDef {
    fn file(&self) -> &Path {
        self.path()
    }

    fn graph(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Graph> {
        let names: Vec<&str> = feeds.iter().map(|feed| feed.0).collect();
        Self::graph(self, &names, settings, fetches)
    }

    fn signature(&self, input: Option<&str>, output: Option<&str>) -> Result<Signature> {
        Self::signature(self, input, output)
    }

    fn frozen(&self, fetches: &[&str], _size: [usize; 2]) -> Result<Vec<export::Node>> {
        export::frozen(self, fetches)
    }

    fn nodes_for_display(
        &self,
        _fetches: &[&str],
        _size: [usize; 2],
    ) -> Result<(Vec<export::Node>, Vec<String>)> {
        let nodes = self.nodes().iter();
        let nodes = nodes.map(|def| export::Node { def: def.clone(), value: None }).collect();
        Ok((nodes, Vec::new()))
    }

    fn variables(&self, fetches: &[&str]) -> Result<Vec<(String, TensorOrLazy)>> {
        export::variables(self, fetches)
    }

    fn value(&self, name: &str) -> Result<Option<TensorOrLazy>> {
        let Some(node) = self.nodes().iter().find(|node| node.name == name) else {
            return Ok(None);
        };
        let variable = self.variable(node).transpose()?;
        Ok(variable.or_else(|| self.constant(node).map(TensorOrLazy::Tensor)))
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(Self::names(self))
    }

    fn decoder(&self, name: &str) -> Option<&str> {
        Self::decoder(self, name)
    }

    fn decoding(&self, name: &str) -> Result<Option<Decoding>> {
        self.decoding_of(name)
    }
}
