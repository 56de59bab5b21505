//! Arguments that several commands have in common.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::ValueEnum;
use windlass::image::{ImageChoice, ImageName, Platform, Reference};
use windlass_error_report::OperationError;
use windlass_progress::ProgressMode;

use crate::context::Context;
use crate::environment::TerminalFeatures;
use crate::error::Error;

/// The file with credentials that takes precedence over all others.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthFileArgs {
    /// The path of the file.
    #[arg(
        long,
        value_name = "FILE",
        help = "File with credentials, in Podman's format; takes precedence over all others [env: REGISTRY_AUTH_FILE]"
    )]
    pub(crate) authfile: Option<PathBuf>,
}

/// Selects the images of an index.
#[derive(Debug, clap::Args)]
pub(crate) struct PlatformArgs {
    /// Select this platform of a multi-platform image [default: that of this machine, or else the first]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Select every platform, with the index
    #[arg(long, visible_alias = "all", conflicts_with = "platform")]
    all_platforms: bool,
}

/// Controls the output.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Print only the result
    #[arg(short, long)]
    quiet: bool,

    /// Type of progress output
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value_t,
        hide_default_value = true
    )]
    progress: ProgressArg,

    /// Print the result as JSON, one object per line
    #[arg(long)]
    pub(crate) json: bool,
}

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

impl PlatformArgs {
    /// Returns the selected images.
    pub(crate) fn choice(&self) -> Result<ImageChoice, Error> {
        if self.all_platforms {
            return Ok(ImageChoice::All);
        }
        let platform = self.platform.as_deref().map(parse_platform);
        Ok(ImageChoice::One(platform.transpose()?))
    }
}

impl OutputArgs {
    /// Returns the type of progress output: none beside JSON.
    pub(crate) fn mode(&self, context: &Context<'_>) -> ProgressMode {
        if self.quiet || self.json {
            return ProgressMode::Silent;
        }
        self.progress.mode(context.environment.terminal_features())
    }

    /// Returns whether a note about the result is printed on standard error.
    pub(crate) fn has_notes(&self) -> bool {
        !self.quiet && !self.json
    }
}

impl ProgressArg {
    /// Returns the form of progress output on a terminal with these features, or on another output.
    pub(crate) fn mode(self, stderr: TerminalFeatures) -> ProgressMode {
        let terminal = ProgressMode::Terminal {
            color: stderr.color,
        };
        match self {
            Self::Auto if stderr.is_live => terminal,
            Self::Auto | Self::Plain => ProgressMode::Plain,
            Self::Tty => terminal,
            Self::Json => ProgressMode::Json,
            Self::None => ProgressMode::Silent,
        }
    }
}

/// Parses the name or ID of a local image (REF-8).
pub(crate) fn parse_image_name(text: &str) -> Result<ImageName, Error> {
    text.parse()
        .map_err(|error| OperationError::Reference(error).into())
}

/// Parses a reference.
pub(crate) fn parse_reference(text: &str) -> Result<Reference, Error> {
    text.parse()
        .map_err(|error| OperationError::Reference(error).into())
}

/// Parses a platform.
pub(crate) fn parse_platform(text: &str) -> Result<Platform, Error> {
    text.parse().map_err(Error::Platform)
}

/// Parses a size in bytes that is not 0.
pub(crate) fn parse_size(text: &str) -> Result<NonZeroU64, String> {
    let size = windlass_config::parse_size(text).map_err(|error| error.to_string())?;
    NonZeroU64::new(size).ok_or_else(|| "the size must be at least 1 byte".to_owned())
}
