//! `windlass mount`

use std::path::PathBuf;

use windlass_error_report::OperationError;

use super::shared_args::parse_image_name;
use crate::context::Context;
use crate::error::Error;

/// Mount an image's root filesystem read-only
///
/// Nothing is copied: overlayfs stacks the layers. This requires root.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo windlass mount alpine /mnt
  sudo windlass umount /mnt")]
pub(crate) struct Args {
    /// Name or ID of the image
    #[arg(value_name = "REF")]
    name: String,

    /// Directory to mount on
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Args {
    /// Mounts the image.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let name = parse_image_name(&self.name)?;
        let engine = context.open_shared()?;
        engine.mount(&name, &self.directory).map_err(|source| {
            OperationError::Mount {
                name: self.name.clone(),
                directory: self.directory.clone(),
                source,
            }
            .into()
        })
    }
}
