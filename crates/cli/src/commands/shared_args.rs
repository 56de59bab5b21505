//! Arguments that several commands have in common.

use windlass::image::ImageChoice;

use super::parse_platform;
use crate::context::Context;
use crate::error::Error;
use crate::progress::{ProgressArg, ProgressMode};

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
        ProgressMode::choose(self.progress, context.environment.terminal_features())
    }

    /// Returns whether a note about the result is printed on standard error.
    pub(crate) fn has_notes(&self) -> bool {
        !self.quiet && !self.json
    }
}
