//! What a template says.

use super::functions::Function;
use super::value::Value;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Text that is printed as it is.
    Text(String),
    /// A value that is printed, unless it is given to a variable.
    Action(Pipeline),
    /// One of two, by whether the value says anything.
    If(Branch),
    /// The same, and within the first the value is the dot.
    With(Branch),
    /// The first for each element, the second if there are none.
    Range(Branch),
    Break,
    Continue,
}

/// A value, and what hangs on it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branch {
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pipeline {
    pub(crate) target: Target,
    pub(crate) commands: Vec<Command>,
}

/// Where the value of a pipeline goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To whoever asked.
    Value,
    /// Into a new variable; those of `range` are two where it has a name for the index too.
    Declare { count: usize },
    /// Into variables that there are, by their places.
    Assign(Vec<usize>),
}

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Value(Operand),
    Call(Function, Vec<Operand>),
}

/// A value that is written down, or where it is found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Literal(Value),
    /// The dot, and fields of it.
    Dot(Vec<String>),
    /// A variable by its place among those that are in scope, and fields of it.
    Variable(usize, Vec<String>),
    /// What stands in parentheses, and fields of it.
    Nested(Box<Pipeline>, Vec<String>),
    /// A function that takes nothing.
    Call(Function),
}
