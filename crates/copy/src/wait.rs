//! Waiting for requests on threads of their own, until told to stop.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time;

use crate::files::Stop;

/// How soon a wait notices that it is told to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Waits for `work`, which runs on `runtime`; `None` when told to stop before it is done. Told so already, it is not
/// begun.
pub fn wait<T>(runtime: &Handle, stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    let stopped = async {
        while !stop.load(Ordering::Relaxed) {
            time::sleep(LOOK).await;
        }
    };
    runtime.block_on(async {
        tokio::select! {
            biased;
            () = stopped => None,
            done = work => Some(done),
        }
    })
}
