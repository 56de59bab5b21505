//! `cargo demo`: pulls a small but real image from an embedded registry and shows what it became.

/// Build windlass, pull a small image from an embedded registry, show what it became.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {}

impl Demo {
    /// Runs the demo from the first command to the last.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        anyhow::bail!("the demo is being built")
    }
}
