//! Files that describe a training step by step, to compare it with TensorFlow's.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use lorgnette::dataset::Split;
use lorgnette::head::{DenseLayer, Examples, Layers};
use lorgnette::net::{Tensor, npy, write_atomically};

use super::with_path;

/// The files of `--trace`.
pub(super) struct Trace {
    folder: PathBuf,
    /// `steps.csv`, a log: lines are appended and stay when the program ends.
    lines: BufWriter<fs::File>,
}

impl Trace {
    /// Writes features and classes of all splits, and begins `steps.csv`.
    pub(super) fn new(folder: &Path, examples: &[Examples; 3]) -> Result<Self> {
        with_path(fs::create_dir_all(folder), folder)?;
        for (split, examples) in Split::ALL.iter().zip(examples) {
            let name = split.name();
            let shape = [examples.len(), examples.width()];
            write_array(folder, &format!("{name}_features"), &shape, examples.features())?;
            let first_class =
                |truth: &Vec<usize>| truth.first().map_or(-1.0, |&class| class as f32);
            let classes: Vec<f32> = examples.truth().iter().map(first_class).collect();
            write_array(folder, &format!("{name}_classes"), &[classes.len()], &classes)?;
        }
        let path = folder.join("steps.csv");
        let mut lines = BufWriter::new(with_path(fs::File::create(&path), &path)?);
        with_path(writeln!(lines, "step,loss,batch"), &path)?;
        Ok(Self { folder: folder.into(), lines })
    }

    /// Writes the initial weights and biases.
    pub(super) fn start(&self, layers: &Layers) -> Result<()> {
        if let Some(hidden) = &layers.hidden {
            self.write_layer("initial_hidden_", hidden)?;
        }
        self.write_layer("initial_", &layers.last)
    }

    fn write_layer(&self, prefix: &str, layer: &DenseLayer) -> Result<()> {
        let (inputs, outputs) = (layer.inputs(), layer.outputs());
        let shape = [inputs, outputs];
        write_array(&self.folder, &format!("{prefix}weights"), &shape, &layer.weights)?;
        write_array(&self.folder, &format!("{prefix}biases"), &[outputs], &layer.biases)
    }

    /// Writes a line about a step.
    pub(super) fn step(&mut self, step: usize, batch: &[usize], loss: f64) -> Result<()> {
        let batch: Vec<String> = batch.iter().map(ToString::to_string).collect();
        with_path(writeln!(self.lines, "{step},{loss:.9},{}", batch.join(" ")), &self.folder)
    }

    /// Flushes `steps.csv`.
    pub(super) fn finish(mut self) -> Result<()> {
        with_path(self.lines.flush(), &self.folder)
    }
}

fn write_array(folder: &Path, name: &str, shape: &[usize], values: &[f32]) -> Result<()> {
    let path = folder.join(format!("{name}.npy"));
    let tensor = Tensor::from_f32(shape, values.to_vec());
    with_path(write_atomically(&path, &npy::write(&tensor)), &path)
}
