//! The options of every command.

use std::path::PathBuf;

/// Options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Directory of the store [default: /var/lib/windlass as root, else ~/.local/share/windlass]
    #[arg(
        long,
        alias = "data-root",
        global = true,
        value_name = "DIR",
        env = "WINDLASS_ROOT",
        hide_env_values = true
    )]
    pub(crate) root: Option<PathBuf>,

    /// Configuration file to use instead of /etc/windlass/windlass.toml and ~/.config/windlass/windlass.toml
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "WINDLASS_CONFIG",
        hide_env_values = true
    )]
    pub(crate) config: Option<PathBuf>,

    /// Registry (HOST or HOST:PORT) to allow without TLS; can be given several times
    #[arg(long, global = true, value_name = "HOST")]
    pub(crate) insecure_registry: Vec<String>,
}
