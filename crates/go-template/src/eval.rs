//! Rendering.

use super::ast::{Branch, Command, Operand, Pipeline, PipelineTarget, TemplateNode};
use super::error::EvalError;
use super::functions::{self, Function};
use super::limits::{BYTES_PER_STEP, MAX_OUTPUT_BYTES, MAX_STEPS};
use super::show;
use super::value::Value;

/// Renders one value.
pub(crate) struct Evaluator {
    /// The values of the variables in scope, at the positions that the parser has assigned.
    variables: Vec<Value>,
    out: String,
    steps: usize,
    /// Whether the value has the names of columns.
    is_header: bool,
}

/// How the nodes of a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoopControl {
    On,
    Break,
    Continue,
}

impl Evaluator {
    pub(crate) fn new(value: &Value, is_header: bool) -> Self {
        Self {
            variables: vec![value.clone()],
            out: String::new(),
            steps: 0,
            is_header,
        }
    }

    pub(crate) fn render(mut self, nodes: &[TemplateNode]) -> Result<String, EvalError> {
        let dot = self.variables[0].clone();
        self.list(nodes, &dot)?;
        Ok(self.out)
    }

    /// Renders `nodes` in a scope of their own.
    fn scope(&mut self, nodes: &[TemplateNode], dot: &Value) -> Result<LoopControl, EvalError> {
        let mark = self.variables.len();
        let flow = self.list(nodes, dot);
        self.variables.truncate(mark);
        flow
    }

    fn list(&mut self, nodes: &[TemplateNode], dot: &Value) -> Result<LoopControl, EvalError> {
        for node in nodes {
            let flow = self.node(node, dot)?;
            if flow != LoopControl::On {
                return Ok(flow);
            }
        }
        Ok(LoopControl::On)
    }

