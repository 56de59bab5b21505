//! The part of Go's `text/template` that is used with `--format` of Docker's commands.
//!
//! A [`Template`] is parsed once and rendered for every row. The syntax is that of Go's `text/template` without
//! templates in templates; the functions are those of Go and Docker. Templates may be malformed, and values come from
//! images: neither causes a panic or unlimited use of memory or time.

mod ast;
mod compare;
mod error;
mod eval;
mod float;
mod functions;
mod lexer;
mod literal;
mod parser;
mod printf;
mod show;
mod value;

pub use error::{CallFault, EvalError, ParseError};
pub use value::{StructField, StructValue, Value};

use ast::TemplateNode;
use eval::Evaluator;

/// The largest size of a template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 64 << 10;
/// How deep blocks and parentheses may be nested.
const MAX_DEPTH: usize = 100;
/// The largest size of the rendered text, in bytes.
const MAX_OUTPUT_BYTES: usize = 16 << 20;
/// How many steps rendering may take: actions, calls, loop iterations, and the bytes that functions process.
const MAX_STEPS: usize = 10_000_000;
/// How many bytes of a text, or how many elements of a list, count as a step. All texts that variables hold have at most
/// [`MAX_STEPS`] times as many bytes.
const BYTES_PER_STEP: usize = 16;
/// The largest width and precision in `printf` (Rust's own limit is 65535), and the largest number of parts of `split`.
const MAX_WIDTH: usize = 60_000;

/// Whether `\t` and `\n` in the text around the actions are escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// They are a tab and a line break, as in Docker's lists.
    Interpreted,
    /// They are not interpreted, as in `docker inspect`.
    Verbatim,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    nodes: Vec<TemplateNode>,
}

impl Template {
    /// Parses `source`.
    pub fn parse(source: &str, escapes: Escapes) -> Result<Self, ParseError> {
        let nodes = lexer::tokens(source, escapes).and_then(parser::nodes);
        let nodes = nodes.map_err(|error| error.in_characters(source))?;
        let source = source.to_owned();
        Ok(Self { source, nodes })
    }

    /// Returns whether the source contains the name of `field`.
    pub fn mentions(&self, field: &str) -> bool {
        self.source.contains(&format!(".{field}"))
    }

    /// Renders the template with `value` as the dot.
    pub fn render(&self, value: &Value) -> Result<String, EvalError> {
        Evaluator::new(value, false).render(&self.nodes)
    }

    /// Renders the template with the names of columns, for the header of a table. Functions that change texts return them
    /// unchanged.
    pub fn header(&self, names: &Value) -> Result<String, EvalError> {
        Evaluator::new(names, true).render(&self.nodes)
    }
}

#[cfg(test)]
mod tests;
