//! Layers that combine several tensors.

use super::super::translate::{Node, Site};
use super::{Attribute, Outcome, as_number, unsupported};

pub(super) fn translate(site: &mut Site<'_, '_>) -> Option<Outcome> {
    Some(match site.layer.class.as_str() {
        "Add" => folded(site, "AddV2"),
        "Multiply" => folded(site, "Mul"),
        "Subtract" => folded(site, "Sub"),
        "Maximum" => folded(site, "Maximum"),
        "Minimum" => folded(site, "Minimum"),
        "Average" => average(site),
        "Concatenate" => concatenate(site),
        _ => return None,
    })
}

/// Combines the first two tensors, the result with the third, and so on.
fn folded(site: &mut Site<'_, '_>, op: &str) -> Outcome {
    let inputs = site.inputs.clone();
    // Operations of Keras 3 have the names of layers.
    if inputs.len() == 1 && site.call.arguments.len() > 1 {
        return super::function::translate(site);
    }
    let Some((first, others)) = inputs.split_first().filter(|(_, others)| !others.is_empty())
    else {
        return unsupported("fewer than two tensors");
    };
    if others.iter().any(|other| other.rank != first.rank) {
        return unsupported("tensors of different ranks");
    }
    let mut value = first.clone();
    for other in others {
        value = site.add(op, &[&value, other], value.rank, Vec::new())?;
    }
    Ok(value)
}

fn average(site: &mut Site<'_, '_>) -> Outcome {
    let count = site.inputs.len() as f32;
    let sum = folded(site, "AddV2")?;
    let count = site.floats("count", &[count])?;
    site.add("RealDiv", &[&sum, &count], sum.rank, Vec::new())
}

pub(super) fn concatenate(site: &mut Site<'_, '_>) -> Outcome {
    let inputs = site.inputs.clone();
    let rank = inputs.first().map_or(0, |input| input.rank);
    if inputs.iter().any(|input| input.rank != rank) {
        return unsupported("tensors of different ranks");
    }
    if let [one] = inputs.as_slice() {
        return Ok(one.clone());
    }
    let axis = site.setting("axis").and_then(as_number).unwrap_or(-1.0) as i64;
    let axis = site.int_tensor("axis", &[], &[axis])?;
    let all: Vec<&Node> = inputs.iter().chain([&axis]).collect();
    site.add("ConcatV2", &all, rank, vec![("N", Attribute::I(inputs.len() as i64))])
}
