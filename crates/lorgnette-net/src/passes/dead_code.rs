//! Removes nodes that no output depends on.

use super::Rewriter;
use crate::graph::shape::TypedGraph;

pub(super) fn apply(graph: &mut Rewriter) {
    let old = &graph.typed;
    let needed = old.graph.needed();
    let facts = old
        .facts
        .iter()
        .zip(needed)
        .filter(|(_, needed)| *needed)
        .map(|(fact, _)| fact.clone())
        .collect();
    *graph = Rewriter::new(TypedGraph { graph: old.graph.pruned(), facts });
}

#[cfg(test)]
mod tests {
    use crate::passes::testing::{Sketch, assert_equivalent};

    #[test]
    fn only_what_the_output_needs_is_left() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 2, 2, 3]);
        s.relu("unused", x);
        let out = s.relu("out", x);
        let after = assert_equivalent(s, &[out], super::apply);
        assert_eq!(after.typed().graph.nodes().len(), 2);
    }
}
