//! A row as templates see it, with Docker's names for what it has.

use super::rows::Row;
use crate::output::format::Format;
use windlass_go_template::{ParseError, StructField, StructValue, Value};

/// Docker's `raw`: a line a field, and an empty one behind each image.
const RAW: &str = "\
repository: {{.Repository}}\\ntag: {{.Tag}}\\nimage_id: {{.ID}}\\ncreated_at: {{.CreatedAt}}\\nvirtual_size: {{.Size}}\\n";

/// The fields, and the columns that they make.
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

/// Reads `--format`, which has one word more than other lists.
pub(super) fn format(text: &str) -> Result<Format, ParseError> {
    match text {
        "raw" => RAW.parse(),
        _ => text.parse(),
    }
}

/// Returns the names of the columns.
pub(super) fn names() -> Value {
    let fields = FIELDS.map(|(name, column)| StructField::new(name, Value::plain(column)));
    Value::Struct(StructValue::new(fields.into()))
}

/// Returns `row`, whose image is called `id`; its texts are `guarded` if they are on their way to a terminal.
pub(super) fn of(row: &Row<'_>, id: &str, guarded: bool) -> Value {
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
            // What Docker does not count either.
            _ => UNKNOWN.to_owned(),
        };
        StructField::new(name, Value::text(&text, guarded))
    });
    Value::Struct(StructValue::new(fields.into()))
}
