//! Which nodes the fetches need, each after its inputs.

use super::OnnxModel;
use super::proto::NodeProto;
use crate::error::{Error, Result};

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

/// The nodes that compute the values `wanted`, in an order in which they can be computed; `is_fed`
/// says which values need no node.
///
/// # Errors
/// [`Error::Node`] for a node that needs its own result.
pub(super) fn order(
    model: &OnnxModel,
    wanted: &[&str],
    is_fed: impl Fn(&str) -> bool,
) -> Result<Vec<usize>> {
    let producer =
        |value: &str| if is_fed(value) { None } else { model.producers.get(value).copied() };
    let mut state = vec![State::New; model.nodes.len()];
    let mut order = Vec::new();
    // Depth first with a stack of our own: a hostile graph may be a chain of a million nodes.
    let mut stack: Vec<(usize, usize)> = Vec::new();
    for value in wanted {
        stack.extend(producer(value).map(|node| (node, 0)));
        while let Some((node, next)) = stack.pop() {
            if next == 0 && state[node] != State::New {
                continue;
            }
            state[node] = State::Open;
            let Some(input) = model.nodes[node].input.get(next) else {
                state[node] = State::Done;
                order.push(node);
                continue;
            };
            stack.push((node, next + 1));
            let Some(before) = producer(input) else { continue };
            match state[before] {
                State::New => stack.push((before, 0)),
                State::Done => {}
                State::Open => {
                    let NodeProto { name, op_type, .. } = &model.nodes[node];
                    return Err(Error::node(name, op_type, "it needs its own result"));
                }
            }
        }
    }
    Ok(order)
}
