//! Layers that scale and shift.

use serde_json::Value;

use super::super::translate::{Node, Site};
use super::{Attribute, Outcome, flag, number, numbers, picture, unsupported};
use crate::tensor::Tensor;

pub(super) fn translate(site: &mut Site<'_, '_>) -> Option<Outcome> {
    Some(match site.layer.class.as_str() {
        "BatchNormalization" | "BatchNormalizationV1" | "BatchNormalizationV2" => batch_norm(site),
        "LayerNormalization" => layer_norm(site),
        "GroupNormalization" => group_norm(site),
        "UnitNormalization" => unit_norm(site),
        "Rescaling" => rescaling(site),
        "Normalization" => normalization(site),
        // ConvNeXt's own layer.
        "LayerScale" => layer_scale(site),
        _ => return None,
    })
}

/// Returns an error unless the only axis is the last.
fn check_last_axis(site: &Site<'_, '_>, rank: usize) -> Outcome<()> {
    let axis = site.layer.config.get("axis").unwrap_or(&Value::Null);
    let axis = numbers(axis).unwrap_or_else(|| vec![-1.0]);
    match axis[..] {
        [1.0] if site.is_channels_last => Ok(()),
        [axis] if axis == -1.0 || axis == (rank - 1) as f64 => Ok(()),
        _ => unsupported(format!("the axis {axis:?} of {rank} dimensions")),
    }
}

/// The variables of a batch norm as scale, offset, mean and variance.
fn batch_norm(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    check_last_axis(site, x.rank)?;
    let config = &site.layer.config;
    let (scales, centres) = (flag(config, "scale", true), flag(config, "center", true));
    let epsilon = number(config, "epsilon").unwrap_or(1e-3) as f32;
    let own = [scales.then_some("gamma"), centres.then_some("beta")];
    let names: Vec<&str> =
        own.into_iter().flatten().chain(["moving_mean", "moving_variance"]).collect();
    let first = names.len() - 2;
    let mean = site.weight(&names, first)?;
    let channels = mean.len();
    let plain = |value: f32| Tensor::from_f32(&[channels], vec![value; channels]);
    let scale = if scales { site.weight(&names, 0)? } else { plain(1.0) };
    let offset = if centres { site.weight(&names, usize::from(scales))? } else { plain(0.0) };
    let variance = site.weight(&names, first + 1)?;
    let parts = [&scale, &offset, &mean, &variance];
    if parts.iter().any(|part| part.shape() != [channels]) || channels == 0 {
        return Err(site.wrong_shape("moving_variance", variance.shape()));
    }
    if x.rank == 4 {
        let mut inputs = vec![x];
        for (part, name) in
            parts.into_iter().zip(["gamma", "beta", "moving_mean", "moving_variance"])
        {
            inputs.push(per_channel(site, name, &part.to_f32())?);
        }
        let inputs: Vec<&Node> = inputs.iter().collect();
        let attributes = vec![
            ("U", Attribute::Type(crate::tensor::DType::F32.tensorflow())),
            ("epsilon", Attribute::F(epsilon)),
            ("is_training", Attribute::B(false)),
        ];
        return site.add("FusedBatchNormV3", &inputs, 4, attributes);
    }
    let [scale, offset, mean, variance] = parts.map(Tensor::to_f32);
    let factors: Vec<f32> = scale
        .iter()
        .zip(&variance)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let summands: Vec<f32> = offset
        .iter()
        .zip(&mean)
        .zip(&factors)
        .map(|((offset, mean), factor)| offset - mean * factor)
        .collect();
    linear(site, x, &factors, &summands)
}

/// A constant with a number for each channel, also if there is one channel.
fn per_channel(site: &mut Site<'_, '_>, name: &str, values: &[f32]) -> Outcome {
    site.float_tensor(name, &[values.len()], values)
}

/// Multiplies, then adds, for each channel.
fn linear(site: &mut Site<'_, '_>, x: Node, factors: &[f32], summands: &[f32]) -> Outcome {
    let mut value = x;
    let is_plain = |values: &[f32], plain: f32| values.iter().all(|&value| value == plain);
    if !is_plain(factors, 1.0) {
        let factors = site.floats("scale", factors)?;
        value = site.add("Mul", &[&value, &factors], value.rank, Vec::new())?;
    }
    if !is_plain(summands, 0.0) {
        let summands = site.floats("offset", summands)?;
        value = site.add("AddV2", &[&value, &summands], value.rank, Vec::new())?;
    }
    Ok(value)
}

