//! Layers that are computed together, block of rows by block, give the bits of layers that are
//! computed one after the other.
//!
//! What is quick runs always. All networks, at their own size, take minutes:
//!
//! ```text
//! cargo test --release -p lorgnette-net --test row_fusion -- --include-ignored --nocapture
//! ```

use std::collections::HashMap;

use lorgnette_kernels::{Level, NumericOptions, Precision, ThreadPool};
use lorgnette_net::graph::Graph;
use lorgnette_net::graph::shape_inference::infer_shapes;
use lorgnette_net::passes::optimise;
use lorgnette_net::plan::{Plan, PlanOptions, RowFusion, WeightCache};
use lorgnette_net::zoo::{self, ARCHITECTURES, RandomWeights, ZooOptions};
use lorgnette_oracle::made_up;

/// What layers are computed together, and with how many threads.
type Trial = (RowFusion, usize);

const TRIALS: [Trial; 8] = [
    (RowFusion::Auto, 1),
    (RowFusion::Auto, 2),
    (RowFusion::Auto, 3),
    (RowFusion::Auto, 5),
    (RowFusion::Always(1), 1),
    (RowFusion::Always(1), 3),
    (RowFusion::Always(4), 2),
    (RowFusion::Always(7), 5),
];

/// A network's graph for pictures of a shape, and the numbers it computes with.
struct Asked<'a> {
    graph: Graph,
    input: &'a str,
    shape: &'a [usize],
    numerics: NumericOptions,
}

/// The bits of all outputs, and how many layers were computed together.
fn run(
    asked: &Asked<'_>,
    weight_cache: &WeightCache,
    (row_fusion, threads): Trial,
) -> (Vec<u32>, usize) {
    let Asked { graph, input, shape, numerics } = asked;
    let sizes = HashMap::from([((*input).to_owned(), shape.to_vec())]);
    let typed = optimise(infer_shapes(graph, &sizes).unwrap());
    let pool = ThreadPool::new(threads);
    let options = PlanOptions { row_fusion, numerics: *numerics, ..PlanOptions::default() };
    let plan = Plan::new(&typed, weight_cache, &options, &pool).unwrap();
    let mut activations = plan.activations(threads).unwrap();
    let mut bits = Vec::new();
    // What a run leaves behind must not matter to the next one.
    for _ in 0..2 {
        bits.clear();
        activations.input(&plan.inputs()[0]).copy_from_slice(&made_up::image(shape));
        plan.run(&mut activations, &pool);
        for port in plan.outputs() {
            bits.extend(activations.output(&plan, port).iter().map(|x| x.to_bits()));
        }
    }
    (bits, plan.report(&[]).iter().filter(|step| step.group.is_some()).count())
}

/// Compares a network's answer, and two values from within, for pictures of a size.
fn check(
    name: &str,
    batch: usize,
    size: Option<[usize; 2]>,
    fetch: Option<&str>,
    trials: &[Trial],
) {
    let net = zoo::find(name).unwrap();
    let built = net
        .build(
            &RandomWeights,
            &ZooOptions { size, create_aux_logits: false, ..ZooOptions::default() },
        )
        .unwrap();
    let [height, width] = size.unwrap_or([net.side; 2]);
    let shape = [batch, height, width, net.channels];
    // A value that somebody asks for cannot vanish within a chain.
    let (within, _) = &built.end_points[built.end_points.len() / 3];
    let fetches = [fetch.or(built.logits.as_deref()).unwrap(), within];
    let weight_cache = WeightCache::default();
    let precisions =
        [Precision::Float32, Precision::Bf16].into_iter().filter(|p| p.is_available(Level::best()));
    for (precision, count) in precisions.flat_map(|precision| [(precision, 1), (precision, 2)]) {
        let graph = built.fetching(&fetches[..count], &[]).unwrap();
        let numerics = NumericOptions { compute: precision, ..NumericOptions::default() };
        let asked = Asked { graph, input: &built.input, shape: &shape, numerics };
        let (expected, none) = run(&asked, &weight_cache, (RowFusion::Never, 1));
        assert_eq!(none, 0, "{name}: asked for none");
        for trial in trials {
            let (actual, together) = run(&asked, &weight_cache, *trial);
            assert!(
                expected == actual,
                "{name} {shape:?}, {count} fetched: other bits with {precision}, {trial:?}"
            );
            assert!(
                trial.0 == RowFusion::Auto || together > 0,
                "{name}: {trial:?} computes nothing together"
            );
            println!("{name} {shape:?}: {together} layers together with {precision}, {trial:?}");
        }
    }
}

