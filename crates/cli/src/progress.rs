//! Progress output: redrawn on a terminal, lines in a log, or JSON for programs.
//!
//! [`windlass::transfer::PullView`] accumulates the events of a pull, and the renderers in this module format it. A
//! [`ProgressReporter`] holds all pulls of a command and the selected renderer. [`TransferProgress`] does the same for
//! the other operations. Decision 0018 explains why frames are not drawn by a library.

mod frame;
mod json;
mod messages;
mod plain_log;
mod preview_status;
mod reporter;
mod styled_line;
mod terminal;
mod transfer;

use clap::ValueEnum;

use crate::environment::TerminalFeatures;

pub(crate) use json::ProgressRecord;
pub(crate) use plain_log::format_setback;
pub(crate) use preview_status::PreviewStatus;
pub(crate) use reporter::ProgressReporter;
pub(crate) use transfer::TransferProgress;

/// The values of `--progress`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// Live on a terminal, lines elsewhere
    #[default]
    Auto,
    /// Live, even if this is no terminal
    Tty,
    /// A line at the start, at the end, and at least every 10 seconds
    Plain,
    /// One JSON object per line on standard output
    Json,
    /// Only errors
    None,
}

/// The form of progress output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProgressMode {
    /// Frames on a terminal, each of which replaces the previous one.
    Terminal {
        /// Whether frames are coloured.
        color: bool,
    },
    /// Lines of plain text.
    Plain,
    /// One JSON object per line on standard output.
    Json,
    /// Errors only.
    Silent,
}

impl ProgressMode {
    /// Returns the form for the value of `--progress`.
    pub(crate) fn choose(arg: ProgressArg, stderr: TerminalFeatures) -> Self {
        let terminal = Self::Terminal {
            color: stderr.color,
        };
        match arg {
            ProgressArg::Auto if stderr.is_live => terminal,
            ProgressArg::Auto | ProgressArg::Plain => Self::Plain,
            ProgressArg::Tty => terminal,
            ProgressArg::Json => Self::Json,
            ProgressArg::None => Self::Silent,
        }
    }
}
