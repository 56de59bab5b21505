//! `windlass rmi`

use serde::Serialize;
use windlass::Removed;

use super::CommandOutcome;
use super::removal_record::RemovalRecord;
use crate::context::Context;
use crate::error::Error;
use crate::output;

/// Remove images or their names
///
/// Removing the last name of an image removes the image. Removing the last tag of a repository also removes the
/// digests of that repository. An image ID removes all names of the image; several names require --force. The last
/// name of a mounted image cannot be removed, even with --force.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  windlass rmi alpine:3
  windlass rmi --force 05455a08881e
  windlass rmi $(windlass images -q alpine)
  windlass rmi --json alpine:3 | jq .reclaimed   Bytes freed on the disk")]
pub(crate) struct Args {
    /// Names or IDs of the images
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,

    /// Remove an image given by its ID even if it has several names; ignore names that do not exist
    #[arg(short, long)]
    force: bool,

    /// Accepted for compatibility with Docker; has no effect
    #[arg(long)]
    no_prune: bool,

    /// Print one JSON object per line, one for each argument
    #[arg(long)]
    json: bool,
}

/// The result for one argument, as JSON.
#[derive(Serialize)]
struct RemovedNameRecord<'a> {
    name: &'a str,
    #[serde(flatten)]
    removal: RemovalRecord<'a>,
}

impl Args {
    /// Removes each argument. A failure is reported and does not prevent the removal of the others.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<CommandOutcome, Error> {
        let purpose = format!("windlass rmi {}", self.names.join(" "));
        let backend = context.backend(&purpose, |_| {})?;
        let mut outcome = CommandOutcome::Success;
        for text in &self.names {
            match backend.remove(text, self.force) {
                Ok(removal) if self.json => {
                    let record = RemovalRecord::new(&removal.removed, removal.freed);
                    let record = RemovedNameRecord {
                        name: text,
                        removal: record,
                    };
                    output::json::line(context.out, &record)?;
                }
                Ok(removal) => print(context, &removal.removed)?,
                // Like rm, --force ignores what does not exist.
                Err(error) if self.force && error.is_unknown_image() => {}
                Err(error) => {
                    error.print();
                    outcome = CommandOutcome::Failure;
                }
            }
        }
        context.out.flush()?;
        Ok(outcome)
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