    fn node(&mut self, node: &TemplateNode, dot: &Value) -> Result<LoopControl, EvalError> {
        self.step()?;
        match node {
            TemplateNode::Text(text) => self.print(text)?,
            TemplateNode::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.target == PipelineTarget::Value {
                    self.print(&show::printed(&value))?;
                }
            }
            TemplateNode::If(branch) => return self.branch(branch, dot, false),
            TemplateNode::With(branch) => return self.branch(branch, dot, true),
            TemplateNode::Range(branch) => return self.range(branch, dot),
            TemplateNode::Break => return Ok(LoopControl::Break),
            TemplateNode::Continue => return Ok(LoopControl::Continue),
        }
        Ok(LoopControl::On)
    }

    fn branch(
        &mut self,
        branch: &Branch,
        dot: &Value,
        is_with: bool,
    ) -> Result<LoopControl, EvalError> {
        let mark = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = match value.is_true() {
            true => self.scope(&branch.body, if is_with { &value } else { dot }),
            false => self.scope(&branch.otherwise, dot),
        };
        self.variables.truncate(mark);
        flow
    }

    fn range(&mut self, branch: &Branch, dot: &Value) -> Result<LoopControl, EvalError> {
        let mark = self.variables.len();
        let value = self.commands(&branch.pipeline.commands, dot)?;
        if let PipelineTarget::Declare { count } = branch.pipeline.target {
            self.variables.resize(mark + count, Value::Nil);
        }
        let mut is_empty = true;
        if let Value::Map(map) = &value {
            // Its entries are copied, also for a loop that ends early.
            self.count_steps(map.entries.len())?;
        }
        for (index, element) in self.elements(&value)? {
            self.step()?;
            is_empty = false;
            self.assign(&branch.pipeline.target, mark, index, &element);
            match self.scope(&branch.body, &element)? {
                LoopControl::On | LoopControl::Continue => {}
                LoopControl::Break => break,
            }
        }
        let flow = match is_empty {
            true => self.scope(&branch.otherwise, dot),
            false => Ok(LoopControl::On),
        };
        self.variables.truncate(mark);
        flow
    }

    /// Returns the elements of `value` with their indexes or keys.
    fn elements(
        &self,
        value: &Value,
    ) -> Result<Box<dyn Iterator<Item = (Value, Value)>>, EvalError> {
        Ok(match value.clone() {
            Value::List(list) => {
                let indexes = (0..).map(Value::Int);
                let items = (0..list.items.len()).map(move |at| list.items[at].clone());
                Box::new(indexes.zip(items))
            }
            Value::Map(map) => {
                let entries: Vec<_> = { map.entries.iter() }
                    .map(|(key, value)| (Value::text(key, map.is_guarded), value.clone()))
                    .collect();
                Box::new(entries.into_iter())
            }
            Value::Int(count) => Box::new((0..count).map(|at| (Value::Int(at), Value::Int(at)))),
            Value::Nil => Box::new(std::iter::empty()),
            _ if self.is_header => Box::new(std::iter::empty()),
            value => return Err(EvalError::Range(value.kind())),
        })
    }

    /// Assigns index and element of one iteration to the variables of a range.
    fn assign(&mut self, target: &PipelineTarget, mark: usize, index: Value, element: &Value) {
        let places = match target {
            PipelineTarget::Value => return,
            PipelineTarget::Declare { count } => (mark..mark + count).collect(),
            PipelineTarget::Assign(places) => places.clone(),
        };
        match places.as_slice() {
            [place] => self.variables[*place] = element.clone(),
            [first, second] => {
                self.variables[*first] = index;
                self.variables[*second] = element.clone();
            }
            _ => {}
        }
    }

    /// Evaluates a pipeline and assigns its value to its variables.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, EvalError> {
        let value = self.commands(&pipeline.commands, dot)?;
        match &pipeline.target {
            PipelineTarget::Value => {}
            PipelineTarget::Declare { .. } => self.variables.push(value.clone()),
            PipelineTarget::Assign(places) => {
                for place in places {
                    self.variables[*place] = value.clone();
                }
            }
        }
        Ok(value)
    }

    fn commands(&mut self, commands: &[Command], dot: &Value) -> Result<Value, EvalError> {
        let mut last = None;
        for command in commands {
            last = Some(match command {
                Command::Value(operand) => self.operand(operand, dot)?,
                Command::Call(function, operands) => self.call(*function, operands, last, dot)?,
            });
        }
        Ok(last.unwrap_or(Value::Nil))
    }

    fn call(
        &mut self,
        function: Function,
        operands: &[Operand],
        last: Option<Value>,
        dot: &Value,
    ) -> Result<Value, EvalError> {
        self.step()?;
        let mut values = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            values.push(self.operand(operand, dot)?);
            // `and` and `or` do not evaluate operands that cannot change the result.
            if let Some(value) = values.last()
                && function.is_decided_by(value)
            {
                return Ok(value.clone());
            }
        }
        values.extend(last);
        self.count_steps(functions::input_bytes(function, &values) / BYTES_PER_STEP)?;
        let result = match self.is_header {
            true => functions::header(function, &values),
            false => functions::call(function, &values)?,
        };
        self.count_steps(match &result {
            Value::Text(text) => text.raw().len() / BYTES_PER_STEP,
            Value::List(list) => list.items.len(),
            Value::Nil
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Map(_)
            | Value::Struct(_) => 0,
        })?;
        Ok(result)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, EvalError> {
        match operand {
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Dot(fields) => field(dot, fields),
            Operand::Variable(place, fields) => field(&self.variables[*place], fields),
            Operand::Nested(pipeline, fields) => field(&self.pipeline(pipeline, dot)?, fields),
            Operand::Call(function) => self.call(*function, &[], None, dot),
        }
    }

    fn print(&mut self, text: &str) -> Result<(), EvalError> {
        self.out.push_str(text);
        match self.out.len() {
            ..=MAX_OUTPUT_BYTES => Ok(()),
            _ => Err(EvalError::TooLong),
        }
    }

    fn step(&mut self) -> Result<(), EvalError> {
        self.count_steps(1)
    }

    fn count_steps(&mut self, count: usize) -> Result<(), EvalError> {
        self.steps = self.steps.saturating_add(count);
        match self.steps {
            ..=MAX_STEPS => Ok(()),
            _ => Err(EvalError::TooManySteps),
        }
    }
}

/// Returns the field at the path `names`. A field of nil is nil.
fn field(value: &Value, names: &[String]) -> Result<Value, EvalError> {
    let mut value = value.clone();
    for (depth, name) in names.iter().enumerate() {
        let path = || format!(".{}", names[..=depth].join("."));
        value = match value {
            Value::Nil => Value::Nil,
            Value::Map(map) => map.get(name),
            Value::Struct(fields) => match fields.get(name) {
                Some(value) => value.clone(),
                None => {
                    return Err(EvalError::UnknownField {
                        name: path(),
                        known: fields.names(),
                    });
                }
            },
            value => {
                return Err(EvalError::NoFields {
                    name: path(),
                    kind: value.kind(),
                });
            }
        };
    }
    Ok(value)
}
