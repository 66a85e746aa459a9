//! Quantisation of a model to int8, with ranges calibrated on photos.
//!
//! Several ways to choose the ranges of activations are tried, and the one that keeps most of the
//! scores is taken. Layers that lose too much are then computed with floats, until the quantised
//! model agrees with the original on the photos.

use std::collections::{BTreeSet, HashMap};

use lorgnette_net::quantize::{self as net, Comparison, QuantizeOptions, QuantizedModel};
use lorgnette_net::quantize::{Quantizer, RangeRule};
use lorgnette_net::scores::top_k;
use lorgnette_net::{LoadOptions, Network, Session};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::observer::{Observer, Progress, report};
use crate::picture::Picture;
use crate::preprocess::Preprocessor;

/// Options of [`quantize`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QuantizationOptions {
    /// How ranges are chosen; default: as is best of several.
    pub range: Option<RangeRule>,
    /// Layers, by name, that compute with floats in any case.
    pub keep_float: BTreeSet<String>,
    /// Share of photos whose best class must stay; layers are kept in float until it does.
    pub min_agreement: f64,
    /// Share of the layers that may be kept in float for it.
    pub max_float_share: f64,
}

impl Default for QuantizationOptions {
    /// The best ranges, 98 % of the photos, a fifth of the layers.
    fn default() -> Self {
        Self { range: None, keep_float: BTreeSet::new(), min_agreement: 0.98, max_float_share: 0.2 }
    }
}

/// A quantised model and what quantisation did to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Quantization {
    /// The `.tflite` file.
    pub bytes: Vec<u8>,
    /// How ranges were chosen; `None` for those of quantisation-aware training.
    pub range: Option<RangeRule>,
    /// Whether channels were equalised across layers.
    pub is_equalized: bool,
    /// The layers, in the order they are computed in.
    pub layers: Vec<LayerQuantization>,
    /// Photos that were compared; without any, the agreement and ratios are not numbers.
    pub photos: usize,
    /// Share of the photos whose best class is the original's.
    pub best_agreement: f64,
    /// Share of the original's five best classes that are among the five best.
    pub five_best_agreement: f64,
    /// The ranges of the activations, as text for
    /// [`quantize_with_ranges`](lorgnette_net::quantize::quantize_with_ranges).
    pub ranges: String,
    /// The ways that were tried, with the signal-to-noise ratio of the scores in decibels.
    pub tried: Vec<Trial>,
}

/// A way to choose ranges that was tried.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trial {
    /// How ranges were chosen.
    pub range: RangeRule,
    /// Whether channels were equalised across layers.
    pub is_equalized: bool,
    /// Signal-to-noise ratio of the scores, in decibels.
    pub signal_to_noise: f64,
}

/// A layer of a quantised model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerQuantization {
    /// The name of its result.
    pub name: String,
    /// Its operator in TensorFlow Lite.
    pub operator: &'static str,
    /// Whether it computes with floats.
    pub is_float: bool,
    /// Signal-to-noise ratio of its values in decibels, with the errors of the layers before it.
    pub signal_to_noise: f64,
}

/// Maximum photos that ways to choose ranges are compared on.
const TRIAL_PHOTOS: usize = 48;
/// Layers that are kept in float at a time.
const LAYERS_AT_A_TIME: usize = 2;

/// Quantises a model, calibrated on pictures.
///
/// # Errors
/// [`Error::Cancelled`] if the observer cancels; an error if there are no pictures, the network
/// decodes photos itself, is quantised already, or has an operation that TensorFlow Lite has not.
pub fn quantize(
    model: &Model,
    pictures: &[Picture],
    options: &QuantizationOptions,
    observer: &mut dyn Observer,
) -> Result<Quantization> {
    if pictures.is_empty() {
        return Err(Error::NoCalibrationPhotos);
    }
    let inputs: Vec<Vec<f32>> =
        pictures.iter().map(|picture| model.preprocess().input(picture)).collect();
    Search::new(model, &inputs, options, observer)?.run()
}

/// Quantises a model of quantisation-aware training with the ranges that are in its graph, which
/// takes no pictures. Returns nothing for a model without such ranges.
///
/// # Errors
/// As [`quantize`]; an error for a range that TensorFlow Lite has no integers for.
pub fn quantize_trained(model: &Model) -> Result<Option<Quantization>> {
    let signature = model.signature();
    let end = signature.probabilities.as_ref().unwrap_or(&signature.logits);
    let Preprocessor { height, width, .. } = *model.preprocess();
    let options = QuantizeOptions { notes: model.notes_for_readers(), ..Default::default() };
    let (network, input) = (model.network(), input_range(model.preprocess()));
    let quantized = net::quantize_trained(network, &[end], [height, width], input, &options)?;
    Ok(quantized.map(|quantized| Quantization {
        bytes: quantized.bytes,
        range: None,
        is_equalized: false,
        layers: quantized
            .layers
            .into_iter()
            .map(|layer| LayerQuantization {
                name: layer.name,
                operator: layer.operator,
                is_float: layer.is_float,
                signal_to_noise: f64::NAN,
            })
            .collect(),
        photos: 0,
        best_agreement: f64::NAN,
        five_best_agreement: f64::NAN,
        ranges: String::new(),
        tried: Vec::new(),
    }))
}

