//! Points at which the model checker of the tests may switch to another task; no-ops in a real build.
//!
//! There is one before every lock, and nothing is switched between two of them. So the checker tries every order in
//! which threads could take the locks.

#[cfg(test)]
pub(crate) use modelled::{check, spawn, yield_point};
#[cfg(not(test))]
pub(crate) use real::{spawn, yield_point};

#[cfg(not(test))]
mod real {
    #[inline]
    pub(crate) fn yield_point() {}

    /// Spawns a task on the current runtime.
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }
}

#[cfg(test)]
mod modelled {
    use std::cell::Cell;

    thread_local! {
        /// Whether this thread runs a model check, which runs all its tasks on the thread that started it.
        static IS_MODELLED: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn yield_point() {
        if IS_MODELLED.get() {
            shuttle::thread::yield_now();
        }
    }

    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        if IS_MODELLED.get() {
            drop(shuttle::future::spawn(task));
        } else {
            drop(tokio::spawn(task));
        }
    }

    /// Runs `scenario` in `runs` random orders.
    pub(crate) fn check<F: Future<Output = ()> + 'static>(
        runs: usize,
        scenario: impl Fn() -> F + Send + Sync + 'static,
    ) {
        let run = move || {
            IS_MODELLED.set(true);
            shuttle::future::block_on(scenario());
            IS_MODELLED.set(false);
        };
        shuttle::check_random(run, runs);
    }
}
