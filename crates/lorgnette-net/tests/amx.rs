//! Networks on AMX beside themselves without it. Where the CPU has no AMX, its instructions are
//! executed in software.

#[path = "support/levels.rs"]
mod levels;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use levels::levels;
use lorgnette_kernels::{Level, NumericOptions, Precision, ThreadPool};
use lorgnette_net::graph::shape_inference::infer_shapes;
use lorgnette_net::passes::optimise;
use lorgnette_net::plan::{Plan, PlanOptions, RowFusion, WeightCache};
use lorgnette_net::zoo::{self, RandomWeights, ZooOptions};
use lorgnette_net::{LoadOptions, Network, RunOptions, Tensor};
use lorgnette_oracle::made_up;
use lorgnette_oracle::tolerance::{ACTIVATION, SCORES_BF16, relative_error};

fn options(level: Level, precision: Precision) -> RunOptions {
    RunOptions {
        level,
        numerics: NumericOptions { compute: precision, ..NumericOptions::default() },
        ..RunOptions::default()
    }
}

/// A network with made-up weights.
fn network(name: &str, options: RunOptions) -> Network {
    let (net, load) = (zoo::find(name).unwrap(), LoadOptions::default());
    Network::from_architecture(net, Arc::new(RandomWeights), load, options).unwrap()
}

/// The scores for made-up pictures.
fn scores(network: &Network, pictures: usize) -> Vec<f32> {
    let signature = network.signature().unwrap();
    let shape = shape(network, pictures);
    let picture = Tensor::from_f32(&shape, made_up::image(&shape));
    network.run(&[(&signature.input.name, &picture)], &[&signature.logits]).unwrap()[0]
        .to_f32()
        .to_vec()
}

fn shape(network: &Network, pictures: usize) -> Vec<usize> {
    let net = network.net().expect("a network of the zoo");
    vec![pictures, net.side, net.side, net.channels]
}

/// How many steps a plan computes with tiles.
fn on_tiles(network: &Network) -> usize {
    let signature = network.signature().unwrap();
    let plan =
        network.plan(&[(&signature.input.name, &shape(network, 1))], &[&signature.logits]).unwrap();
    plan.report(&[]).iter().filter(|step| step.kernel.contains("amx")).count()
}

/// Whether there is AMX, or what can stand for it.
fn is_there() -> bool {
    let there = levels().contains(&Level::Amx);
    if !there {
        println!("this CPU has nothing of what AMX is beside");
    }
    there
}

#[test]
fn networks_give_the_same_answers_on_tiles() {
    if !is_there() {
        return;
    }
    for name in ["cifarnet", "mobilenet_v1_025", "mobilenet_v3_small"] {
        let without = network(name, options(Level::Avx512, Precision::Float32));
        let expected = scores(&without, 1);
        assert_eq!(on_tiles(&without), 0, "{name}");
        for (precision, tolerance) in
            [(Precision::Float32, ACTIVATION), (Precision::Bf16, SCORES_BF16)]
        {
            let with = network(name, options(Level::Amx, precision));
            let (error, steps) = (relative_error(&expected, &scores(&with, 1)), on_tiles(&with));
            println!("{name}, {precision}: {steps} steps on tiles, {error:e}");
            assert!(
                steps > 0 && error > 0.0 && error <= tolerance,
                "{name}, {precision}: {error:e}"
            );
        }
    }
}

/// A picture's scores are the same to the last bit alone, among others, and on any number of
/// threads.
#[test]
fn company_changes_nothing_on_tiles() {
    if !is_there() {
        return;
    }
    for precision in [Precision::Float32, Precision::Bf16, Precision::Auto] {
        let options = options(Level::Amx, precision);
        let alone = scores(&network("mobilenet_v1_025", options.clone()), 1);
        let pool = Arc::new(ThreadPool::new(3));
        let among = scores(&network("mobilenet_v1_025", RunOptions { pool, ..options }), 3);
        assert_eq!(alone, among[..alone.len()], "{precision}");
    }
}

/// A plan file made for AMX serves there, and is refused at another level.
#[test]
fn plan_files_know_their_level() {
    if !is_there() {
        return;
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("amx.plan");
    let made = network("lenet", options(Level::Amx, Precision::Float32));
    let expected = scores(&made, 1);
    assert!(on_tiles(&made) > 0);
    made.write_plan_file(&path).unwrap();
    let open =
        |level| Network::open(&path, LoadOptions::default(), options(level, Precision::Float32));
    assert_eq!(scores(&open(Level::Amx).unwrap(), 1), expected);
    let refused = open(Level::Avx512).unwrap_err().to_string();
    assert!(refused.contains("packed for amx, not for avx512"), "{refused}");
}

/// Layers computed together, band by band, give the bits of layers that are computed one after the
/// other.
#[test]
fn bands_have_the_same_bits_on_tiles() {
    if !is_there() {
        return;
    }
    let built = zoo::find("mobilenet_v2_035")
        .unwrap()
        .build(&RandomWeights, &ZooOptions::default())
        .unwrap();
    let graph = built.fetching(&[built.logits.as_deref().unwrap()], &[]).unwrap();
    let shape = [1, 97, 66, 3];
    let sizes = HashMap::from([(built.input.clone(), shape.to_vec())]);
    let typed = optimise(infer_shapes(&graph, &sizes).unwrap());
    let run = |row_fusion: RowFusion, threads: usize| {
        let options = PlanOptions { row_fusion, level: Level::Amx, ..PlanOptions::default() };
        let pool = ThreadPool::new(threads);
        let plan = Plan::new(&typed, &WeightCache::default(), &options, &pool).unwrap();
        let mut activations = plan.activations(threads).unwrap();
        activations.input(&plan.inputs()[0]).copy_from_slice(&made_up::image(&shape));
        plan.run(&mut activations, &pool);
        activations.output(&plan, &plan.outputs()[0]).to_vec()
    };
    let expected = run(RowFusion::Never, 1);
    for (row_fusion, threads) in
        [(RowFusion::Auto, 2), (RowFusion::Always(1), 1), (RowFusion::Always(4), 3)]
    {
        assert_eq!(run(row_fusion, threads), expected, "{row_fusion:?}, {threads} threads");
    }
}
