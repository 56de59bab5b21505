//! `windlass umount`

use std::path::PathBuf;

use windlass_error_report::OperationError;

use crate::context::Context;
use crate::error::Error;

/// Unmount an image's root filesystem
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  sudo windlass umount /mnt")]
pub(crate) struct Args {
    /// Directory that the image is mounted on
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Args {
    /// Unmounts the directory.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let engine = context.open_unlocked()?;
        let unmounted = engine.umount(&self.directory);
        unmounted.map_err(|source| {
            OperationError::Unmount {
                directory: self.directory.clone(),
                source,
            }
            .into()
        })
    }
}
