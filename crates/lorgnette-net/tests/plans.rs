//! The guarantees of a plan.

use std::collections::HashMap;

use lorgnette_kernels::ThreadPool;
use lorgnette_net::graph::Graph;
use lorgnette_net::graph::op::{Border, Conv, Epilogue, Op};
use lorgnette_net::graph::shape::TypedGraph;
use lorgnette_net::graph::shape_inference::infer_shapes;
use lorgnette_net::plan::{Plan, PlanOptions, WeightCache};
use lorgnette_net::tensor::{DType, Tensor};
use lorgnette_oracle::made_up;

/// A 3 × 3 convolution over an image whose tiles divide unevenly among many threads.
fn convolution() -> TypedGraph {
    let mut graph = Graph::new();
    let shape = Some([1, 40, 80, 64].map(Some).to_vec());
    let picture = graph.add("picture", Op::Input { dtype: DType::F32, shape }, &[]);
    let filter = graph
        .constant("filter", Tensor::from_f32(&[3, 3, 64, 64], made_up::image(&[3, 3, 64, 64])));
    let conv = Conv {
        stride: [1, 1],
        dilation: [1, 1],
        border: Border::Same,
        epilogue: Epilogue::default(),
    };
    let answer = graph.add("answer", Op::Conv2d(conv), &[picture, filter]);
    graph.set_outputs(vec![answer]);
    infer_shapes(&graph, &HashMap::new()).unwrap()
}

/// A kernel's scratch does not always grow with the number of threads.
#[test]
fn memory_for_many_threads_serves_fewer() {
    let typed = convolution();
    let plan =
        Plan::new(&typed, &WeightCache::default(), &PlanOptions::default(), &ThreadPool::new(1))
            .unwrap();
    let mut wanted = None;
    for most in 1..=12 {
        let mut activations = plan.activations(most).unwrap();
        for threads in 1..=most {
            activations.input(&plan.inputs()[0]).copy_from_slice(&made_up::image(&[1, 40, 80, 64]));
            plan.run(&mut activations, &ThreadPool::new(threads));
            let found = activations.output(&plan, &plan.outputs()[0]).to_vec();
            assert!(
                found == *wanted.get_or_insert_with(|| found.clone()),
                "{threads} of {most} threads"
            );
        }
    }
}

#[test]
fn no_limit_is_too_high() {
    let options = PlanOptions { memory_limit: u64::MAX, ..PlanOptions::default() };
    assert!(
        Plan::new(&convolution(), &WeightCache::default(), &options, &ThreadPool::new(1)).is_ok()
    );
}
