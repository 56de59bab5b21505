//! Progress for programs: one JSON object per line.

use std::io::{self, Write};

use windlass::{Preview, PullEvent};
use windlass_error_report::ErrorReport;

use crate::record::ProgressRecord;

/// Writes the record of an event of a pull.
pub fn write_event(out: &mut dyn Write, reference: &str, event: &PullEvent) -> io::Result<()> {
    ProgressRecord::from_event(reference, event).write(out)
}

/// Writes the record of a dry run. `free` is the free space of the disk in bytes.
pub fn write_preview(
    out: &mut dyn Write,
    reference: &str,
    preview: &Preview,
    free: Option<u64>,
) -> io::Result<()> {
    ProgressRecord::preview(reference, preview, free).write(out)
}

/// Writes the record of the failure of a pull, or of the whole command.
pub fn write_error(
    out: &mut dyn Write,
    reference: Option<&str>,
    report: &ErrorReport,
) -> io::Result<()> {
    ProgressRecord::error(reference, report).write(out)
}
