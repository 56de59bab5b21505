//! The form of progress output.

/// The form of progress output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressMode {
    /// Frames on a terminal, each of which replaces the previous one.
    Terminal {
        /// Whether frames are coloured.
        color: bool,
    },
    /// Lines of plain text.
    Plain,
    /// One JSON object per line.
    Json,
    /// Errors only.
    Silent,
}
