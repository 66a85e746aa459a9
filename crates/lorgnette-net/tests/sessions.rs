//! Sessions: their memory, their plans, and what they refuse.

use std::sync::{Arc, Barrier};

use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{Error, LoadOptions, Network, RunOptions, Session};
use lorgnette_oracle::made_up;

const SHAPE: [usize; 4] = [1, 28, 28, 1];

fn lenet(run: RunOptions) -> Network {
    let net = zoo::find("lenet").unwrap();
    Network::from_architecture(net, Arc::new(RandomWeights), LoadOptions::default(), run).unwrap()
}

fn session(network: &Network) -> Session {
    network.session(&[("input", &SHAPE)], &["Logits"]).unwrap()
}

fn logits(session: &mut Session, pixels: &[f32]) -> Vec<f32> {
    session.input_mut("input").unwrap().copy_from_slice(pixels);
    session.run().unwrap();
    session.output("Logits").unwrap().to_vec()
}

#[test]
fn a_clone_has_its_own_memory_over_the_same_plan() {
    let network = lenet(RunOptions::with_threads(Some(1)));
    let (mut one, pixels) = (session(&network), made_up::image(&SHAPE));
    let expected = logits(&mut one, &pixels);
    let mut two = one.clone();
    assert!(Arc::ptr_eq(one.plan(), two.plan()));
    assert!(matches!(two.output("Logits"), Err(Error::Input(_))), "it has not run");
    let zeros = vec![0.0; pixels.len()];
    assert_ne!(logits(&mut two, &zeros), expected);
    assert_eq!(one.output("Logits").unwrap(), expected);
    assert_eq!(logits(&mut two, &pixels), expected);
}

#[test]
fn callers_that_ask_at_once_share_one_plan() {
    let network = lenet(RunOptions::with_threads(Some(1)));
    let barrier = Barrier::new(4);
    let first_sessions = || {
        barrier.wait();
        session(&network)
    };
    let sessions: Vec<Session> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(first_sessions)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(sessions.iter().all(|session| Arc::ptr_eq(session.plan(), sessions[0].plan())));
}

#[test]
fn idle_memory_is_used_again_bounded_and_given_back() {
    let network = lenet(RunOptions::with_threads(Some(1)));
    let pixels = made_up::image(&SHAPE);
    let mut sessions: Vec<Session> = (0..3).map(|_| session(&network)).collect();
    sessions.iter_mut().for_each(|session| drop(logits(session, &pixels)));
    assert_eq!(network.idle_memory_bytes(), 0, "all of it is in use");
    drop(sessions);
    let all = network.idle_memory_bytes();
    let one = all / 3;
    assert_eq!(one, session(&network).plan().activation_bytes(1) as u64);
    let mut again = session(&network);
    logits(&mut again, &pixels);
    assert_eq!(network.idle_memory_bytes(), 2 * one);
    drop(again);
    assert_eq!(network.idle_memory_bytes(), all);
    network.release_idle_memory();
    assert_eq!(network.idle_memory_bytes(), 0);

    let max_idle_bytes = 2 * one;
    let bounded =
        network.with_run_options(RunOptions { max_idle_bytes, ..network.run_options().clone() });
    let mut sessions: Vec<Session> = (0..3).map(|_| session(&bounded)).collect();
    sessions.iter_mut().for_each(|session| drop(logits(session, &pixels)));
    drop(sessions);
    assert_eq!(network.idle_memory_bytes(), max_idle_bytes);
}

