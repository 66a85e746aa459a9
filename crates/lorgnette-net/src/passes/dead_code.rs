//! Nodes that no output needs are left out.

use super::Rewriter;
use crate::graph::shape::Shaped;

pub(super) fn apply(graph: &mut Rewriter) {
    let old = &graph.shaped;
    let needed = old.graph.needed();
    let facts = old.facts.iter().zip(needed).filter(|(_, needed)| *needed).map(|(fact, _)| fact.clone()).collect();
    *graph = Rewriter::new(Shaped { graph: old.graph.pruned(), facts });
}

#[cfg(test)]
mod tests {
    use crate::passes::testing::{Sketch, meaning_stays};

    #[test]
    fn only_what_the_output_needs_is_left() {
        let mut s = Sketch::new();
        let x = s.picture("x", [1, 2, 2, 3]);
        s.relu("unused", x);
        let out = s.relu("out", x);
        let after = meaning_stays(s, &[out], super::apply);
        assert_eq!(after.shaped().graph.nodes().len(), 2);
    }
}
