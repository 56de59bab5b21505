//! Go's templates, as far as people write them for Docker's `--format`.
//!
//! A [`Template`] is parsed once and rendered for every row. The syntax is that of Go's `text/template` without
//! templates in templates; the functions are Go's and Docker's. What a template says may be wrong, and what it is
//! rendered with comes from images: neither makes it panic, nor take memory or time without end.

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
pub use value::{Field, Struct, Value};

use ast::Node;
use eval::Evaluator;

/// Bytes of a template.
const LONGEST: usize = 64 << 10;
/// Blocks and parentheses within each other.
const DEEPEST: usize = 100;
/// Bytes that a template makes of one value.
const MOST_OUTPUT: usize = 16 << 20;
/// Actions and turns of loops that a template takes for one value.
const MOST_STEPS: u32 = 10_000_000;
/// Characters that one value is padded with (Rust has 65535 at most), and parts that a text is split into.
const WIDEST: usize = 60_000;

/// What `\t` and `\n` mean in the text around the actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// A tab and a new line, which are hard to type in a shell: Docker's lists.
    Mean,
    /// Themselves: `docker inspect`.
    AreText,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    nodes: Vec<Node>,
}

impl Template {
    /// Parses `source`.
    pub fn parse(source: &str, escapes: Escapes) -> Result<Self, ParseError> {
        let nodes = lexer::tokens(source, escapes).and_then(parser::nodes);
        let nodes = nodes.map_err(|error| error.in_characters(source))?;
        let source = source.to_owned();
        Ok(Self { source, nodes })
    }

    /// Tells whether the template has the name of `field` in it.
    pub fn mentions(&self, field: &str) -> bool {
        self.source.contains(&format!(".{field}"))
    }

    /// Returns what the template makes of `value`.
    pub fn render(&self, value: &Value) -> Result<String, EvalError> {
        Evaluator::new(value, false).render(&self.nodes)
    }

    /// Returns what the template makes of column names: functions that change texts leave them as they are.
    pub fn header(&self, names: &Value) -> Result<String, EvalError> {
        Evaluator::new(names, true).render(&self.nodes)
    }
}

#[cfg(test)]
mod tests;