/// Returns the smallest and the largest number of a picture as the network takes it.
fn input_range(preprocess: &Preprocessor) -> [f32; 2] {
    const SIDE: usize = 2;
    let mut range = [0f32; 2];
    for level in [0, u8::MAX] {
        let Ok(picture) = Picture::from_rgb8(SIDE, SIDE, vec![level; 3 * SIDE * SIDE]) else {
            continue;
        };
        for number in preprocess.input(&picture) {
            range = [range[0].min(number), range[1].max(number)];
        }
    }
    range
}

/// The search for a quantised model that agrees with the original.
struct Search<'a> {
    model: &'a Model,
    inputs: &'a [Vec<f32>],
    options: &'a QuantizationOptions,
    /// The name of the scores.
    scores: String,
    plain: Quantizer,
    equalized: Option<Quantizer>,
    observer: &'a mut dyn Observer,
    steps_done: usize,
}

/// Steps of a search that are reported: observations, trials and comparisons.
const STEPS: usize = 12;

/// Measurements of a quantised model.
struct Measured {
    quantized: QuantizedModel,
    signal_to_noise: Vec<f64>,
    /// Of the scores.
    score_ratio: f64,
    best: f64,
    five_best: f64,
}

impl<'a> Search<'a> {
    fn new(
        model: &'a Model,
        inputs: &'a [Vec<f32>],
        options: &'a QuantizationOptions,
        observer: &'a mut dyn Observer,
    ) -> Result<Self> {
        let signature = model.signature();
        let end = signature.probabilities.as_ref().unwrap_or(&signature.logits);
        let Preprocessor { height, width, .. } = *model.preprocess();
        report(observer, &Progress { done: 0, total: STEPS })?;
        let mut plain = Quantizer::new(model.network(), &[end], [height, width])?;
        inputs.iter().for_each(|input| plain.observe(input));
        let mut equalized = plain.equalized()?;
        if let Some(equalized) = &mut equalized {
            inputs.iter().for_each(|input| equalized.observe(input));
        }
        let scores = plain.score_name().to_owned();
        let steps_done = 1;
        Ok(Self { model, inputs, options, scores, plain, equalized, observer, steps_done })
    }

    fn run(mut self) -> Result<Quantization> {
        let tried = self.trials()?;
        let best = tried
            .iter()
            .copied()
            .max_by(|a, b| a.signal_to_noise.total_cmp(&b.signal_to_noise))
            .ok_or(Error::NoCalibrationPhotos)?;
        let mut keep_float = self.options.keep_float.clone();
        let mut measured = self.measure(best, &keep_float, self.inputs.len())?;
        let layers = measured.quantized.layers.len();
        let max_float = (layers as f64 * self.options.max_float_share) as usize;
        while measured.best < self.options.min_agreement && keep_float.len() < max_float {
            let worst = self.worst_layers(&measured);
            if worst.is_empty() {
                break;
            }
            keep_float.extend(worst);
            measured = self.measure(best, &keep_float, self.inputs.len())?;
        }
        let quantizer = match (&self.equalized, best.is_equalized) {
            (Some(equalized), true) => equalized,
            _ => &self.plain,
        };
        let ranges = quantizer.ranges(best.range);
        let Measured { quantized, signal_to_noise, best: best_agreement, five_best, .. } = measured;
        let layers = quantized.layers.into_iter().zip(signal_to_noise);
        Ok(Quantization {
            bytes: quantized.bytes,
            range: Some(best.range),
            is_equalized: best.is_equalized,
            layers: layers
                .map(|(layer, signal_to_noise)| LayerQuantization {
                    name: layer.name,
                    operator: layer.operator,
                    is_float: layer.is_float,
                    signal_to_noise,
                })
                .collect(),
            photos: self.inputs.len(),
            best_agreement,
            five_best_agreement: five_best,
            ranges,
            tried,
        })
    }

    /// Measures each way to choose ranges on some of the photos.
    fn trials(&mut self) -> Result<Vec<Trial>> {
        let all = [
            RangeRule::Whole,
            RangeRule::Percentile(99.999),
            RangeRule::Percentile(99.99),
            RangeRule::LeastError,
        ];
        let rules = self.options.range.map_or_else(|| all.to_vec(), |rule| vec![rule]);
        let mut tried = Vec::new();
        for is_equalized in [false, true] {
            if is_equalized && self.equalized.is_none() {
                continue;
            }
            for &range in &rules {
                let trial = Trial { range, is_equalized, signal_to_noise: 0.0 };
                let count = self.inputs.len().min(TRIAL_PHOTOS);
                let keep_float = self.options.keep_float.clone();
                let signal_to_noise = self.measure(trial, &keep_float, count)?.score_ratio;
                tried.push(Trial { signal_to_noise, ..trial });
            }
        }
        Ok(tried)
    }

