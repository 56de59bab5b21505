//! One shape for work that takes time: a stream of events and an outcome, cancelled by dropping.
//!
//! An [`Operation`] is either a future or work that blocks. Both are used the same way: as a
//! [`Stream`](futures_util::Stream) of events, with [`drive`](Operation::drive), with `.await` where only the outcome
//! counts, or with [`run`](Operation::run) where there is no runtime.
//!
//! # Invariants
//! - Nothing happens before the first poll. Then a future is polled in place, and blocking work starts on a thread of
//!   the blocking pool of the runtime that polls; requests that it makes run on that runtime. With
//!   [`Operation::run_on`], that is another runtime, which also polls the future.
//! - Events arrive in the order in which they were sent, and all that were sent before the work ended arrive before
//!   the outcome. [`Operation::poll_next_event`] is the only place where events and work are polled.
//! - Events that never pause do not keep other tasks of the runtime from running.
//! - Memory is bounded although senders never wait: counts that the receiver has not taken are merged ([`Event`]).
//! - Dropping an operation cancels it. A future is dropped with it, or aborted where it runs. Blocking work fails at its
//!   next check, and work that has not begun to commit never does: [`Cancellation::begin_commit`] and
//!   [`Cancellation::cancel`] exclude each other.
//! - Work that commits runs to its end, even without an operation. What must wait for it holds on to the work with
//!   [`Operation::keep_until_done`].
//!
//! ```
//! use std::convert::Infallible;
//! use windlass_operation::{Cancelled, Event, Operation};
//!
//! struct Percent(u8);
//! impl Event for Percent {}
//!
//! let count: Operation<Percent, &str, Cancelled> = Operation::blocking(|context| {
//!     for percent in [0, 50, 100] {
//!         context.check()?;
//!         context.send(Percent(percent));
//!     }
//!     Ok("done")
//! });
//! let mut shown = Vec::new();
//! let outcome = count.run(|Percent(percent)| shown.push(percent));
//! assert_eq!(outcome.unwrap(), Ok("done"));
//! assert_eq!(shown, [0, 50, 100]);
//! ```

mod blocking;
mod cancellation;
mod chunk_reader;
mod events;
mod operation;

pub use blocking::{BlockingContext, CancellableReader};
pub use cancellation::{Cancellation, Cancelled};
pub use chunk_reader::ChunkReader;
pub use events::{Event, EventReceiver, EventSender, Merge};
pub use operation::{Operation, OutcomeFuture};
