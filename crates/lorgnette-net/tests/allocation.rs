//! A run allocates nothing, whatever the operations: counted by the allocator itself, over all
//! threads.

#[path = "support/operations.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lorgnette_kernels::ThreadPool;
use lorgnette_net::zoo::{self, RandomWeights};
use lorgnette_net::{LoadOptions, Network, Plan, RunOptions, npy};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about the layout is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from `alloc` above, so from the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_run_allocates_nothing() {
    let (files, cases) = support::operations();
    let (load, run) = (LoadOptions::default(), RunOptions::with_threads(Some(2)));
    for case in &cases {
        let network =
            Network::from_bytes(files[&case.graph].clone(), &case.graph, load.clone(), run.clone())
                .unwrap();
        let feeds: Vec<_> = case
            .feeds
            .iter()
            .map(|(name, file)| (name.as_str(), npy::read(&files[file]).unwrap()))
            .collect();
        let (settings, inputs): (Vec<_>, Vec<_>) =
            feeds.into_iter().partition(|(_, value)| value.shape().is_empty());
        let shapes: Vec<_> = inputs.iter().map(|(name, value)| (*name, value.shape())).collect();
        let fetches: Vec<&str> = case.fetches.keys().map(String::as_str).collect();
        let session = network.session_with(&shapes, &settings, &fetches).unwrap();
        assert_eq!(
            allocations(session.plan(), &run.pool),
            0,
            "allocations in a run of {}",
            case.name
        );
    }
    let network = Network::from_architecture(
        zoo::find("mobilenet_v1_025").unwrap(),
        Arc::new(RandomWeights),
        load,
        run.clone(),
    )
    .unwrap();
    let one = network
        .plan(&[("input", &[1, 64, 64, 3])], &[&network.signature().unwrap().logits])
        .unwrap();
    assert!(one.report(&[]).iter().any(|step| step.group.is_some()));
    assert_eq!(
        allocations(&one, &run.pool),
        0,
        "allocations in a run of layers that are computed together"
    );
    let batch = network
        .plan(&[("input", &[3, 64, 64, 3])], &[&network.signature().unwrap().logits])
        .unwrap();
    assert_eq!(
        allocations(&batch, &run.pool),
        0,
        "allocations in a run of a batch picture by picture"
    );
}

/// How often a run allocates. The test harness's own thread may allocate meanwhile; a run that
/// does, does so every time.
fn allocations(plan: &Plan, pool: &ThreadPool) -> usize {
    let mut activations = plan.activations(pool.threads()).unwrap();
    let allocated = || {
        let before = ALLOCATIONS.load(Ordering::SeqCst);
        plan.run(&mut activations, pool);
        ALLOCATIONS.load(Ordering::SeqCst) - before
    };
    std::iter::repeat_with(allocated).take(5).min().unwrap()
}