/// Reads a number, or one for each channel.
fn constants(site: &Site<'_, '_>, name: &str, default: f32) -> Outcome<Vec<f32>> {
    match site.layer.config.get(name) {
        None | Some(Value::Null) => Ok(vec![default]),
        Some(value) => match numbers(value) {
            Some(numbers) if !numbers.is_empty() => {
                Ok(numbers.into_iter().map(|number| number as f32).collect())
            }
            _ => unsupported(format!("{name} {value}")),
        },
    }
}

fn rescaling(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let (factors, summands) = (constants(site, "scale", 1.0)?, constants(site, "offset", 0.0)?);
    linear(site, x, &factors, &summands)
}

/// `(x − mean) / max(√variance, 1e-7)`, by constants or by what was learned.
fn normalization(site: &mut Site<'_, '_>) -> Outcome {
    const EPSILON: f32 = 1e-7;
    let x = site.input()?;
    if flag(&site.layer.config, "invert", false) {
        return unsupported("invert");
    }
    check_last_axis(site, x.rank).or_else(|refusal| {
        // One mean for all values.
        let axis = site.layer.config.get("axis");
        if axis.is_none_or(Value::is_null) { Ok(()) } else { Err(refusal) }
    })?;
    let is_given = site.layer.config.get("mean").is_some_and(|mean| !mean.is_null());
    let [mean, variance] = if is_given {
        [constants(site, "mean", 0.0)?, constants(site, "variance", 1.0)?]
    } else {
        let names = ["mean", "variance", "count"];
        [site.weight(&names, 0)?.to_f32(), site.weight(&names, 1)?.to_f32()]
    };
    let deviation: Vec<f32> =
        variance.iter().map(|variance| variance.sqrt().max(EPSILON)).collect();
    let mean = site.floats("mean", &mean)?;
    let centred = site.add("Sub", &[&x, &mean], x.rank, Vec::new())?;
    let deviation = site.floats("deviation", &deviation)?;
    site.add("RealDiv", &[&centred, &deviation], x.rank, Vec::new())
}

fn layer_norm(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    check_last_axis(site, x.rank)?;
    let config = &site.layer.config;
    if flag(config, "rms_scaling", false) {
        return unsupported("rms_scaling");
    }
    let (scales, centres) = (flag(config, "scale", true), flag(config, "center", true));
    let epsilon = number(config, "epsilon").unwrap_or(1e-3) as f32;
    let own = [scales.then_some("gamma"), centres.then_some("beta")];
    let names: Vec<&str> = own.into_iter().flatten().collect();
    let rank = x.rank;
    let axis = site.ints("axis", &[rank as i64 - 1])?;
    let mean = site.add("Mean", &[&x, &axis], rank, keep_dims())?;
    let centred = site.add("Sub", &[&x, &mean], rank, Vec::new())?;
    let squares = site.add("Square", &[&centred], rank, Vec::new())?;
    let variance = site.add("Mean", &[&squares, &axis], rank, keep_dims())?;
    let value = divided(site, &centred, &variance, epsilon)?;
    scaled(site, value, &names, [scales, centres])
}

fn keep_dims() -> Vec<(&'static str, Attribute)> {
    vec![("keep_dims", Attribute::B(true))]
}

/// `centred / √(variance + epsilon)`.
fn divided(site: &mut Site<'_, '_>, centred: &Node, variance: &Node, epsilon: f32) -> Outcome {
    let epsilon = site.floats("epsilon", &[epsilon])?;
    let shifted = site.add("AddV2", &[variance, &epsilon], variance.rank, Vec::new())?;
    let factor = site.add("Rsqrt", &[&shifted], shifted.rank, Vec::new())?;
    site.add("Mul", &[centred, &factor], centred.rank, Vec::new())
}

