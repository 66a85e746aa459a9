//! Writing a network in other formats.

use std::path::{Path, PathBuf};

use super::{Network, SharedModel};
use crate::atomic_file::write_with;
use crate::error::{Error, Result};
use crate::events::write_graph_event;
use crate::export;
use crate::graph::shape::TypedGraph;
use crate::passes::optimise;
use crate::plan_file;
use crate::source::node_name;
use crate::weights::write_bundle;

impl Network {
    /// Writes the network as a frozen GraphDef that computes `fetches`, by TensorFlow tensor name,
    /// from pictures of `size` (rows and columns). A graph keeps its own nodes; a network of the
    /// zoo has those that TF-Slim draws. `notes` are names and texts that become constants, for
    /// [`metadata`](Self::metadata). The file gets its name when it is whole.
    ///
    /// # Errors
    /// If a name is not there, or a variable cannot be read; if it would be longer than a
    /// GraphDef's 2 GiB; what the system refuses.
    pub fn write_frozen(
        &self,
        path: &Path,
        fetches: &[&str],
        size: [usize; 2],
        notes: &[(String, String)],
    ) -> Result<()> {
        let mut nodes = self.model.source.frozen(fetches, size)?;
        nodes.retain(|node| notes.iter().all(|(name, _)| node.def.name != *name));
        nodes.extend(notes.iter().map(|(name, text)| export::note(name, text)));
        write_with(path, |out| export::write_graph(out, &nodes, &self.run_options.pool))
    }

    /// Writes the network as an ONNX file (operator set 18) that computes `fetches`, by TensorFlow
    /// tensor name, from pictures of `size` (rows and columns): `[batch, rows, columns, channels]`,
    /// as TensorFlow takes them. `notes` are names and values for those who read the file. The file
    /// gets its name when it is whole.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with all nodes that ONNX has no operator for,
    /// [`Error::DecodesPhotos`] for a graph that decodes photos itself; if a variable cannot be
    /// read, or the file would be longer than 2 GiB; what the system refuses.
    pub fn write_onnx(
        &self,
        path: &Path,
        fetches: &[&str],
        size: [usize; 2],
        notes: &[(String, String)],
    ) -> Result<()> {
        let signature = self.signature()?;
        if signature.input.takes_decoded_image {
            return Err(Error::DecodesPhotos { name: self.place() });
        }
        let outputs: Vec<String> = fetches.iter().map(|&name| node_name(name).to_owned()).collect();
        let [one, two] =
            [1, 2].map(|batch| Ok(optimise(self.typed(&signature, fetches, batch, size)?)));
        let (one, two): (TypedGraph, Result<TypedGraph>) = (one?, two);
        let source = export::onnx::Source { one: &one, two: two.as_ref().ok(), outputs: &outputs };
        // A graph that is made for one picture is still worth having.
        let translated = export::onnx::translate(source).or_else(|error| match source.two {
            Some(_) => export::onnx::translate(export::onnx::Source { two: None, ..source }),
            None => Err(error),
        })?;
        write_with(path, |out| export::onnx::write(out, self.name(), &translated, notes))
    }

    /// Writes an event file with the graph into a folder, for TensorBoard: scopes as TF-Slim names
    /// them, shapes on the edges for pictures of `size` (rows and columns), no weights. Gives the
    /// file's path.
    ///
    /// # Errors
    /// If the network does not take pictures of that size; what the system refuses.
    pub fn write_event_file(&self, folder: &Path, size: [usize; 2]) -> Result<PathBuf> {
        let signature = self.signature()?;
        let answer = signature.probabilities.as_deref().unwrap_or(&signature.logits);
        let (nodes, variables) = self.model.source.nodes_for_display(&[answer], size)?;
        let shapes = export::shapes(
            &self.typed(&signature, &[answer], 1, size)?,
            &self.typed(&signature, &[answer], 2, size)?,
        );
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        let graph = export::graph_def(export::for_display(nodes, &variables, &shapes));
        write_graph_event(folder, graph)
    }

    /// Writes the variables that `fetches` need as a V2 checkpoint: `PREFIX.index`,
    /// `PREFIX.data-00000-of-00001`, and the folder's `checkpoint` file. Of a frozen graph, the
    /// constants that freezing made of variables.
    ///
    /// # Errors
    /// If a variable cannot be read, or there are none; what the system refuses.
    pub fn write_checkpoint(&self, prefix: &Path, fetches: &[&str]) -> Result<()> {
        write_bundle(prefix, &self.model.source.variables(fetches)?, &self.run_options.pool)
    }

    /// Writes a plan file: the network with the weights packed that the plans made so far need, for
    /// this CPU level and in the formats of this network's options, which it is opened with again.
    /// Opened like any model, it starts at once. It is noted which file the model is from; when
    /// that changes, or the level or this program does, the plan file is
    /// [stale](Self::stale_plan_file).
    ///
    /// # Errors
    /// [`Error::Input`] for a network of which nothing is planned yet; if a variable cannot be
    /// read; what the system refuses.
    pub fn write_plan_file(&self, path: &Path) -> Result<()> {
        let SharedModel { name, file, source, weight_cache, plans, .. } = &*self.model;
        // Small filters of integers are not packed.
        if weight_cache.entries().is_empty() && plans.is_empty() {
            return Err(Error::Input(format!(
                "{name}: nothing is planned yet that a plan file could hold"
            )));
        }
        let signature = self.signature()?;
        let answers = [
            Some(&signature.logits),
            signature.probabilities.as_ref(),
            signature.features.as_ref(),
        ];
        let fetches: Vec<&str> = answers.into_iter().flatten().map(String::as_str).collect();
        let model = plan_file::PlanFileModel {
            name,
            file: file.as_deref(),
            source,
            weight_cache,
            load: &self.load_options,
            run: &self.run_options,
        };
        plan_file::write(path, &model, &fetches)
    }
}
