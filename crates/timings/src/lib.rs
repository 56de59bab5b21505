//! A picture of the pulls: what each layer did when, and how the bytes and the CPU kept up.
//!
//! A [`Recorder`] is told what the progress display is told, with the time, and the bytes and the CPU time so
//! far at every tick. [`page`] makes a web page of it that needs nothing else, and a [`Destination`] is where
//! that goes.
//!
//! Invariants:
//! - What is kept is bounded by the number of images and layers, not by how long the pulls take.
//! - Text from elsewhere stands in the page as data only: harmless to readers, and no markup.
//! - Nothing of the environment or the command line is in it but the references.
//! - The file is there whole, or as it was before.

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
pub use destination::{Destination, DestinationError, is_path};
pub use page::page;
pub use pull::FailureRecord;
pub use recorder::Recorder;

/// How often to tell the [`Recorder`] the CPU time.
pub const SAMPLE_TIME: Duration = Duration::from_millis(100);
