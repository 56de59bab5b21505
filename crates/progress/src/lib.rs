//! The progress of operations: frames that are redrawn on a terminal, lines of a log, or JSON for programs.
//!
//! A [`PullReporter`] reports all pulls of a command, and a [`TransferReporter`] one operation of another kind. Both
//! receive the events of an operation and regular ticks, and write in the form of a [`ProgressMode`]. [`json`] writes
//! single records, for operations without a reporter.
//!
//! [`windlass::transfer::PullView`] accumulates the events of a pull; this crate renders it. Decision 0018 explains why
//! frames are not drawn by a library.
//!
//! Invariants:
//! - Remote text cannot steer the terminal: it is escaped (R9).
//! - No line of a frame is wider than the terminal.
//! - An operation does not fail because its progress cannot be written. Only errors of JSON output are returned, because
//!   JSON is the result of a command.

mod bar;
mod error_text;
mod frame;
pub mod human;
pub mod json;
mod messages;
mod mode;
mod plain_log;
mod preview_status;
mod pull_reporter;
mod record;
mod styled_line;
mod terminal;
mod transfer_reporter;

pub use error_text::error_text;
pub use mode::ProgressMode;
pub use plain_log::setback_text;
pub use preview_status::{PreviewStatus, estimated_disk_bytes};
pub use pull_reporter::PullReporter;
pub use transfer_reporter::TransferReporter;