#[test]
fn small_networks_have_the_same_bits() {
    check("mobilenet_v1_025", 1, Some([75, 97]), None, &TRIALS);
    check("mobilenet_v2_035", 1, Some([97, 66]), None, &TRIALS);
    check("mobilenet_v2_035", 3, Some([65, 35]), None, &TRIALS[3..]);
    check("nasnet_cifar", 1, None, None, &TRIALS[5..]);
    check("cifarnet", 2, None, None, &TRIALS);
    check(
        "inception_v1",
        1,
        Some([79, 93]),
        Some("InceptionV1/InceptionV1/Mixed_4b/concat"),
        &TRIALS[4..],
    );
    check("resnet_v1_50", 1, Some([61, 83]), Some("resnet_v1_50/block2"), &TRIALS[4..]);
    check("vgg_16", 1, Some([63, 49]), Some("vgg_16/pool3"), &TRIALS);
    check("vgg_16", 2, Some([39, 50]), Some("vgg_16/pool2"), &TRIALS[3..]);
}

/// The layers of a network that are computed together with others, for pictures of a size.
fn fused_layers(
    name: &str,
    size: Option<[usize; 2]>,
    fetch: Option<&str>,
    threads: usize,
) -> Vec<String> {
    let net = zoo::find(name).unwrap();
    let options = ZooOptions { size, create_aux_logits: false, ..ZooOptions::default() };
    let built = net.build(&RandomWeights, &options).unwrap();
    let graph = built.fetching(&[fetch.or(built.logits.as_deref()).unwrap()], &[]).unwrap();
    let [height, width] = size.unwrap_or([net.side; 2]);
    let shape = [1, height, width, net.channels];
    let sizes = HashMap::from([(built.input, shape.to_vec())]);
    let typed = optimise(infer_shapes(&graph, &sizes).unwrap());
    let (cache, pool) = (WeightCache::default(), ThreadPool::new(threads));
    let plan = Plan::new(&typed, &cache, &PlanOptions::default(), &pool).unwrap();
    let steps = plan.report(&[]).into_iter();
    steps.filter(|step| step.group.is_some()).map(|step| step.name).collect()
}

/// Where it is known to pay, it is done: blocks that widen a picture and narrow it again, and pools
/// behind convolutions.
#[test]
fn layers_go_together_where_it_pays() {
    for threads in [1, 2, 4] {
        let widened = fused_layers("mobilenet_v2", None, None, threads);
        assert!(
            widened.iter().any(|name| name.contains("expanded_conv_1/depthwise")),
            "{threads} threads: {widened:?}"
        );
        let pooled = fused_layers("vgg_16", None, Some("vgg_16/pool2"), threads);
        assert!(pooled.iter().any(|name| name.contains("pool1")), "{threads} threads: {pooled:?}");
    }
}

/// Weights that do not stay in L2 would be read again for every block of rows.
#[test]
fn layers_of_many_weights_go_one_after_the_other() {
    for threads in [1, 2] {
        let fused = fused_layers("mobilenet_v2", Some([384, 512]), None, threads);
        let has = |block: &str| fused.iter().any(|name| name.contains(block));
        assert!(has("expanded_conv_1/depthwise"), "{threads} threads: {fused:?}");
        // Two of this block's layers may go together: either one's weights stay in L2.
        let block = ["expand", "depthwise", "add"].map(|layer| format!("expanded_conv_15/{layer}"));
        assert!(!block.iter().all(|layer| has(layer)), "{threads} threads: {fused:?}");
    }
}

#[test]
#[ignore = "takes minutes"]
fn all_networks_have_the_same_bits() {
    for net in ARCHITECTURES {
        check(net.name, 1, None, None, &TRIALS);
    }
}
