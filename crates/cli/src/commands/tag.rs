//! `windlass tag`

use windlass::Reference;

use super::image_name;
use windlass_report::OperationError;

use crate::context::Context;
use crate::error::Error;

/// Give an image one more name
///
/// If the name was another image's, it is this one's from then on.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass tag alpine:3 localhost:5000/base:stable
  windlass tag 05455a08881e mine")]
pub(crate) struct Args {
    /// Name or ID of an image that is here
    source: String,

    /// The new name; the tag `latest` if it has none
    target: String,
}

impl Args {
    /// Names the image.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        // What makes no sense is said before anybody is waited for.
        image_name(&self.source)?;
        let target = self
            .target
            .parse::<Reference>()
            .map_err(OperationError::Reference)?
            .or_latest();
        let purpose = format!("windlass tag {} {}", self.source, self.target);
        context.backend(&purpose, |_| {})?.tag(&self.source, target)
    }
}
