//! A bounded queue of requests, and the threads that compute their answers.
//!
//! There is one thread for each core. A request that finds the server idle is computed on all
//! cores, for its answer to come sooner; otherwise each is computed on one, which gives the highest
//! throughput. Answers do not depend on it.
//!
//! A request that takes more memory than the process may use fails alone: a thread that watches
//! answers it and starts another thread in the place of its own, which ends as soon as it can.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread, ThreadId};
use std::time::{Duration, Instant};

use lorgnette::net::memory::Containment;
use tokio::sync::oneshot;

use crate::failure::{Code, Failure, Outcome};

/// Time between two looks at threads that are to end.
const END_POLL: Duration = Duration::from_millis(5);

/// The queue and its threads.
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
    workers: usize,
    /// Mean time of a request in microseconds, over the last few.
    mean_us: AtomicU64,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    running: Vec<Running>,
    threads: Vec<JoinHandle<()>>,
    next_id: u64,
    closed: bool,
    /// Set once there are no threads to watch.
    is_ended: bool,
}

/// Computes an answer and sends it.
type Work = Box<dyn FnOnce(&Turn) + Send>;

struct Job {
    id: u64,
    turn: Turn,
    work: Work,
    /// Answers the request with a failure, unless it is answered.
    fail: Box<dyn FnOnce(Failure) + Send>,
}

/// A request on a thread.
struct Running {
    thread: ThreadId,
    containment: Arc<Containment>,
    cancelled: Arc<AtomicBool>,
    fail: Box<dyn FnOnce(Failure) + Send>,
}

/// The turn of one request on a thread.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// True if the server is idle otherwise, so that all cores are free for it.
    pub(crate) is_alone: bool,
    /// Time in the queue.
    pub(crate) queued: Duration,
    cancelled: Arc<AtomicBool>,
    deadline: Instant,
    arrived: Instant,
}

impl Turn {
    /// Checks that someone still waits for the answer; called between photos and between tiles.
    ///
    /// # Errors
    /// [`Code::Cancelled`], [`Code::DeadlineExceeded`].
    pub(crate) fn check(&self) -> Outcome<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::new(Code::Cancelled, "the client has gone"));
        }
        if Instant::now() >= self.deadline {
            return Err(too_late());
        }
        Ok(())
    }
}

/// Cancels a request when its future is dropped, as when the client closes the connection.
struct CancelOnDrop {
    shared: Arc<Shared>,
    cancelled: Arc<AtomicBool>,
    id: u64,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        // Gives its place in the queue away at once.
        let removed = {
            let mut state = self.shared.state();
            let at = state.queue.iter().position(|job| job.id == self.id);
            at.and_then(|at| state.queue.remove(at))
        };
        drop(removed);
    }
}

impl Scheduler {
    /// Starts `workers` threads, or those that the system gives, with a queue of `capacity`
    /// requests beyond those that run.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub(crate) fn new(workers: usize, capacity: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            capacity,
            workers,
            mean_us: AtomicU64::new(0),
        });
        let watching = shared.clone();
        let watcher = thread::Builder::new().spawn(move || watching.watch())?;
        for _ in 0..workers {
            shared.start_thread(watcher.thread());
        }
        let has_threads = !shared.state().threads.is_empty();
        let scheduler = Self { shared, watcher: Some(watcher) };
        if has_threads { Ok(scheduler) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }

    /// Computes `work` on one of the threads when its turn comes.
    ///
    /// # Errors
    /// [`Code::ResourceExhausted`] if the queue is full, [`Code::DeadlineExceeded`],
    /// [`Code::Unavailable`] while the server shuts down, those of `work`;
    /// [`Code::Internal`] if it panics.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Turn) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let (sender, receiver) = oneshot::channel();
        let answer = Arc::new(Mutex::new(Some(sender)));
        let send = move |outcome: Outcome<T>| {
            let sender = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
            // The receiver is gone if the client is.
            let _ = sender.map(|sender| sender.send(outcome));
        };
        let fail = send.clone();
        let work = move |turn: &Turn| {
            let outcome = turn.check().and_then(|()| {
                catch_unwind(AssertUnwindSafe(|| work(turn))).unwrap_or_else(|_| {
                    let message = "an error in the server; its log has more";
                    Err(Failure::new(Code::Internal, message))
                })
            });
            send(outcome);
        };
        let fail = Box::new(move |failure| fail(Err(failure)));
        let _cancel = self.shared.enqueue(deadline, Box::new(work), fail)?;
        match tokio::time::timeout_at(deadline.into(), receiver).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(shutting_down()),
            Err(_) => Err(too_late()),
        }
    }

    /// Number of requests that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.state().queue.len()
    }

    /// Number of requests that are being computed.
    pub(crate) fn running(&self) -> usize {
        self.shared.state().running.len()
    }

    /// Number of threads.
    pub(crate) fn workers(&self) -> usize {
        self.shared.workers
    }
}

