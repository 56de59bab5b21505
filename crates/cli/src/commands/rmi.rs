//! `windlass rmi`

use windlass::{Remove, Removed};

use super::{Ended, image_name, report};
use crate::context::Context;
use crate::error::Error;

/// Remove names of images, and images that have no name left
///
/// An image goes with its last name. Given an ID, all its names go; if there are several, only with --force.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass rmi alpine:3
  windlass rmi --force 05455a08881e
  windlass rmi $(windlass images -q alpine)")]
pub(crate) struct Args {
    /// Names or IDs of images that are here
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Remove an image given by its ID even if it has several names; names that do not exist are no error
    #[arg(short, long)]
    force: bool,
}

impl Args {
    /// Removes what can be removed; what cannot is reported, and the others are removed still.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<Ended, Error> {
        let engine = context.own(&format!("windlass rmi {}", self.names.join(" ")), |_| {})?;
        let mut ended = Ended::Well;
        for text in &self.names {
            let how = Remove { force: self.force };
            let removed = image_name(text).and_then(|name| {
                engine.remove(&name, how).map_err(|source| Error::Remove {
                    name: text.clone(),
                    source,
                })
            });
            match removed {
                Ok(removed) => print(context, &removed)?,
                // As with rm: forced, what is not there is gone.
                Err(error) if self.force && error.is_unknown_image() => {}
                Err(error) => {
                    report(&error);
                    ended = Ended::Failed;
                }
            }
        }
        context.out.flush()?;
        Ok(ended)
    }
}

fn print(context: &mut Context<'_>, removed: &[Removed]) -> Result<(), Error> {
    for removed in removed {
        match removed {
            Removed::Untagged(name) => writeln!(context.out, "Untagged: {name}")?,
            Removed::Deleted(digest) => writeln!(context.out, "Deleted: {digest}")?,
        }
    }
    Ok(())
}
