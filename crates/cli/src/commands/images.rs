//! `windlass images`

mod fields;
mod name;
mod name_filter;
mod rows;
mod tree;

use std::collections::HashSet;

use jiff::ZonedDateTime;
use serde::Serialize;
use windlass::image::{Digest, ImageId, ImageSummary};
use windlass::{FilterUse, Filters};
use windlass_error_report::OperationError;

use crate::context::Context;
use crate::error::Error;
use crate::output;
use crate::output::format::{Format, RowFormat};
use crate::output::table::Table;
use name_filter::{NameFilter, NamePattern};
use rows::{DigestRows, Row};

/// List images
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one field per flag")]
#[command(after_help = "\
Filters (an image must match all of them, but only one of several references):
  dangling=true|false         Images without or with a tag
  label=KEY[=VALUE]           Images with this label; label!= for images without it
  before=IMAGE, since=IMAGE   Images created before or after another
  until=TIME                  Images created before a time: 24h (ago), 7d, 2026-01-31, RFC 3339
  reference=PATTERN           Names that match; * and ? match anything but a slash

Fields of --format:
  .Repository .Tag .Digest .ID .Platform .CreatedSince .CreatedAt .Size
  .VirtualSize, and always N/A: .Containers .SharedSize .UniqueSize

Examples:
  windlass images                           All images, newest first
  windlass images alpine                    All tags of a repository
  windlass images 'ghcr.io/*/*:v2*'         All names that match a pattern
  windlass images -q alpine:3               The ID only, for scripts
  windlass images -f dangling=true          Images without a tag
  windlass images --tree                    Platforms of each image
  windlass images --format '{{.Repository}}:{{.Tag}} {{.Size}}'
  windlass images --format 'table {{.ID}}\\t{{.CreatedSince}}'
  windlass images --json | jq .             One JSON object per line")]
pub(crate) struct Args {
    /// List only images of this repository or with this name; may be a pattern
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<NamePattern>,

    /// Accepted for compatibility with Docker; has no effect
    #[arg(short, long)]
    all: bool,

    /// Show digests
    #[arg(long)]
    digests: bool,

    /// List only images that match the filter; can be given several times
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,

    /// Format the output: `json`, `table`, `table TEMPLATE` or a Go template, like Docker
    #[arg(long, value_name = "TEMPLATE", value_parser = fields::parse_format)]
    format: Option<Format>,

    /// Do not truncate IDs
    #[arg(long)]
    no_trunc: bool,

    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,

    /// Show the platforms of every image: local ones, and those that can be pulled
    #[arg(long, conflicts_with_all = ["quiet", "digests", "format", "json"])]
    tree: bool,

    /// Print one JSON object per line
    #[arg(long, conflicts_with_all = ["quiet", "digests", "no_trunc", "format"])]
    json: bool,
}

/// A row, as JSON.
#[derive(Serialize)]
struct ImageRecord<'a> {
    repository: Option<&'a str>,
    tag: Option<&'a str>,
    digest: Option<&'a Digest>,
    image_id: &'a ImageId,
    created: Option<&'a str>,
    size: u64,
    platform: String,
}

impl Args {
    /// Lists the images.
    pub(crate) fn run(&self, context: &mut Context<'_>) -> Result<(), Error> {
        let filters = self.filters.iter().map(String::as_str);
        let filters = Filters::parse(FilterUse::Images, filters, &ZonedDateTime::now());
        let filters = filters.map_err(OperationError::Filter)?;
        let engine = context.open_unlocked()?;
        let images = engine
            .images_matching(&filters)
            .map_err(OperationError::List)?;
        let names = NameFilter {
            argument: self.name.as_ref(),
            filters: &filters,
        };
        if self.tree {
            let trees = engine.image_trees().map_err(OperationError::List)?;
            let trees = tree::select(trees, &images, &names);
            tree::write(&trees, self.no_trunc, context.out)?;
        } else {
            self.list(&images, &names, context)?;
        }
        Ok(context.out.flush()?)
    }

    fn list(
        &self,
        images: &[ImageSummary],
        names: &NameFilter<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), Error> {
        let rows = rows::rows(images, names, self.digests());
        match &self.format {
            // As in Docker, a template takes precedence over `--quiet`.
            Some(Format::Rows(format)) => {
                let is_escaped = format.is_escaped();
                let values = rows
                    .iter()
                    .map(|row| fields::row_value(row, &self.id(row), is_escaped));
                return format.write(context.out, &fields::headers(), values);
            }
            Some(Format::Table) | None => {}
        }
        if self.json {
            for row in &rows {
                output::json::line(context.out, &image_record(row))?;
            }
        } else if self.quiet {
            let mut seen = HashSet::new();
            for row in rows.iter().filter(|row| seen.insert(row.image.id)) {
                writeln!(context.out, "{}", self.id(row))?;
            }
        } else if self.digests {
            self.table_with_digests(&rows).write(context.out)?;
        } else {
            self.table(&rows).write(context.out)?;
        }
        Ok(())
    }

    /// Returns which digests have rows: all if digests are shown.
    fn digests(&self) -> DigestRows {
        let is_shown = match &self.format {
            Some(Format::Rows(RowFormat::Columns(template) | RowFormat::Lines(template))) => {
                template.mentions("Digest")
            }
            Some(_) | None => false,
        };
        match self.digests || is_shown {
            true => DigestRows::All,
            false => DigestRows::First,
        }
    }

    fn table(&self, rows: &[Row<'_>]) -> Table<5> {
        let mut table = Table::new(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
        for row in rows {
            let [repository, tag, _] = row.name.cells();
            table.push([repository, tag, self.id(row), row.created(), row.size()]);
        }
        table
    }

    fn table_with_digests(&self, rows: &[Row<'_>]) -> Table<6> {
        let mut table = Table::new(["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"]);
        for row in rows {
            let [repository, tag, digest] = row.name.cells();
            table.push([
                repository,
                tag,
                digest,
                self.id(row),
                row.created(),
                row.size(),
            ]);
        }
        table
    }

    fn id(&self, row: &Row<'_>) -> String {
        if self.no_trunc {
            row.image.id.to_string()
        } else {
            row.image.id.short()
        }
    }
}

fn image_record<'a>(row: &'a Row<'_>) -> ImageRecord<'a> {
    ImageRecord {
        repository: row.name.repository.as_deref(),
        tag: row.name.tag.as_deref(),
        digest: row.name.digest.as_ref(),
        image_id: &row.image.id,
        created: row.image.created.as_deref(),
        size: row.image.size,
        platform: row.image.platform.to_string(),
    }
}

#[cfg(test)]
mod tests;
