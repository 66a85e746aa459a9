//! Networks among other threads: no more threads than were asked for, none that goes on spinning, the same bits whoever calls.

use std::thread;

use lorgnette::{Classifier, Model, ModelOptions, Picture, Prediction};
use rayon::prelude::*;

const PHOTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../photos/chelsea.jpg");

fn classifier(threads: usize) -> Classifier {
    let options = ModelOptions { threads: Some(threads), ..ModelOptions::default() };
    Classifier::new(Model::embedded(&options).unwrap()).unwrap()
}

fn photo() -> Picture {
    Picture::open(PHOTO).unwrap()
}

fn answer(classifier: &Classifier, photo: &Picture) -> Prediction {
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
    // A caller on a thread of its own, as `spawn_blocking` of an asynchronous program has it.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(answer(&first, &photo), expected));
        }
    });
    linux::check_threads(asked_for);
    drop((first, second));
    linux::check_threads(0);
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
        let lines = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
        let state = |line: String| line.contains(NAME).then(|| line.rsplit_once(") ")?.1.chars().next()).flatten();
        lines.filter_map(state).collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    /// Other systems do not say.
    pub(super) fn check_threads(_: usize) {}
}
