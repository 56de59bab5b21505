//! `windlass history`

use clap::ArgAction;
use serde::Serialize;
use windlass::{HistoryEntry, ImageId};

use super::image_name;
use crate::context::Context;
use crate::error::Error;
use crate::output::human;
use crate::output::table::Table;
use crate::output::text::{harmless, shortened};
use crate::output::{self, time};

const MISSING: &str = "<missing>";
/// The columns that Docker gives to a command before it cuts.
const COMMAND_WIDTH: usize = 45;

/// Show how an image was built, newest step first
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "a flag each")]
#[command(after_help = "\
Examples:
  windlass history alpine
  windlass history --no-trunc postgres:18
  windlass history --json alpine | jq -r .created_by")]
pub(crate) struct Args {
    /// Name or ID of an image that is here
    #[arg(value_name = "NAME")]
    name: String,

    /// Print ages and sizes for people; `--human=false` for times and bytes
    #[arg(
        short = 'H',
        long,
        action = ArgAction::Set,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        hide_default_value = true,
        hide_possible_values = true
    )]
    human: bool,

    /// Do not shorten IDs and commands
    #[arg(long)]
    no_trunc: bool,

    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,

    /// Print one JSON object a line
    #[arg(long, conflicts_with_all = ["quiet", "no_trunc"])]
    json: bool,
}

/// A step for programs.
#[derive(Serialize)]
struct Record<'a> {
    image_id: Option<&'a ImageId>,
    created: Option<&'a str>,
    created_by: &'a str,
    size: u64,
    comment: &'a str,
    empty: bool,
}

impl Args {
    /// Prints the steps.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let name = image_name(&self.name)?;
        let steps = context.look()?.history(&name);
        let steps = steps.map_err(|source| Error::Image {
            name: self.name.clone(),
            source,
        })?;
        if self.json {
            for step in &steps {
                output::json::line(context.out, &Record::of(step))?;
            }
        } else if self.quiet {
            for step in &steps {
                writeln!(context.out, "{}", self.id(step))?;
            }
        } else {
            self.table(&steps).write(context.out)?;
        }
        Ok(context.out.flush()?)
    }

    fn table(&self, steps: &[HistoryEntry]) -> Table<5> {
        let mut table = Table::new(["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
        for step in steps {
            table.push([
                self.id(step),
                self.created(step),
                self.command(step),
                self.size(step),
                step.comment.clone(),
            ]);
        }
        table
    }

    fn id(&self, step: &HistoryEntry) -> String {
        match (&step.id, self.no_trunc) {
            (None, _) => MISSING.to_owned(),
            (Some(id), true) => id.to_string(),
            (Some(id), false) => id.short(),
        }
    }

    fn created(&self, step: &HistoryEntry) -> String {
        match (step.created.as_deref(), self.human) {
            (None, _) => "N/A".to_owned(),
            (Some(created), true) => time::age(created),
            (Some(created), false) => created.to_owned(),
        }
    }

    fn command(&self, step: &HistoryEntry) -> String {
        let command = step.created_by.replace('\t', " ");
        let command = harmless(&command);
        if self.no_trunc {
            command.into_owned()
        } else {
            shortened(&command, COMMAND_WIDTH).into_owned()
        }
    }

    fn size(&self, step: &HistoryEntry) -> String {
        if self.human {
            human::table_size(step.size)
        } else {
            step.size.to_string()
        }
    }
}

impl<'a> Record<'a> {
    fn of(step: &'a HistoryEntry) -> Self {
        Self {
            image_id: step.id.as_ref(),
            created: step.created.as_deref(),
            created_by: &step.created_by,
            size: step.size,
            comment: &step.comment,
            empty: step.empty,
        }
    }
}

#[cfg(test)]
mod tests;
