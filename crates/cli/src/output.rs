//! Output: tables, templates, JSON and times on standard output, and messages on standard error.

mod columns;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod table;
pub(crate) mod time;
