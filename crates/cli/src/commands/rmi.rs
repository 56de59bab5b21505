//! `windlass rmi`

use serde::Serialize;
use windlass::Removed;

use super::removal_record::RemovalRecord;
use super::{CommandOutcome, report};
use crate::context::Context;
use crate::error::Error;
use crate::output;

/// Remove names of images, and images that have no name left
///
/// An image goes with its last name; when a repository's last tag goes, so do the digests of the image there. Given
/// an ID, all its names go; if there are several, only with --force. A mounted image keeps its last name, whatever is
/// forced.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass rmi alpine:3
  windlass rmi --force 05455a08881e
  windlass rmi $(windlass images -q alpine)
  windlass rmi --json alpine:3 | jq .reclaimed   Bytes of the disk that this gave back")]
pub(crate) struct Args {
    /// Names or IDs of images that are here
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Remove an image given by its ID even if it has several names; names that do not exist are no error
    #[arg(short, long)]
    force: bool,

    /// Accepted for Docker's sake: images here have no parents that could be left behind
    #[arg(long)]
    no_prune: bool,

    /// Print one JSON object a line, one for each name that was given
    #[arg(long)]
    json: bool,
}

/// What became of one name, for programs.
#[derive(Serialize)]
struct Record<'a> {
    name: &'a str,
    #[serde(flatten)]
    gone: RemovalRecord<'a>,
}

impl Args {
    /// Removes what can be removed; what cannot is reported, and the others are removed still.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let purpose = format!("windlass rmi {}", self.names.join(" "));
        let backend = context.backend(&purpose, |_| {})?;
        let mut ended = CommandOutcome::Success;
        for text in &self.names {
            match backend.remove(text, self.force) {
                Ok(removal) if self.json => {
                    let gone = RemovalRecord::new(&removal.removed, removal.freed);
                    let record = Record { name: text, gone };
                    output::json::line(context.out, &record)?;
                }
                Ok(removal) => print(context, &removal.removed)?,
                // As with rm: forced, what is not there is gone.
                Err(error) if self.force && error.is_unknown_image() => {}
                Err(error) => {
                    report(&error);
                    ended = CommandOutcome::Failure;
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