    /// Quantises, and compares with the original on the first `count` photos.
    fn measure(
        &mut self,
        trial: Trial,
        keep_float: &BTreeSet<String>,
        count: usize,
    ) -> Result<Measured> {
        report(self.observer, &Progress { done: self.steps_done.min(STEPS), total: STEPS })?;
        self.steps_done += 1;
        let quantizer = match (&mut self.equalized, trial.is_equalized) {
            (Some(equalized), true) => equalized,
            _ => &mut self.plain,
        };
        let options = QuantizeOptions {
            range: trial.range,
            keep_float: keep_float.clone(),
            notes: self.model.notes_for_readers(),
            ..QuantizeOptions::default()
        };
        let quantized = quantizer.quantize(&options)?;
        let network = Network::from_bytes(
            quantized.bytes.clone(),
            &format!("{}.tflite", self.model.name()),
            LoadOptions::default(),
            self.model.network().run_options().clone(),
        )?;
        let mut comparison = Comparison::new(&quantized.layers);
        let mut session = session(self.model, &network, &comparison)?;
        let mut agreement = Agreement::default();
        for input in &self.inputs[..count] {
            quantizer.compare(&mut session, &mut comparison, input)?;
            let original = quantizer.value(&self.scores);
            if let (Some(original), Ok(scores)) = (original, session.output(&self.scores)) {
                agreement.add(original, scores);
            }
        }
        let signal_to_noise = comparison.signal_to_noise();
        let at = quantized.layers.iter().position(|layer| layer.name == self.scores);
        let score_ratio = at.and_then(|at| signal_to_noise.get(at).copied()).unwrap_or(0.0);
        let (best, five_best) = (agreement.best(), agreement.five_best());
        Ok(Measured { quantized, signal_to_noise, score_ratio, best, five_best })
    }

    /// The layers of int8 whose own error is the largest: whose ratio is furthest below that of
    /// what they read.
    fn worst_layers(&self, measured: &Measured) -> Vec<String> {
        let ratios: HashMap<&str, f64> = measured
            .quantized
            .layers
            .iter()
            .zip(&measured.signal_to_noise)
            .map(|(layer, ratio)| (layer.name.as_str(), *ratio))
            .collect();
        let drop = |name: &str, inputs: &[String]| {
            let own = ratios.get(name).copied().unwrap_or(f64::INFINITY);
            let known = inputs.iter().filter_map(|input| ratios.get(input.as_str()));
            // The picture itself is stored with about this ratio.
            let before = known.copied().fold(50.0, f64::min);
            before - own
        };
        let mut drops: Vec<(f64, &str)> = measured
            .quantized
            .layers
            .iter()
            .filter(|layer| !layer.is_float && layer.has_weights())
            .map(|layer| (drop(&layer.name, &layer.inputs), layer.name.as_str()))
            .collect();
        drops.sort_by(|a, b| b.0.total_cmp(&a.0));
        drops.into_iter().take(LAYERS_AT_A_TIME).map(|(_, name)| name.to_owned()).collect()
    }
}

/// Opens a session of a quantised network that fetches all layers.
fn session(model: &Model, network: &Network, comparison: &Comparison) -> Result<Session> {
    let Preprocessor { height, width, channels, .. } = *model.preprocess();
    let signature = network.signature()?;
    let shape = [1, height, width, channels];
    Ok(network.session(&[(&signature.input.name, &shape)], &comparison.names())?)
}

/// The photos of which two models say the same.
#[derive(Debug, Default)]
struct Agreement {
    photos: usize,
    same_best: usize,
    same_five: usize,
    five: usize,
}

impl Agreement {
    fn add(&mut self, original: &[f32], scores: &[f32]) {
        const FIVE: usize = 5;
        let ranked = |scores: &[f32]| -> Vec<usize> {
            top_k(scores, FIVE).into_iter().map(|ranked| ranked.index).collect()
        };
        let (original, scores) = (ranked(original), ranked(scores));
        self.photos += 1;
        self.same_best += usize::from(original.first() == scores.first());
        self.same_five += original.iter().filter(|index| scores.contains(index)).count();
        self.five += original.len();
    }

    fn best(&self) -> f64 {
        self.same_best as f64 / self.photos.max(1) as f64
    }

    fn five_best(&self) -> f64 {
        self.same_five as f64 / self.five.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreement_counts_the_best_and_the_five_best() {
        let mut agreement = Agreement::default();
        agreement.add(&[9.0, 8.0, 7.0, 6.0, 5.0, 0.0], &[8.0, 9.0, 7.0, 6.0, 0.0, 5.0]);
        agreement.add(&[1.0, 0.0, 0.0, 0.0, 0.0, -1.0], &[1.0, 0.0, 0.0, 0.0, 0.0, -1.0]);
        assert_eq!((agreement.best(), agreement.five_best()), (0.5, 0.9));
    }
}
