//! Planning and running a network.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Network, input_channels};
use crate::dense::{self, DenseGraph, DenseOptions, ReceptiveField};
use crate::error::{Error, Result};
use crate::graph::NodeId;
use crate::graph::quantized::{Scale, with_real_outputs};
use crate::graph::shape::{Fact, TypedGraph};
use crate::graph::shape_inference::infer_shapes;
use crate::passes::optimise;
use crate::plan::{Plan, PlanOptions};
use crate::plan_cache::{DenseGeometry, PlanKey, PlannedRun};
use crate::session::Session;
use crate::source::{ModelSource, node_name};
use crate::tensor::Tensor;

/// A session that computes a map: scores for every position of a picture.
#[derive(Clone, Debug)]
pub struct DenseSession {
    /// One input, the picture, and one output, the scores, `[1, rows, columns, classes]`; then
    /// those of the second mean, if it was asked for and the network reads one; last the features,
    /// `[1, rows, columns, channels]`, if they were asked for.
    pub session: Session,
    /// The receptive fields of the map's rows.
    pub rows: ReceptiveField,
    /// The receptive fields of its columns.
    pub columns: ReceptiveField,
    /// Whether channels are weighted by means over the whole picture (squeeze and excitation), so
    /// that the map of a tile is not a part of the map.
    pub has_global_context: bool,
    /// Whether the classification layers read a mean over the features, so that the mean of the
    /// scores of several cells is the answer for their windows together.
    pub averages: bool,
}

impl Network {
    /// Opens a session that computes `fetches` from `feeds` of these shapes, all by TensorFlow
    /// tensor name. The plan is made once for each set of shapes and shared by all sessions; a
    /// second caller that asks for it meanwhile waits. A batch is fed as one tensor, its first
    /// dimension the number of pictures.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Unsupported`], [`Error::Node`] for errors in the graph,
    /// [`Error::Input`] for shapes it does not take, [`Error::MissingInput`] for an input that is
    /// needed too, [`Error::Memory`] if the activations exceed the limit.
    pub fn session(&self, feeds: &[(&str, &[usize])], fetches: &[&str]) -> Result<Session> {
        self.session_with(feeds, &[], fetches)
    }

