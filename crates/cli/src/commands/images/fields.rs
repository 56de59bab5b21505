//! The template value of a row, with the field names of Docker.

use windlass_go_template::{ParseError, StructField, StructValue, Value};

use super::rows::Row;
use crate::output::format::Format;

/// Docker's `raw` format: one line per field, and an empty line after each image.
const RAW: &str = "\
repository: {{.Repository}}\\ntag: {{.Tag}}\\nimage_id: {{.ID}}\\ncreated_at: {{.CreatedAt}}\\nvirtual_size: {{.Size}}\\n";

/// The fields, and their column headers.
const FIELDS: [(&str, &str); 12] = [
    ("Containers", "CONTAINERS"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedSince", "CREATED"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("Platform", "PLATFORM"),
    ("Repository", "REPOSITORY"),
    ("SharedSize", "SHARED SIZE"),
    ("Size", "SIZE"),
    ("Tag", "TAG"),
    ("UniqueSize", "UNIQUE SIZE"),
    ("VirtualSize", "SIZE"),
];
const UNKNOWN: &str = "N/A";

/// Parses `--format`, which has the keyword `raw` in addition to those of other lists.
pub(super) fn parse_format(text: &str) -> Result<Format, ParseError> {
    match text {
        "raw" => RAW.parse(),
        _ => text.parse(),
    }
}

/// Returns the template value with the column headers.
pub(super) fn headers() -> Value {
    let fields = FIELDS.map(|(name, column)| StructField::new(name, Value::plain(column)));
    Value::Struct(StructValue::new(fields.into()))
}

/// Returns the template value of `row`; `id` is the image ID to show. If `is_escaped`, texts are safe for a terminal
/// (R9).
pub(super) fn row_value(row: &Row<'_>, id: &str, is_escaped: bool) -> Value {
    let [repository, tag, digest] = row.name.cells();
    let fields = FIELDS.map(|(name, _)| {
        let text = match name {
            "CreatedAt" => row.created_at(),
            "CreatedSince" => row.created(),
            "Digest" => digest.clone(),
            "ID" => id.to_owned(),
            "Platform" => row.image.platform.to_string(),
            "Repository" => repository.clone(),
            "Size" | "VirtualSize" => row.size(),
            "Tag" => tag.clone(),
            // Docker shows no values for these fields either.
            _ => UNKNOWN.to_owned(),
        };
        StructField::new(name, Value::text(&text, is_escaped))
    });
    Value::Struct(StructValue::new(fields.into()))
}
