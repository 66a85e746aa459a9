//! Damage to the nodes of ONNX models.

use super::wire::{Field, Message, Value};
use crate::random::Random;

/// Field numbers of the messages that are changed on purpose.
const GRAPH: u64 = 7;
const NODE: u64 = 1;
const INITIALIZER: u64 = 5;
const INPUT: u64 = 1;
const OUTPUT: u64 = 2;
const OPERATOR: u64 = 4;

/// Models grown by grafts stay below so many fields.
const MAX_FIELDS: usize = 120;

fn graph(model: &Message) -> Option<&Message> {
    model.children(GRAPH).next()
}

/// The texts of that number of all nodes.
fn texts(model: &Message, number: u64) -> Vec<Vec<u8>> {
    let nodes = graph(model).into_iter().flat_map(|graph| graph.children(NODE));
    let fields = nodes.flat_map(|node| &node.fields).filter(|field| field.number == number);
    let text = |field: &Field| match &field.value {
        Value::Bytes(text) => Some(text.clone()),
        _ => None,
    };
    fields.filter_map(text).collect()
}

/// A random field of that number of a random node.
fn field<'a>(random: &mut Random, model: &'a mut Message, number: u64) -> Option<&'a mut Field> {
    let graph = model.children_mut(GRAPH).next()?;
    let nodes = graph.children(NODE).count();
    let node = graph.children_mut(NODE).nth(random.below(nodes.max(1)))?;
    let count = node.fields.iter().filter(|field| field.number == number).count();
    node.fields.iter_mut().filter(|field| field.number == number).nth(random.below(count.max(1)))
}

/// Lets an input be another value, a result of its own node or a later one, or none.
pub(super) fn rewire(random: &mut Random, model: &mut Message) {
    let mut values = [texts(model, OUTPUT), texts(model, INPUT)].concat();
    values.push(Vec::new());
    let value = random.pick(&values).clone();
    let number = if random.one_in(8) { OUTPUT } else { INPUT };
    if let Some(field) = field(random, model, number) {
        field.value = Value::Bytes(value);
    }
}

/// Gives a node the operator of a node of either model.
pub(super) fn change_operator(random: &mut Random, model: &mut Message, other: &Message) {
    let operators = [texts(model, OPERATOR), texts(other, OPERATOR)].concat();
    if operators.is_empty() {
        return;
    }
    let operator = random.pick(&operators).clone();
    if let Some(field) = field(random, model, OPERATOR) {
        field.value = Value::Bytes(operator);
    }
}

/// Adds the other model's nodes and initialisers, whose values may have the names of this one's.
pub(super) fn graft(random: &mut Random, model: &mut Message, other: &Message) {
    let Some(pieces) = graph(other).map(|graph| graph.fields.clone()) else { return };
    let Some(graph) = model.children_mut(GRAPH).next() else { return };
    if graph.fields.len() + pieces.len() > MAX_FIELDS {
        return;
    }
    for piece in pieces.into_iter().filter(|field| matches!(field.number, NODE | INITIALIZER)) {
        let at = random.below(graph.fields.len() + 1);
        graph.fields.insert(at, piece);
    }
    rewire(random, model);
}
