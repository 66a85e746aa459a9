//! Networks among other threads: no more threads than were asked for, none that goes on spinning,
//! the same bits whoever calls.

use std::sync::Arc;
use std::thread;

use lorgnette::{Classification, Classifier, Model, ModelOptions, Picture};
use rayon::prelude::*;

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../photos/chelsea.jpg");

fn classifier(threads: usize) -> Classifier {
    let options = ModelOptions { threads: Some(threads), ..ModelOptions::default() };
    Classifier::new(Model::embedded(&options).unwrap()).unwrap()
}

fn photo() -> Picture {
    Picture::open(PHOTO).unwrap()
}

fn answer(classifier: &Classifier, photo: &Picture) -> Classification {
    classifier.classify(photo, 5).unwrap()
}

/// One test, because it counts the threads of the whole process.
#[test]
fn callers_of_any_kind_get_the_same_bits_from_no_more_threads_than_were_asked_for() {
    let (first, second, photo) = (classifier(3), classifier(2), photo());
    let expected = answer(&classifier(1), &photo);
    let asked_for = 2 + 1;

    let callers = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
    callers.install(|| {
        (0..24).into_par_iter().for_each(|number| {
            let classifier = if number % 2 == 0 { &first } else { &second };
            assert_eq!(answer(classifier, &photo), expected);
        });
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(answer(&first, &photo), expected));
        }
    });
    linux::check_threads(asked_for);
    served_by_tokio(&first, &photo, &expected, asked_for);
    drop((first, second));
    linux::check_threads(0);
}

/// A server as the library's documentation draws it: requests wait, answers are computed by
/// `spawn_blocking`, each on one thread.
fn served_by_tokio(
    shared: &Classifier,
    photo: &Picture,
    expected: &Classification,
    asked_for: usize,
) {
    const AT_ONCE: usize = 4;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(AT_ONCE)
        .build()
        .unwrap();
    let (one, photo) = (shared.with_threads(1), Arc::new(photo.clone()));
    // Those who ignore the advice, and share a pool, get the same answers and no more threads.
    for classifier in [one, shared.clone()] {
        let requests: Vec<_> = (0..24)
            .map(|_| {
                let (classifier, photo) = (classifier.clone(), photo.clone());
                runtime.spawn(async move {
                    tokio::task::spawn_blocking(move || answer(&classifier, &photo)).await
                })
            })
            .collect();
        for request in requests {
            assert_eq!(&runtime.block_on(request).unwrap().unwrap(), expected);
        }
        linux::check_threads(asked_for);
    }
    // A call on the runtime's own threads holds up what else they serve, and works all the same.
    assert_eq!(&runtime.block_on(async { answer(shared, &photo) }), expected);
    linux::check_threads(asked_for);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::thread::sleep;
    use std::time::Duration;

    /// As the pool calls its threads.
    const NAME: &str = "(lorgnette-";

    /// There are so many threads of pools, and before long all of them sleep.
    pub(super) fn check_threads(count: usize) {
        let mut states = states();
        assert_eq!(states.len(), count, "threads of pools");
        // What is waited for is that something becomes true; how long it takes does not matter.
        for _ in 0..1000 {
            if states.iter().all(|&state| state == 'S') {
                return;
            }
            sleep(Duration::from_millis(10));
            states = self::states();
        }
        panic!("threads that have nothing to do go on working: {states:?}");
    }

    /// The states of the threads of pools, as the system has them: R runs, S sleeps.
    fn states() -> Vec<char> {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let lines =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let state = |line: String| {
            line.contains(NAME).then(|| line.rsplit_once(") ")?.1.chars().next()).flatten()
        };
        lines.filter_map(state).collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    /// Other systems do not say.
    pub(super) fn check_threads(_: usize) {}
}
