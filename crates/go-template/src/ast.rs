//! The syntax tree.

use super::functions::Function;
use super::value::Value;

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TemplateNode {
    /// Text that is printed as it is.
    Text(String),
    /// A pipeline whose value is printed, unless it is assigned to a variable.
    Action(Pipeline),
    /// One of two bodies, by whether the value is true.
    If(Branch),
    /// The same, and the value is the dot of the first body.
    With(Branch),
    /// The first body for each element, or the second if there are none.
    Range(Branch),
    Break,
    Continue,
}

/// A pipeline and the bodies that depend on its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branch {
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Vec<TemplateNode>,
    pub(crate) otherwise: Vec<TemplateNode>,
}

/// Commands, each of which takes the value of the previous one as last argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pipeline {
    pub(crate) target: PipelineTarget,
    pub(crate) commands: Vec<Command>,
}

/// What a pipeline does with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PipelineTarget {
    /// The value is that of the action or block.
    Value,
    /// The value is that of new variables; `range` may declare two, for index and element.
    Declare { count: usize },
    /// The value is assigned to existing variables, by their positions.
    Assign(Vec<usize>),
}

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Value(Operand),
    Call(Function, Vec<Operand>),
}

/// A literal, or a path to a value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Literal(Value),
    /// The dot, and the fields that follow.
    Dot(Vec<String>),
    /// The position of a variable among those in scope, and the fields that follow.
    Variable(usize, Vec<String>),
    /// A pipeline in parentheses, and the fields that follow.
    Nested(Box<Pipeline>, Vec<String>),
    /// A function without arguments.
    Call(Function),
}
