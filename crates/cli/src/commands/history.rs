//! `windlass history`

use clap::ArgAction;
use serde::Serialize;
use windlass::image::{HistoryEntry, ImageId};
use windlass::text::{escape, truncate};
use windlass_error_report::OperationError;
use windlass_go_template::{StructField, StructValue, Value};
use windlass_progress::human;

use super::shared_args::parse_image_name;
use crate::context::Context;
use crate::error::Error;
use crate::output::format::Format;
use crate::output::table::Table;
use crate::output::{self, time};

/// The fields of a step in templates, and their column headers.
const FIELDS: [(&str, &str); 6] = [
    ("Comment", "COMMENT"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("CreatedSince", "CREATED"),
    ("ID", "IMAGE"),
    ("Size", "SIZE"),
];
const MISSING: &str = "<missing>";
const UNKNOWN: &str = "N/A";
/// The width to which Docker truncates a command, in columns.
const COMMAND_WIDTH: usize = 45;

/// Show how an image was built, newest step first
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one field per flag")]
#[command(after_help = "\
Fields of --format:
  .ID .CreatedSince .CreatedAt .CreatedBy .Size .Comment

Examples:
  windlass history alpine
  windlass history --no-trunc postgres:18
  windlass history --format '{{.CreatedBy}}' --no-trunc alpine
  windlass history --format 'table {{.Size}}\\t{{.CreatedBy}}' alpine
  windlass history --json alpine | jq -r .created_by")]
pub(crate) struct Args {
    /// Name or ID of the image
    #[arg(value_name = "NAME")]
    name: String,

    /// Print human-readable ages and sizes; `--human=false` for times and bytes
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

    /// Format the output: `json`, `table`, `table TEMPLATE` or a Go template, like Docker
    #[arg(long, value_name = "TEMPLATE")]
    format: Option<Format>,

    /// Do not truncate IDs and commands
    #[arg(long)]
    no_trunc: bool,

    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,

    /// Print one JSON object per line
    #[arg(long, conflicts_with_all = ["quiet", "no_trunc", "format"])]
    json: bool,
}

/// A step, as JSON.
#[derive(Serialize)]
struct StepRecord<'a> {
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
        let name = parse_image_name(&self.name)?;
        let steps = context.open_unlocked()?.history(&name);
        let steps = steps.map_err(|source| OperationError::Inspect {
            name: self.name.clone(),
            source,
        })?;
        if let Some(Format::Rows(format)) = &self.format {
            let is_escaped = format.is_escaped();
            let values = steps.iter().map(|step| self.value(step, is_escaped));
            format.write(context.out, &headers(), values)?;
        } else if self.json {
            for step in &steps {
                output::json::line(context.out, &StepRecord::of(step))?;
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
            (None, _) => UNKNOWN.to_owned(),
            (Some(created), true) => time::age(created),
            (Some(created), false) => created.to_owned(),
        }
    }

    fn command(&self, step: &HistoryEntry) -> String {
        let command = step.created_by.replace('\t', " ");
        self.truncate(&escape(&command))
    }

    fn truncate(&self, command: &str) -> String {
        if self.no_trunc {
            command.to_owned()
        } else {
            truncate(command, COMMAND_WIDTH).into_owned()
        }
    }

    fn size(&self, step: &HistoryEntry) -> String {
        if self.human {
            human::table_size(step.size)
        } else {
            step.size.to_string()
        }
    }

    /// Returns the template value of `step`. If `is_escaped`, its texts are safe for a terminal (R9).
    fn value(&self, step: &HistoryEntry, is_escaped: bool) -> Value {
        let fields = FIELDS.map(|(name, _)| {
            let text = match name {
                "Comment" => step.comment.clone(),
                "CreatedAt" => step.created.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
                "CreatedBy" => self.truncate(&step.created_by.replace('\t', " ")),
                "CreatedSince" => self.created(step),
                "ID" => self.id(step),
                _ => self.size(step),
            };
            StructField::new(name, Value::text(&text, is_escaped))
        });
        Value::Struct(StructValue::new(fields.into()))
    }
}

/// Returns the template value with the column headers.
fn headers() -> Value {
    let fields = FIELDS.map(|(name, column)| StructField::new(name, Value::plain(column)));
    Value::Struct(StructValue::new(fields.into()))
}

impl<'a> StepRecord<'a> {
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
