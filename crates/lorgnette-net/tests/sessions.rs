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

/// Nine sizes are more than there are cached plans.
#[test]
fn memory_of_a_plan_that_is_cached_no_more_is_freed() {
    let net = zoo::find("mobilenet_v1_025").unwrap();
    let run = RunOptions::with_threads(Some(1));
    let network =
        Network::from_architecture(net, Arc::new(RandomWeights), LoadOptions::default(), run)
            .unwrap();
    let open = |side: usize| network.session(&[("input", &[1, side, side, 3])], &["Logits"]);
    let mut first = open(32).unwrap();
    first.run().unwrap();
    for side in 33..=40 {
        open(side).unwrap();
    }
    drop(first);
    assert_eq!(network.idle_memory_bytes(), 0);
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