/// What a run leaves in memory is not read by runs for other sizes that get the memory.
#[test]
fn memory_of_one_size_serves_smaller_ones() {
    const SIDES: [usize; 4] = [224, 97, 192, 161];
    let mut served = 0;
    for name in ["mobilenet_v1_025", "mobilenet_v3_small"] {
        let net = zoo::find(name).unwrap();
        let run = RunOptions::with_threads(Some(2));
        let network =
            Network::from_architecture(net, Arc::new(RandomWeights), LoadOptions::default(), run)
                .unwrap();
        let features = network.signature().unwrap().features.unwrap();
        let answer = |side: usize, is_damaged: bool| {
            let shape = [1, side, side, 3];
            let mut session = network.session(&[("input", &shape)], &[&features]).unwrap();
            let pixels = session.input_mut("input").unwrap();
            pixels.copy_from_slice(&made_up::image(&shape));
            if is_damaged {
                pixels.fill(f32::NAN);
            }
            session.run().unwrap();
            (session.output_at(0).unwrap().to_vec(), network.idle_memory_bytes())
        };
        let fresh: Vec<Vec<f32>> = SIDES
            .map(|side| {
                network.release_idle_memory();
                answer(side, false).0
            })
            .into();
        for (side, expected) in SIDES.into_iter().zip(fresh).skip(1) {
            network.release_idle_memory();
            answer(SIDES[0], true);
            assert!(network.idle_memory_bytes() > 0);
            let (found, idle) = answer(side, false);
            // A smaller size may need more scratch, by the CPU's kernels.
            served += usize::from(idle == 0);
            assert_eq!(found, expected, "{name} at {side}");
        }
        answer(32, false);
        assert!(network.idle_memory_bytes() > 0, "{name}: far too much is kept for larger ones");
    }
    assert!(served > 0);
}

#[test]
fn names_that_are_not_there_are_refused() {
    let network = lenet(RunOptions::with_threads(Some(1)));
    let mut session = session(&network);
    let message = session.input_mut("inptu").unwrap_err().to_string();
    assert!(message.contains("no input 'inptu'") && message.contains(": input"), "{message}");
    let message = session.output_shape("Predictions").unwrap_err().to_string();
    assert!(message.contains("no output 'Predictions'"), "{message}");
    assert_eq!(session.input_shape("input:0").unwrap(), SHAPE);
    let missing = network.session(&[], &["Logits"]).unwrap_err();
    assert!(!missing.to_string().is_empty());
}

#[test]
fn a_failed_plan_is_tried_again() {
    let small = RunOptions { memory_limit: 1 << 10, ..RunOptions::with_threads(Some(1)) };
    let network = lenet(small.clone());
    for _ in 0..2 {
        let refused = network.session(&[("input", &SHAPE)], &["Logits"]);
        assert!(matches!(refused, Err(Error::Memory { .. })));
    }
    let roomy = network.with_run_options(RunOptions { memory_limit: 1 << 30, ..small });
    logits(&mut session(&roomy), &made_up::image(&SHAPE));
}

/// Runs a session with its input and its outputs in memory of the caller, which begins in the
/// middle of a cache line. Returns the outputs and the number of values that were copied.
fn run_outside(session: &mut Session, input: &str, pixels: &[f32]) -> (Vec<Vec<f32>>, usize) {
    // The memory's content before does not count.
    session.input_mut(input).unwrap().fill(f32::NAN);
    let shifted: Vec<f32> = [f32::NAN].iter().chain(pixels).copied().collect();
    let outputs = session.outputs().iter();
    let mut outputs: Vec<Vec<f32>> =
        outputs.map(|port| vec![f32::NAN; port.fact.shape.iter().product::<usize>() + 1]).collect();
    let mut slices: Vec<&mut [f32]> = outputs.iter_mut().map(|output| &mut output[1..]).collect();
    let copied = session.run_with(&[(input, &shifted[1..])], &mut slices).unwrap();
    for output in &mut outputs {
        output.remove(0);
    }
    (outputs, copied)
}

