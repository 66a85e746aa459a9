//! Threads that others start and lend to pools, for systems on which the standard library starts
//! none: in a browser, they are workers that the page's script makes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The work of a pool's worker, from its first region to its last.
type Job = Box<dyn FnOnce() + Send>;

/// The lent threads that no pool has.
struct Idle {
    threads: usize,
    /// For as many more threads, which have not taken them yet.
    jobs: Vec<Job>,
}

static IDLE: Mutex<Idle> = Mutex::new(Idle { threads: 0, jobs: Vec::new() });
static JOB_READY: Condvar = Condvar::new();

fn idle() -> MutexGuard<'static, Idle> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lends the calling thread, for as long as the process runs, to pools that cannot start threads of
/// their own.
pub fn lend_thread() -> ! {
    loop {
        let mut idle = idle();
        idle.threads += 1;
        let job = loop {
            match idle.jobs.pop() {
                Some(job) => break job,
                None => idle = JOB_READY.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(idle);
        // Workers catch their tasks' panics, so there is nothing to report here.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

/// Returns the number of lent threads that no pool has.
pub fn lent_threads() -> usize {
    idle().threads
}

/// A lent thread that works for a pool.
pub(super) struct LentThread(Arc<Completion>);

#[derive(Default)]
struct Completion {
    is_done: Mutex<bool>,
    done: Condvar,
}

impl LentThread {
    /// Runs a job on a lent thread; `None` if there is none.
    pub(super) fn run(job: impl FnOnce() + Send + 'static) -> Option<Self> {
        let completion = Arc::new(Completion::default());
        let on_drop = CompleteOnDrop(Arc::clone(&completion));
        let mut idle = idle();
        idle.threads = idle.threads.checked_sub(1)?;
        idle.jobs.push(Box::new(move || {
            let _on_drop = on_drop;
            job();
        }));
        JOB_READY.notify_one();
        Some(Self(completion))
    }

    /// Waits until the job has ended.
    pub(super) fn join(self) {
        let mut is_done = self.0.is_done.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_done {
            is_done = self.0.done.wait(is_done).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Completes a job when it ends, in whatever way.
struct CompleteOnDrop(Arc<Completion>);

impl Drop for CompleteOnDrop {
    fn drop(&mut self) {
        *self.0.is_done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.done.notify_all();
    }
}