/// Multiplies by gamma and adds beta, the layer's variables, as far as it has them.
fn scaled(
    site: &mut Site<'_, '_>,
    mut value: Node,
    names: &[&str],
    [scales, centres]: [bool; 2],
) -> Outcome {
    if scales {
        let gamma = site.variable(names, 0, None)?;
        value = site.add("Mul", &[&value, &gamma], value.rank, Vec::new())?;
    }
    if centres {
        let beta = site.variable(names, usize::from(scales), None)?;
        value = site.add("AddV2", &[&value, &beta], value.rank, Vec::new())?;
    }
    Ok(value)
}

/// Normalises each group of channels of each picture.
fn group_norm(site: &mut Site<'_, '_>) -> Outcome {
    let x = picture(site)?;
    check_last_axis(site, x.rank)?;
    let config = &site.layer.config;
    let (scales, centres) = (flag(config, "scale", true), flag(config, "center", true));
    let epsilon = number(config, "epsilon").unwrap_or(1e-3) as f32;
    let groups = number(config, "groups").unwrap_or(32.0) as i64;
    let own = [scales.then_some("gamma"), centres.then_some("beta")];
    let names: Vec<&str> = own.into_iter().flatten().collect();
    let Some(_) = names.first() else { return unsupported("neither scale nor center") };
    let channels = site.weight(&names, 0)?.len() as i64;
    // Keras takes -1 for a group of each channel.
    let groups = if groups == -1 { channels } else { groups };
    if groups < 1 || channels % groups != 0 {
        return unsupported(format!("{groups} groups of {channels} channels"));
    }
    let places = site.ints("places", &[1, 2])?;
    let means = site.add("Mean", &[&x, &places], 4, keep_dims())?;
    let mean = mean_of_groups(site, &means, groups, channels)?;
    let centred = site.add("Sub", &[&x, &mean], 4, Vec::new())?;
    let squares = site.add("Square", &[&centred], 4, Vec::new())?;
    let variances = site.add("Mean", &[&squares, &places], 4, keep_dims())?;
    let variance = mean_of_groups(site, &variances, groups, channels)?;
    let value = divided(site, &centred, &variance, epsilon)?;
    scaled(site, value, &names, [scales, centres])
}

/// Puts the mean of its group in place of each of `[batch, 1, 1, channels]`.
fn mean_of_groups(site: &mut Site<'_, '_>, x: &Node, groups: i64, channels: i64) -> Outcome {
    let apart = site.ints("groups", &[-1, groups, channels / groups])?;
    let members = site.add("Reshape", &[x, &apart], 3, Vec::new())?;
    let axis = site.ints("members", &[2])?;
    let mean = site.add("Mean", &[&members, &axis], 3, keep_dims())?;
    let each = site.float_tensor(
        "ones",
        &[1, 1, (channels / groups) as usize],
        &vec![1.0; (channels / groups) as usize],
    )?;
    let repeated = site.add("Mul", &[&mean, &each], 3, Vec::new())?;
    let whole = site.ints("whole", &[-1, 1, 1, channels])?;
    site.add("Reshape", &[&repeated, &whole], 4, Vec::new())
}

/// `x / √max(Σx², 1e-12)` over the channels.
fn unit_norm(site: &mut Site<'_, '_>) -> Outcome {
    const MIN_SUM: f32 = 1e-12;
    let x = site.input()?;
    check_last_axis(site, x.rank)?;
    let rank = x.rank;
    let axis = site.ints("axis", &[rank as i64 - 1])?;
    let squares = site.add("Square", &[&x], rank, Vec::new())?;
    let sum = site.add("Sum", &[&squares, &axis], rank, keep_dims())?;
    let least = site.floats("least", &[MIN_SUM])?;
    let sum = site.add("Maximum", &[&sum, &least], rank, Vec::new())?;
    let factor = site.add("Rsqrt", &[&sum], rank, Vec::new())?;
    site.add("Mul", &[&x, &factor], rank, Vec::new())
}

fn layer_scale(site: &mut Site<'_, '_>) -> Outcome {
    let x = site.input()?;
    let gamma = site.variable(&["gamma"], 0, None)?;
    site.add("Mul", &[&x, &gamma], x.rank, Vec::new())
}
