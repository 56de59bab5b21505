//! `windlass tag`

use windlass::image::Reference;
use windlass_error_report::OperationError;

use super::shared_args::parse_image_name;
use crate::context::Context;
use crate::error::Error;

/// Add a name to an image
///
/// A name of another image is moved to this one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass tag alpine:3 localhost:5000/base:stable
  windlass tag 05455a08881e mine")]
pub(crate) struct Args {
    /// Name or ID of the image
    source: String,

    /// New name; the default tag is `latest`
    target: String,
}

impl Args {
    /// Adds the name.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        // An invalid name is reported before the command waits for the store.
        parse_image_name(&self.source)?;
        let target = self
            .target
            .parse::<Reference>()
            .map_err(OperationError::Reference)?
            .or_latest();
        let purpose = format!("windlass tag {} {}", self.source, self.target);
        context.backend(&purpose, |_| {})?.tag(&self.source, target)
    }
}
