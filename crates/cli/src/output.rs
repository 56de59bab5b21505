//! Output of results: tables, templates, JSON and times.

mod columns;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod time;
