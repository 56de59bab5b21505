//! Where a model checker may change over to another task; in a real build it is nothing.
//!
//! Between two such places everything happens at once: they stand before every lock. So what a checker tries is
//! every order in which threads could get at the state.

#[cfg(test)]
pub(crate) use modelled::{check, point, spawn};
#[cfg(not(test))]
pub(crate) use real::{point, spawn};

#[cfg(not(test))]
mod real {
    /// Comes by a place where another thread may be first.
    #[inline]
    pub(crate) fn point() {}

    /// Starts a task of the current runtime.
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(task));
    }
}

#[cfg(test)]
mod modelled {
    use std::cell::Cell;

    thread_local! {
        /// A checker runs all its tasks on the thread that it was started on.
        static IS_MODELLED: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn point() {
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
