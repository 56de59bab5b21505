//! The page of `windlass pull --timings`: the states of all layers over time, and throughput and CPU time.
//!
//! A [`Recorder`] receives the events of the pulls with the time, and regular samples of the CPU time. [`page`] renders the
//! record as a web page without external resources, and a [`Destination`] is the file that it is written to.
//!
//! Invariants:
//! - The size of the record depends on the number of images and layers, not on the duration of the pulls.
//! - Remote text is data in the page: it is escaped and never markup.
//! - Of the environment and the command line, the page contains the references only.
//! - The file is replaced as a whole, or not at all.

mod cpu;
mod destination;
mod layer;
mod page;
mod pull;
mod recorder;
mod samples;
mod track;

use std::time::Duration;

pub use cpu::CpuTime;
pub use destination::{Destination, DestinationError, parse_path};
pub use page::page;
pub use pull::FailureRecord;
pub use recorder::Recorder;

/// The interval between samples of the CPU time.
pub const SAMPLE_TIME: Duration = Duration::from_millis(100);
