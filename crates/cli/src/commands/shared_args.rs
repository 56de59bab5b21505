//! What commands that carry images have in common: which platform, and how progress is shown.

use windlass::Choice;

use super::parse_platform;
use crate::context::Context;
use crate::error::Error;
use crate::progress::{Asked, Mode};

/// Which images of an index.
#[derive(Debug, clap::Args)]
pub(crate) struct PlatformArgs {
    /// Of several platforms, take this one [default: this machine's, or else the first]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<String>,

    /// Take every platform that is there, with the index
    #[arg(long, visible_alias = "all", conflicts_with = "platform")]
    all_platforms: bool,
}

/// How progress is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Show nothing but the result
    #[arg(short, long)]
    quiet: bool,

    /// How progress is shown
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        default_value_t,
        hide_default_value = true
    )]
    progress: Asked,

    /// Print the result as JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

impl PlatformArgs {
    /// Returns which images are meant.
    pub(crate) fn choice(&self) -> Result<Choice, Error> {
        if self.all_platforms {
            return Ok(Choice::All);
        }
        let platform = self.platform.as_deref().map(parse_platform);
        Ok(Choice::One(platform.transpose()?))
    }
}

impl OutputArgs {
    /// Returns how progress is shown: not at all to programs.
    pub(crate) fn mode(&self, context: &Context<'_>) -> Mode {
        if self.quiet || self.json {
            return Mode::Silent;
        }
        Mode::choose(self.progress, context.environment.surroundings())
    }

    /// Says whether people want to be told how it went.
    pub(crate) fn has_notes(&self) -> bool {
        !self.quiet && !self.json
    }
}
