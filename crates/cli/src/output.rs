//! Output of results: tables, templates, JSON, and numbers for humans.

mod columns;
pub(crate) mod format;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod time;