/// Checks that a session gives the same bits with its values in memory of the caller. Returns the
/// number of values that were copied.
fn same_outside(session: &Session, input: &str, pixels: &[f32]) -> usize {
    let (mut copying, mut outside) = (session.clone(), session.clone());
    copying.input_mut(input).unwrap().copy_from_slice(pixels);
    copying.run().unwrap();
    let mut copied = 0;
    for _ in 0..2 {
        let (outputs, copied_values) = run_outside(&mut outside, input, pixels);
        for (index, output) in outputs.iter().enumerate() {
            let name = &outside.outputs()[index].name;
            assert_eq!(output, copying.output_at(index).unwrap(), "{input} to {name}");
        }
        copied = copied_values;
    }
    copied
}

/// Inputs and outputs in the caller's memory give the bits of those that are copied, wherever the
/// network reads and writes them: by its first and last layers, in place, as a part of one another,
/// picture by picture.
#[test]
fn inputs_and_outputs_may_stay_in_the_callers_memory() {
    let network = lenet(RunOptions::with_threads(Some(2)));
    let cases: [(&str, &[usize], &[&str], usize); 7] = [
        ("input", &SHAPE, &["Logits"], 0),
        ("input", &SHAPE, &["Logits", "input"], 2 * 784),
        ("input", &SHAPE, &["Predictions", "LeNet/conv1/Relu", "Logits", "Logits"], 20),
        ("input", &[3, 28, 28, 1], &["Logits"], 3 * (784 + 10)),
        ("LeNet/conv2/BiasAdd", &[1, 14, 14, 64], &["Logits", "LeNet/conv2/Relu"], 0),
        (
            "LeNet/pool2/MaxPool",
            &[1, 7, 7, 64],
            &["Logits", "LeNet/Flatten/flatten/Reshape"],
            2 * 3136,
        ),
        ("LeNet/fc4/BiasAdd", &[1, 10], &["Predictions"], 0),
    ];
    for (input, shape, fetches, copied) in cases {
        let pixels: Vec<f32> = made_up::image(shape).iter().map(|value| value - 0.5).collect();
        let session = network.session(&[(input, shape)], fetches).unwrap();
        assert_eq!(same_outside(&session, input, &pixels), copied, "{input} to {fetches:?}");
    }
}

/// Networks with shortcuts, concatenations and fused groups neither copy nor change.
#[test]
fn networks_of_many_layers_copy_nothing() {
    let shape = [1, 96, 96, 3];
    let pixels = made_up::image(&shape);
    for name in ["mobilenet_v1_025", "mobilenet_v3_small", "nasnet_mobile", "resnet_v2_50"] {
        let weights = Arc::new(RandomWeights);
        let (options, run) = (LoadOptions::default(), RunOptions::with_threads(Some(2)));
        let net = zoo::find(name).unwrap();
        let network = Network::from_architecture(net, weights, options, run).unwrap();
        let signature = network.signature().unwrap();
        let (input, fetches) = (signature.input.name.as_str(), [signature.logits.as_str()]);
        let session = network.session(&[(input, &shape)], &fetches).unwrap();
        assert_eq!(same_outside(&session, input, &pixels), 0, "{name}");
    }
}

#[test]
fn the_callers_memory_has_the_sizes_of_the_session() {
    let network = lenet(RunOptions::with_threads(Some(1)));
    let (mut session, pixels) = (session(&network), made_up::image(&SHAPE));
    let mut output = vec![0.0; 10];
    let few = session.run_with(&[("input", &pixels[1..])], &mut [&mut output]).unwrap_err();
    assert!(few.to_string().contains("783 values in place of 784"), "{few}");
    let none = session.run_with(&[("input", &pixels)], &mut []).unwrap_err();
    assert!(none.to_string().contains("0 outputs in place of 1"), "{none}");
    let short = session.run_with(&[("input", &pixels)], &mut [&mut output[1..]]).unwrap_err();
    assert!(short.to_string().contains("9 values in place of 10"), "{short}");
    let unknown = session.run_with(&[("pixels", &pixels)], &mut [&mut output]).unwrap_err();
    assert!(matches!(unknown, Error::Unknown { .. }), "{unknown}");
}