impl Drop for Scheduler {
    /// Ends the threads when the requests that wait are done. Threads of requests that were given
    /// up are left to themselves.
    fn drop(&mut self) {
        self.shared.state().closed = true;
        self.shared.changed.notify_all();
        loop {
            // The watcher takes out those that are given up in the meantime.
            let mut state = self.shared.state();
            state.threads.retain(|thread| !thread.is_finished());
            if state.threads.is_empty() {
                break;
            }
            drop(state);
            thread::sleep(END_POLL);
        }
        self.shared.state().is_ended = true;
        if let Some(watcher) = self.watcher.take() {
            watcher.thread().unpark();
            let _ = watcher.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread that computes answers; `watcher` is the thread in [`watch`](Self::watch).
    fn start_thread(self: &Arc<Self>, watcher: &Thread) {
        let (shared, watcher) = (self.clone(), watcher.clone());
        let name = format!("infer-{}", self.state().threads.len());
        let started = thread::Builder::new().name(name).spawn(move || shared.work(&watcher));
        self.state().threads.extend(started.ok());
    }

    fn enqueue(
        self: &Arc<Self>,
        deadline: Instant,
        work: Work,
        fail: Box<dyn FnOnce(Failure) + Send>,
    ) -> Outcome<CancelOnDrop> {
        let mut state = self.state();
        if state.closed {
            return Err(shutting_down());
        }
        let idle = self.workers.saturating_sub(state.running.len());
        if state.queue.len() >= self.capacity + idle {
            let waiting = state.queue.len();
            drop(state);
            let what = format!("{waiting} requests wait already");
            return Err(Failure::full(&what, self.retry_after(waiting)));
        }
        let id = state.next_id;
        state.next_id += 1;
        let cancelled = Arc::new(AtomicBool::new(false));
        let turn = Turn {
            is_alone: false,
            queued: Duration::ZERO,
            cancelled: cancelled.clone(),
            deadline,
            arrived: Instant::now(),
        };
        state.queue.push_back(Job { id, turn, work, fail });
        drop(state);
        self.changed.notify_one();
        Ok(CancelOnDrop { shared: self.clone(), cancelled, id })
    }

    /// Time until the requests that wait now are done, at least a second.
    fn retry_after(&self, waiting: usize) -> Duration {
        let mean = Duration::from_micros(self.mean_us.load(Ordering::Relaxed));
        let rounds = (waiting / self.workers.max(1) + 1).min(10_000) as u32;
        (mean * rounds).clamp(Duration::from_secs(1), Duration::from_secs(60))
    }

    /// Computes answers until the queue is closed, or another thread has the place of this one.
    fn work(&self, watcher: &Thread) {
        loop {
            let containment = Arc::new(Containment::new(watcher.clone()));
            let Some((turn, work)) = self.next(&containment) else { return };
            let started = Instant::now();
            containment.run(|| work(&turn));
            let own = thread::current().id();
            let mut state = self.state();
            let Some(at) = state.running.iter().position(|running| running.thread == own) else {
                return;
            };
            let running = state.running.swap_remove(at);
            drop(state);
            drop(running);
            let spent = started.elapsed().as_micros().min(u128::from(u32::MAX)) as u64;
            let mean = self.mean_us.load(Ordering::Relaxed);
            self.mean_us.store((7 * mean + spent) / 8, Ordering::Relaxed);
        }
    }

    /// Waits for a request and notes that it runs; `None` when the queue is closed and empty.
    fn next(&self, containment: &Arc<Containment>) -> Option<(Turn, Work)> {
        let mut state = self.state();
        loop {
            if let Some(Job { mut turn, work, fail, .. }) = state.queue.pop_front() {
                turn.is_alone = state.running.is_empty() && state.queue.is_empty();
                turn.queued = turn.arrived.elapsed();
                state.running.push(Running {
                    thread: thread::current().id(),
                    containment: containment.clone(),
                    cancelled: turn.cancelled.clone(),
                    fail,
                });
                return Some((turn, work));
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Answers requests that are given up for their memory, until the threads have ended.
    fn watch(self: &Arc<Self>) {
        loop {
            thread::park();
            let mut state = self.state();
            if state.is_ended {
                return;
            }
            let is_given_up = |running: &mut Running| running.containment.is_given_up();
            let given_up: Vec<Running> = state.running.extract_if(.., is_given_up).collect();
            for Running { thread, .. } in &given_up {
                state.threads.retain(|other| other.thread().id() != *thread);
            }
            drop(state);
            for Running { cancelled, fail, .. } in given_up {
                cancelled.store(true, Ordering::Relaxed);
                fail(too_much_memory());
                self.start_thread(&thread::current());
            }
        }
    }
}

fn too_much_memory() -> Failure {
    let message = "the request was given up: it needs more memory than the server may use at the \
                   moment; send less at a time, or try again later";
    let retry_after = Some(Duration::from_secs(1));
    Failure { code: Code::Unavailable, message: message.into(), retry_after }
}

fn too_late() -> Failure {
    Failure::new(Code::DeadlineExceeded, "the request was not answered within its time")
}

fn shutting_down() -> Failure {
    Failure::new(Code::Unavailable, "the server is shutting down")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use lorgnette::net::memory::{self, LimitedAllocator};

    use super::*;

    /// That of the program.
    #[global_allocator]
    static ALLOCATOR: LimitedAllocator = LimitedAllocator;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().enable_time().build().expect("a runtime")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn requests_beyond_the_queue_are_refused_and_told_when_to_come_back() {
        let scheduler = Arc::new(Scheduler::new(1, 1).unwrap());
        let runtime = runtime();
        let (release, gate) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        let first = {
            let scheduler = scheduler.clone();
            runtime.spawn(async move {
                let work = move |_: &Turn| {
                    started.send(()).expect("the test waits");
                    gate.recv().expect("the test sends");
                    Ok(1)
                };
                scheduler.run(soon(), work).await
            })
        };
        has_started.recv().expect("it starts");
        let second = {
            let scheduler = scheduler.clone();
            runtime.spawn(async move { scheduler.run(soon(), |_| Ok(2)).await })
        };
        while scheduler.waiting() == 0 {
            std::thread::yield_now();
        }
        let third = runtime.block_on(scheduler.run(soon(), |_| Ok(3)));
        let failure = third.expect_err("the queue is full");
        assert_eq!(failure.code, Code::ResourceExhausted);
        assert!(failure.retry_after >= Some(Duration::from_secs(1)));
        release.send(()).expect("it waits");
        assert_eq!(runtime.block_on(first).expect("no panic"), Ok(1));
        assert_eq!(runtime.block_on(second).expect("no panic"), Ok(2));
    }

    #[test]
    fn a_cancelled_request_leaves_the_queue_and_stops() {
        let scheduler = Arc::new(Scheduler::new(1, 4).unwrap());
        let runtime = runtime();
        let (started, has_started) = mpsc::channel();
        let (stopped, has_stopped) = mpsc::channel();
        type Work = Box<dyn FnOnce(&Turn) -> Outcome<()> + Send>;
        let spawn = |work: Work| {
            let scheduler = scheduler.clone();
            runtime.spawn(async move { scheduler.run(soon(), work).await })
        };
        let first = spawn(Box::new(move |turn| {
            started.send(()).expect("the test waits");
            while turn.check().is_ok() {
                std::thread::yield_now();
            }
            stopped.send(turn.check()).expect("the test waits");
            Ok(())
        }));
        has_started.recv().expect("it starts");
        let second = spawn(Box::new(|_| panic!("it was cancelled before its turn")));
        while scheduler.waiting() == 0 {
            std::thread::yield_now();
        }
        second.abort();
        while scheduler.waiting() != 0 {
            std::thread::yield_now();
        }
        first.abort();
        let outcome = has_stopped.recv().expect("it stops");
        assert_eq!(outcome.map_err(|failure| failure.code), Err(Code::Cancelled));
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let scheduler = Scheduler::new(1, 4).unwrap();
        let deadline = Instant::now() + Duration::from_millis(30);
        let work = |turn: &Turn| {
            while turn.check().is_ok() {
                std::thread::yield_now();
            }
            // A result at the moment of the deadline may still be sent.
            std::thread::sleep(Duration::from_millis(200));
            Ok(())
        };
        let outcome = runtime().block_on(scheduler.run(deadline, work));
        assert_eq!(outcome.map_err(|failure| failure.code), Err(Code::DeadlineExceeded));
    }

    #[test]
    fn a_request_that_takes_too_much_memory_fails_alone() {
        const MANY_BYTES: usize = 64 << 30;
        memory::set_limit(8 << 30);
        let (scheduler, runtime) = (Scheduler::new(1, 4).unwrap(), runtime());
        let asking = scheduler.run(soon(), |_| {
            let bytes = std::hint::black_box(Vec::<u8>::with_capacity(MANY_BYTES));
            Ok(bytes.len())
        });
        let failure = runtime.block_on(asking).expect_err("there is no such memory");
        assert_eq!(failure.code, Code::Unavailable);
        assert!(failure.message.contains("memory"), "{failure}");
        // Another thread has the place of the one that waits.
        for number in 0..3 {
            assert_eq!(runtime.block_on(scheduler.run(soon(), move |_| Ok(number))), Ok(number));
        }
        // An answer is sent before its turn ends.
        while scheduler.running() != 0 {
            std::thread::yield_now();
        }
        assert_eq!(scheduler.waiting(), 0);
    }

    #[test]
    fn a_request_that_is_given_up_at_the_end_is_not_waited_for() {
        const MANY_BYTES: usize = 64 << 30;
        memory::set_limit(8 << 30);
        let (scheduler, runtime) = (Arc::new(Scheduler::new(1, 4).unwrap()), runtime());
        let (release, gate) = mpsc::channel::<()>();
        let (started, has_started) = mpsc::channel();
        let request = {
            let scheduler = scheduler.clone();
            runtime.spawn(async move {
                let work = move |_: &Turn| {
                    started.send(()).expect("the test waits");
                    gate.recv().expect("the test sends");
                    Ok(std::hint::black_box(Vec::<u8>::with_capacity(MANY_BYTES)).len())
                };
                scheduler.run(soon(), work).await
            })
        };
        has_started.recv().expect("it starts");
        request.abort();
        assert!(runtime.block_on(request).is_err(), "it was aborted");
        let (ended, has_ended) = mpsc::channel();
        std::thread::spawn(move || {
            drop(scheduler);
            ended.send(()).expect("the test waits");
        });
        assert!(has_ended.recv_timeout(Duration::from_millis(100)).is_err(), "it waits");
        release.send(()).expect("it waits");
        has_ended.recv_timeout(Duration::from_secs(20)).expect("it ends");
    }

    #[test]
    fn a_panic_fails_one_request_and_leaves_the_thread() {
        let scheduler = Scheduler::new(1, 4).unwrap();
        let runtime = runtime();
        let outcome: Outcome<()> = runtime.block_on(scheduler.run(soon(), |_| panic!("a test")));
        assert_eq!(outcome.map_err(|failure| failure.code), Err(Code::Internal));
        assert_eq!(runtime.block_on(scheduler.run(soon(), |turn| Ok(turn.is_alone))), Ok(true));
    }
}
