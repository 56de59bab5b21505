//! The part of Go's `text/template` that is used with `--format` of Docker's commands.
//!
//! A [`Template`] is parsed once and rendered for every row. The syntax is that of Go's `text/template` without
//! templates in templates; the functions are those of Go and Docker. Templates may be malformed, and values come from
//! images: neither causes a panic or unlimited use of memory or time.

mod arguments;
mod ast;
mod compare;
mod error;
mod eval;
mod float;
mod functions;
mod lexer;
mod limits;
mod literal;
mod parser;
mod printf;
mod show;
mod value;

pub use error::{CallFault, EvalError, ParseError};
pub use lexer::Escapes;
pub use value::{StructField, StructValue, Value};

use ast::TemplateNode;
use eval::Evaluator;

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