    /// As [`Network::session`], with inputs that are settings: a flag such as `is_training`, a
    /// number such as `keep_prob`. They become constants of the plan, so that branches are resolved
    /// and dropout is removed.
    ///
    /// # Errors
    /// As [`Network::session`].
    pub fn session_with(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Session> {
        let planned = self.planned(feeds, settings, fetches)?;
        let is_fed =
            |name: &str| feeds.iter().any(|&(feed, _)| feed == name || node_name(feed) == name);
        match planned.plan.inputs().iter().find(|port| !is_fed(&port.name)) {
            Some(port) => Err(Error::MissingInput { name: port.name.clone() }),
            None => Ok(self.session_for(planned)),
        }
    }

    /// Opens a session that answers for every position of a picture of `size` (rows and columns).
    /// The network is rewritten as `dense` says; windows that cover a whole picture are as large as
    /// for pictures of `window`, for which it was trained.
    ///
    /// # Errors
    /// As [`Network::session`]; [`Error::Node`] for an operation that cannot be applied at every
    /// position.
    pub fn dense_session(
        &self,
        dense: DenseOptions,
        window: [usize; 2],
        size: [usize; 2],
    ) -> Result<DenseSession> {
        self.dense_session_of(dense, window, size, None)
    }

    /// As [`Network::dense_session`], with the features in front of the classification layer as a
    /// second output. One output alone if the network's features are not known.
    ///
    /// # Errors
    /// As [`Network::dense_session`].
    pub fn dense_session_with_features(
        &self,
        dense: DenseOptions,
        window: [usize; 2],
        size: [usize; 2],
    ) -> Result<DenseSession> {
        let features = self.signature()?.features;
        self.dense_session_of(dense, window, size, features.as_deref())
    }

    fn dense_session_of(
        &self,
        dense: DenseOptions,
        window: [usize; 2],
        size: [usize; 2],
        features: Option<&str>,
    ) -> Result<DenseSession> {
        let signature = self.signature()?;
        let shape = [1, size[0], size[1], input_channels(&signature)];
        let fetches: Vec<&str> = std::iter::once(&*signature.logits).chain(features).collect();
        let key = PlanKey {
            feeds: vec![
                (signature.input.name.clone(), shape.to_vec()),
                (String::new(), window.to_vec()),
            ],
            dense: Some(dense),
            ..self.plan_key(&[], &[], &fetches)
        };
        let planned = self.model.plans.get_or_make(key, || {
            let (typed, geometry) = self.dense_graph(dense, window, &shape, features)?;
            Ok((self.make_plan(typed)?, Some(geometry)))
        })?;
        let geometry = planned.geometry.expect("plans of dense keys have a geometry");
        let DenseGeometry { rows, columns, has_global_context, averages } = geometry;
        let session = self.session_for(planned);
        Ok(DenseSession { session, rows, columns, has_global_context, averages })
    }

    /// The plan that computes `fetches` from `feeds` of these shapes, all by TensorFlow tensor
    /// name, to look at.
    ///
    /// # Errors
    /// As [`Network::session`].
    pub fn plan(&self, feeds: &[(&str, &[usize])], fetches: &[&str]) -> Result<Arc<Plan>> {
        Ok(self.planned(feeds, &[], fetches)?.plan.clone())
    }

    /// Feeds tensors and fetches others, by TensorFlow tensor name. Scalars are settings
    /// ([`Network::session_with`]).
    ///
    /// # Errors
    /// As [`Network::session`].
    pub fn run(&self, feeds: &[(&str, &Tensor)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        let mut settings: Vec<(&str, Tensor)> = Vec::new();
        let mut shapes: Vec<(&str, &[usize])> = Vec::new();
        let feeds: Vec<(&str, &Tensor)> =
            feeds.iter().map(|&(name, tensor)| (self.node_called(name), tensor)).collect();
        for &(name, tensor) in &feeds {
            if tensor.shape().is_empty() {
                settings.push((name, tensor.clone()));
            } else {
                shapes.push((name, tensor.shape()));
            }
        }
        let mut session = self.session_with(&shapes, &settings, fetches)?;
        for &(name, tensor) in &feeds {
            // Outputs need not depend on everything that is fed.
            if session.inputs().iter().any(|port| port.name == name || port.name == node_name(name))
            {
                let values = real_values(tensor, session.input_fact(name)?);
                session.input_mut(name)?.copy_from_slice(&values);
            }
        }
        session.run()?;
        let mut outputs = Vec::with_capacity(session.outputs().len());
        for (index, port) in session.outputs().iter().enumerate() {
            outputs.push(output_tensor(session.output_at(index)?, &port.fact));
        }
        Ok(outputs)
    }

    /// Frees the activations that no session uses.
    pub fn release_idle_memory(&self) {
        self.model.plans.release_idle();
    }

    /// Bytes of the activations that no session uses, kept for later ones.
    pub fn idle_memory_bytes(&self) -> u64 {
        self.model.plans.idle_bytes()
    }

    fn session_for(&self, planned: Arc<PlannedRun>) -> Session {
        let (cache, pool) = (self.model.plans.clone(), self.run_options.pool.clone());
        let session = Session::new(cache, planned, pool, self.run_options.max_idle_bytes);
        session.checked_with(self.integrity.clone())
    }

    fn plan_key(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> PlanKey {
        PlanKey {
            feeds: feeds.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.shared_bytes().clone()))
                .collect(),
            fetches: fetches.iter().map(|&name| name.to_owned()).collect(),
            dense: None,
            level: self.run_options.level,
            numerics: self.run_options.numerics,
        }
    }

    fn planned(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Arc<PlannedRun>> {
        self.model.plans.get_or_make(self.plan_key(feeds, settings, fetches), || {
            if let Some(plan) = self.plan_per_sample(feeds, settings, fetches)? {
                return Ok((Arc::new(plan), None));
            }
            let graph = self.model.source.graph(feeds, settings, fetches)?;
            let sizes: HashMap<String, Vec<usize>> = feeds
                .iter()
                .map(|(name, shape)| (node_name(name).to_owned(), shape.to_vec()))
                .collect();
            Ok((self.make_plan(infer_shapes(&graph, &sizes)?)?, None))
        })
    }

    fn make_plan(&self, typed: TypedGraph) -> Result<Arc<Plan>> {
        let options = PlanOptions {
            level: self.run_options.level,
            numerics: self.run_options.numerics,
            memory_limit: self.run_options.memory_limit,
            ..PlanOptions::default()
        };
        let (weight_cache, pool) = (&self.model.weight_cache, &self.run_options.pool);
        let typed = optimise(with_real_outputs(typed));
        Ok(Arc::new(Plan::new(&typed, weight_cache, &options, pool)?))
    }

    /// The plan of a batch that is computed picture by picture, if that is faster. Only for
    /// networks of the zoo, which are known to treat each picture by itself; a graph may compute
    /// anything of a batch.
    fn plan_per_sample(
        &self,
        feeds: &[(&str, &[usize])],
        settings: &[(&str, Tensor)],
        fetches: &[&str],
    ) -> Result<Option<Plan>> {
        let (ModelSource::Zoo(_), [(name, shape)]) = (&*self.model.source, feeds) else {
            return Ok(None);
        };
        let (&batch_size, rest) = shape.split_first().unwrap_or((&1, &[]));
        if batch_size < 2 {
            return Ok(None);
        }
        let sample_shape = [&[1], rest].concat();
        let sample = self.planned(&[(name, &sample_shape)], settings, fetches)?;
        let within_limit =
            |plan: &Plan| plan.activation_bytes(1) as u64 <= self.run_options.memory_limit;
        Ok(Plan::per_sample(&sample.plan, batch_size).filter(within_limit))
    }

    /// The network rewritten for every position of pictures of `shape`, `[1, rows, columns,
    /// channels]`. The node of `features` is a second output if there is one.
    fn dense_graph(
        &self,
        dense: DenseOptions,
        window: [usize; 2],
        shape: &[usize],
        features: Option<&str>,
    ) -> Result<(TypedGraph, DenseGeometry)> {
        let signature = self.signature()?;
        let (graph, trained) = self.graph_and_types(&signature, &[&signature.logits], 1, window)?;
        let DenseGraph { mut graph, input, has_global_context, averages } =
            dense::rewrite(&graph, &trained, dense)?;
        let is_features = |id: &NodeId| Some(&*graph.node(*id).name) == features.map(node_name);
        if let Some(id) = graph.ids().find(is_features) {
            graph.set_outputs([graph.outputs(), &[id]].concat());
        }
        let input = graph.node(input).name.clone();
        let sizes = HashMap::from([(input.clone(), shape.to_vec())]);
        let typed = infer_shapes(&graph.pruned(), &sizes)?;
        let output = &typed.fact(typed.graph.outputs()[0]).shape;
        let fields = dense::fields(&typed, &input).filter(|_| output.len() == 4);
        let [rows, columns] = fields.ok_or_else(|| {
            let what = format!("its answer over a picture, of shape {output:?}, is no map");
            Error::node(&signature.logits, "output", what)
        })?;
        Ok((typed, DenseGeometry { rows, columns, has_global_context, averages }))
    }
}

/// Returns the numbers that an input takes: those that integers stand for, where it is quantised.
fn real_values(tensor: &Tensor, fact: &Fact) -> Vec<f32> {
    let mut values = tensor.to_f32();
    if let Some(Scale { scale, zero_point }) = fact.quantization
        && !tensor.dtype().is_float()
    {
        values.iter_mut().for_each(|value| *value = scale * (*value - zero_point as f32));
    }
    values
}

/// Returns an output in its own type: its integers, where it is quantised.
fn output_tensor(values: &[f32], fact: &Fact) -> Tensor {
    let Some(Scale { scale, zero_point }) = fact.quantization else {
        return Tensor::from_floats(fact.dtype, &fact.shape, values.to_vec());
    };
    let stored = |value: &f32| (value / scale).round() as i64 + i64::from(zero_point);
    let stored: Vec<i64> = values.iter().map(stored).collect();
    Tensor::from_i64(fact.dtype, &fact.shape, &stored)
}
