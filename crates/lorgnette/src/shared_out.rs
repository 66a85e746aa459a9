//! Work shared out among threads, its results where the work was.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

/// Lets each worker, on a thread of its own, turn items into results; `watch` sees each as it comes, with its item's
/// number, on the calling thread. Gives all results in the items' order; nothing if `watch` gave `false`, which stops the
/// workers.
///
/// # Panics
/// Passes on the panic of a worker.
pub(crate) fn shared_out<T, A, W>(
    items: &[T],
    workers: Vec<W>,
    watch: &mut dyn FnMut(usize, &A) -> bool,
) -> Option<Vec<A>>
where
    T: Sync,
    A: Send,
    W: FnMut(usize, &T) -> A + Send,
{
    let next = AtomicUsize::new(0);
    let (done, finished) = channel();
    let mut results: Vec<Option<A>> = items.iter().map(|_| None).collect();
    let mut goes_on = true;
    thread::scope(|scope| {
        for mut worker in workers {
            let (done, next) = (done.clone(), &next);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { return };
                    if done.send((number, worker(number, item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        while let Ok((number, result)) = finished.recv() {
            goes_on = goes_on && watch(number, &result);
            results[number] = Some(result);
            if !goes_on {
                next.store(items.len(), Ordering::Relaxed);
            }
        }
    });
    results.into_iter().collect::<Option<Vec<A>>>().filter(|_| goes_on)
}

#[cfg(test)]
mod tests {
    use super::shared_out;

    #[test]
    fn results_are_where_their_items_were() {
        let items: Vec<u64> = (0..100).collect();
        for workers in [1, 3] {
            let mut seen = 0;
            let results = shared_out(&items, vec![|_, n: &u64| n * n; workers], &mut |_, _| {
                seen += 1;
                true
            });
            assert_eq!(seen, 100);
            assert!(results.unwrap().iter().copied().eq(items.iter().map(|n| n * n)));
        }
    }

    #[test]
    fn whoever_watches_can_stop_it() {
        let items = [(); 1000];
        let mut seen = 0;
        let stopped = shared_out(&items, vec![|_, (): &()| (); 2], &mut |_, ()| {
            seen += 1;
            seen < 5
        });
        assert!(stopped.is_none() && seen < 1000);
    }
}
