//! Shows how pulls go: live on a terminal, as lines in a log, or as JSON for programs.
//!
//! [`windlass::PullView`] gathers the events of a pull; the renderers beside it make text of it. The [`Board`] holds
//! all pulls of a command and the one renderer that was chosen.

mod board;
mod forecast;
mod frame;
mod freight;
mod json;
mod line;
mod plain;
mod terminal;
mod words;

use clap::ValueEnum;

use crate::environment::TerminalFeatures;

pub(crate) use board::Board;
pub(crate) use forecast::Forecast;
pub(crate) use freight::TransferProgress;
pub(crate) use json::Record;
pub(crate) use plain::setback as setback_line;

/// What `--progress` may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asked {
    /// Live on a terminal, lines elsewhere
    #[default]
    Auto,
    /// Live, even if this is no terminal
    Tty,
    /// A line at the start, at the end, and at least every 10 seconds
    Plain,
    /// One JSON object a line on standard output
    Json,
    /// Only errors
    None,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Frames that replace each other.
    Terminal {
        /// Whether they are coloured.
        color: bool,
    },
    /// Lines.
    Plain,
    /// JSON lines on standard output.
    Json,
    /// Nothing but errors.
    Silent,
}

impl Mode {
    /// Chooses how progress is shown.
    pub(crate) fn choose(asked: Asked, around: TerminalFeatures) -> Self {
        let terminal = Self::Terminal {
            color: around.color,
        };
        match asked {
            Asked::Auto if around.is_live => terminal,
            Asked::Auto | Asked::Plain => Self::Plain,
            Asked::Tty => terminal,
            Asked::Json => Self::Json,
            Asked::None => Self::Silent,
        }
    }
}
