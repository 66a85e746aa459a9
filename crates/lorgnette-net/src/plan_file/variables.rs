//! The variables of a plan file. Small ones are in the file; packed ones are read from the original
//! model if they are needed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::format;
use crate::error::{Error, Result};
use crate::graph::Op;
use crate::lazy_tensor::{LazyTensor, TensorSource};
use crate::options::LoadOptions;
use crate::source::ModelSource;
use crate::tensor::{DType, Tensor};
use crate::weights::{Variables, fits, missing, wrong_shape};

/// The variables of a plan file.
#[derive(Debug)]
pub(super) struct PlanFileVariables {
    variables: BTreeMap<String, Variable>,
    model: Arc<OriginalModel>,
}

#[derive(Debug)]
struct Variable {
    dtype: DType,
    shape: Vec<usize>,
    contents: Option<Bytes>,
}

/// The original model, opened at the first use.
#[derive(Debug)]
struct OriginalModel {
    plan_file: PathBuf,
    path: PathBuf,
    options: LoadOptions,
    source: OnceLock<std::result::Result<ModelSource, String>>,
}

impl PlanFileVariables {
    pub(super) fn new(
        plan_file: &Path,
        variables: Vec<format::Variable>,
        model: &Path,
        options: LoadOptions,
    ) -> Self {
        let model = OriginalModel {
            plan_file: plan_file.into(),
            path: model.into(),
            options,
            source: OnceLock::new(),
        };
        Self {
            variables: variables
                .into_iter()
                .filter_map(|stored: format::Variable| {
                    let shape = stored
                        .shape
                        .iter()
                        .map(|&length| usize::try_from(length).unwrap_or(usize::MAX))
                        .collect();
                    let dtype = DType::from_tensorflow(stored.dtype)?;
                    Some((stored.name, Variable { dtype, shape, contents: stored.contents }))
                })
                .collect(),
            model: Arc::new(model),
        }
    }

    fn find(&self, name: &str, shape: &[Option<usize>]) -> Result<&Variable> {
        let entries = || {
            self.variables.iter().map(|(name, variable)| (name.as_str(), variable.shape.as_slice()))
        };
        let variable = self.variables.get(name).ok_or_else(|| missing(name, shape, entries()))?;
        if fits(&variable.shape, shape) {
            Ok(variable)
        } else {
            Err(wrong_shape(name, &variable.shape, shape))
        }
    }
}

impl Variables for PlanFileVariables {
    fn variable(&self, name: &str, shape: &[Option<usize>]) -> Result<Tensor> {
        let Variable { dtype, shape, contents } = self.find(name, shape)?;
        match contents {
            None => self.model.read(name),
            Some(bytes) => Tensor::from_shared(*dtype, shape.clone(), bytes.clone())
                .ok_or_else(|| self.model.refused(name, "has not the bytes of its shape")),
        }
    }

    fn operand(&self, name: &str, shape: &[Option<usize>]) -> Result<Op> {
        let Variable { dtype, shape: stored_shape, contents } = self.find(name, shape)?;
        if contents.is_some() {
            return self.variable(name, shape).map(Op::Const);
        }
        let tensor = ModelTensor { name: name.into(), model: self.model.clone() };
        Ok(Op::Variable(LazyTensor::new(*dtype, stored_shape.clone(), Arc::new(tensor))))
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.variables.get(name).map(|variable| variable.shape.clone())
    }
}

/// A variable that the plan file contains only in packed form.
#[derive(Debug)]
struct ModelTensor {
    name: String,
    model: Arc<OriginalModel>,
}

impl TensorSource for ModelTensor {
    fn read(&self) -> Result<Tensor> {
        self.model.read(&self.name)
    }
}

impl OriginalModel {
    fn read(&self, name: &str) -> Result<Tensor> {
        let opened = self.source.get_or_init(|| {
            ModelSource::open(&self.path, &self.options).map_err(|error| error.to_string())
        });
        let source = opened.as_ref().map_err(|error| {
            self.refused(
                name,
                &format!(
                    "is needed in another form than it is packed in, and the model is gone: {error}"
                ),
            )
        })?;
        source
            .value(name)?
            .ok_or_else(|| self.refused(name, "is needed, and the model has it no more"))?
            .tensor()
    }

    fn refused(&self, name: &str, what: &str) -> Error {
        Error::Variable { path: self.plan_file.clone(), name: name.into(), what: what.into() }
    }
}
