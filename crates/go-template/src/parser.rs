//! Parsing.

use super::ast::{Branch, Command, Operand, Pipeline, PipelineTarget, TemplateNode};
use super::error::{ParseError, ParseFault};
use super::functions::Function;
use super::lexer::{LexerToken, TokenKind};
use super::{MAX_DEPTH, Value};

/// Parses a template.
pub(crate) fn nodes(tokens: Vec<LexerToken>) -> Result<Vec<TemplateNode>, ParseError> {
    let mut parser = Parser {
        tokens,
        next: 0,
        // `$` is the value that the template is rendered with.
        variables: vec![String::new()],
        depth: 0,
        ranges: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        ListEnd::OfTemplate => Ok(nodes),
        ListEnd::Word(word) => Err(parser.fault(ParseFault::Unexpected(format!("{{{{{word}}}}}")))),
    }
}

struct Parser {
    tokens: Vec<LexerToken>,
    next: usize,
    /// The names of the variables in scope. Their values have the same positions.
    variables: Vec<String>,
    depth: usize,
    /// The number of ranges around the current position.
    ranges: usize,
}

/// What ends a list of nodes.
enum ListEnd {
    OfTemplate,
    /// The keyword `end` or `else`. Only the keyword itself of an `else` has been read.
    Word(&'static str),
}

/// The keyword of an action that has an `end`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockKeyword {
    If,
    With,
    Range,
}

impl Parser {
    fn list(&mut self) -> Result<(Vec<TemplateNode>, ListEnd), ParseError> {
        let mut nodes = Vec::new();
        loop {
            let Some(token) = self.take() else {
                return Ok((nodes, ListEnd::OfTemplate));
            };
            if let TokenKind::Text(text) = token {
                nodes.push(TemplateNode::Text(text));
                continue;
            }
            // A token that is not text opens an action.
            let word = match self.peek() {
                Some(TokenKind::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let node = match word.as_str() {
                "if" => TemplateNode::If(self.block(BlockKeyword::If)?),
                "with" => TemplateNode::With(self.block(BlockKeyword::With)?),
                "range" => TemplateNode::Range(self.block(BlockKeyword::Range)?),
                "break" => self.leave("break", TemplateNode::Break)?,
                "continue" => self.leave("continue", TemplateNode::Continue)?,
                "end" => {
                    self.next += 1;
                    self.close()?;
                    return Ok((nodes, ListEnd::Word("end")));
                }
                "else" => {
                    self.next += 1;
                    return Ok((nodes, ListEnd::Word("else")));
                }
                "define" | "template" | "block" => {
                    return Err(self.fault(ParseFault::Unsupported(word)));
                }
                _ => {
                    let pipeline = self.pipeline(None)?;
                    self.close()?;
                    self.declare(&pipeline.1);
                    TemplateNode::Action(pipeline.0)
                }
            };
            nodes.push(node);
        }
    }

    /// Parses a block from its keyword to its end.
    fn block(&mut self, block: BlockKeyword) -> Result<Branch, ParseError> {
        let start = self.fault(ParseFault::UnclosedBlock(block.word()));
        self.deeper()?;
        self.next += 1;
        let mark = self.variables.len();
        let (pipeline, declared) = self.pipeline(Some(block))?;
        self.close()?;
        self.declare(&declared);
        let inside = self.variables.len();
        let is_range = usize::from(block == BlockKeyword::Range);
        self.ranges += is_range;
        let (body, end) = self.list()?;
        self.ranges -= is_range;
        self.variables.truncate(inside);
        let otherwise = match end {
            ListEnd::OfTemplate => return Err(start),
            ListEnd::Word("else") => self.otherwise(block, start)?,
            ListEnd::Word(_) => Vec::new(),
        };
        self.variables.truncate(mark);
        self.depth -= 1;
        Ok(Branch {
            pipeline,
            body,
            otherwise,
        })
    }

    /// Parses the block after `else`, to its end.
    fn otherwise(
        &mut self,
        block: BlockKeyword,
        start: ParseError,
    ) -> Result<Vec<TemplateNode>, ParseError> {
        match (self.peek(), block) {
            (Some(TokenKind::Word(word)), BlockKeyword::If) if word == "if" => {
                Ok(vec![TemplateNode::If(self.block(BlockKeyword::If)?)])
            }
            (Some(TokenKind::Word(word)), BlockKeyword::With) if word == "with" => {
                Ok(vec![TemplateNode::With(self.block(BlockKeyword::With)?)])
            }
            _ => {
                self.close()?;
                match self.list()? {
                    (nodes, ListEnd::Word("end")) => Ok(nodes),
                    (_, ListEnd::Word(_)) => {
                        Err(self.fault(ParseFault::Unexpected("a second {{else}}".to_owned())))
                    }
                    (_, ListEnd::OfTemplate) => Err(start),
                }
            }
        }
    }

    fn leave(
        &mut self,
        word: &'static str,
        node: TemplateNode,
    ) -> Result<TemplateNode, ParseError> {
        if self.ranges == 0 {
            return Err(self.fault(ParseFault::OutsideOfRange(word)));
        }
        self.next += 1;
        self.close()?;
        Ok(node)
    }

    /// Parses the pipeline of an action or block. Returns the names of the variables that it declares, too.
    fn pipeline(
        &mut self,
        block: Option<BlockKeyword>,
    ) -> Result<(Pipeline, Vec<String>), ParseError> {
        let names = self.targets(block == Some(BlockKeyword::Range));
        let mut declared = Vec::new();
        let target = match self.peek() {
            Some(TokenKind::Declare) if !names.is_empty() => {
                self.next += 1;
                declared = names;
                PipelineTarget::Declare {
                    count: declared.len(),
                }
            }
            Some(TokenKind::Assign) if !names.is_empty() => {
                let places: Result<Vec<_>, _> = names.iter().map(|name| self.place(name)).collect();
                let target = PipelineTarget::Assign(places?);
                self.next += 1;
                target
            }
            _ => {
                self.next -= (2 * names.len()).saturating_sub(1);
                PipelineTarget::Value
            }
        };
        let commands = self.commands()?;
        Ok((Pipeline { target, commands }, declared))
    }

    /// Reads the names that may be the target of an assignment.
    fn targets(&mut self, is_range: bool) -> Vec<String> {
        let kind = |ahead: usize| self.tokens.get(self.next + ahead).map(|token| &token.kind);
        let names = match (kind(0), kind(1), kind(2)) {
            (
                Some(TokenKind::Variable(index)),
                Some(TokenKind::Comma),
                Some(TokenKind::Variable(element)),
            ) if is_range => {
                vec![index.clone(), element.clone()]
            }
            (Some(TokenKind::Variable(name)), _, _) => vec![name.clone()],
            _ => Vec::new(),
        };
        self.next += (2 * names.len()).saturating_sub(1);
        names
    }

    fn commands(&mut self) -> Result<Vec<Command>, ParseError> {
        let mut commands = Vec::new();
        loop {
            commands.push(self.command(!commands.is_empty())?);
            match self.peek() {
                Some(TokenKind::Pipe) => self.next += 1,
                _ => return Ok(commands),
            }
        }
    }

    /// Parses a command. `is_fed` states whether it takes the value of a previous one.
    fn command(&mut self, is_fed: bool) -> Result<Command, ParseError> {
        let start = self.next;
        let function = match self.peek() {
            Some(TokenKind::Word(word)) if !matches!(word.as_str(), "nil" | "true" | "false") => {
                let word = word.clone();
                let function = self.function(&word)?;
                self.next += 1;
                self.apart()?;
                Some(function)
            }
            _ => None,
        };
        let mut operands = Vec::new();
        while !matches!(
            self.peek(),
            None | Some(TokenKind::Pipe | TokenKind::Close | TokenKind::RightParenthesis)
        ) {
            operands.push(self.operand()?);
        }
        let Some(function) = function else {
            let is_alone = operands.len() == 1 && !is_fed;
            return match operands.pop() {
                None => Err(self.fault(ParseFault::NoValue)),
                Some(Operand::Literal(Value::Nil)) if is_alone => {
                    Err(self.fault_at(start, ParseFault::Nil))
                }
                Some(operand) if is_alone => Ok(Command::Value(operand)),
                Some(_) => {
                    let token = describe(self.tokens.get(start).map(|token| &token.kind));
                    Err(self.fault_at(start, ParseFault::NotAFunction(token)))
                }
            };
        };
        self.check(function, operands.len() + usize::from(is_fed), start)?;
        Ok(Command::Call(function, operands))
    }

    fn operand(&mut self) -> Result<Operand, ParseError> {
        let start = self.next;
        let unexpected = ParseFault::Unexpected(describe(self.peek()));
        let operand = match self.take() {
            Some(TokenKind::Literal(value)) => Operand::Literal(value),
            Some(TokenKind::Dot) => Operand::Dot(Vec::new()),
            Some(TokenKind::Field(name)) => {
                let mut fields = vec![name];
                fields.extend(self.fields());
                Operand::Dot(fields)
            }
            Some(TokenKind::Variable(name)) => {
                self.next = start;
                let place = self.place(&name)?;
                self.next += 1;
                Operand::Variable(place, self.fields())
            }
            Some(TokenKind::Word(word)) => match word.as_str() {
                "nil" => Operand::Literal(Value::Nil),
                "true" => Operand::Literal(Value::Bool(true)),
                "false" => Operand::Literal(Value::Bool(false)),
                _ => {
                    self.next = start;
                    let function = self.function(&word)?;
                    self.check(function, 0, start)?;
                    self.next += 1;
                    Operand::Call(function)
                }
            },
            Some(TokenKind::LeftParenthesis) => {
                self.deeper()?;
                let commands = self.commands()?;
                if self.take() != Some(TokenKind::RightParenthesis) {
                    return Err(self.fault_at(start, ParseFault::UnclosedParenthesis));
                }
                self.depth -= 1;
                let target = PipelineTarget::Value;
                Operand::Nested(Box::new(Pipeline { target, commands }), self.fields())
            }
            _ => return Err(self.fault_at(start, unexpected)),
        };
        self.apart()?;
        Ok(operand)
    }

    /// Reads the fields that follow the last operand without a space.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(token) = self.tokens.get(self.next)
            && token.is_joined
            && let TokenKind::Field(name) = &token.kind
        {
            fields.push(name.clone());
            self.next += 1;
        }
        fields
    }

    /// Returns an error if no space separates the last operand from the next one.
    fn apart(&self) -> Result<(), ParseError> {
        match self.tokens.get(self.next) {
            Some(LexerToken {
                kind:
                    TokenKind::Literal(_)
                    | TokenKind::Dot
                    | TokenKind::Field(_)
                    | TokenKind::Variable(_)
                    | TokenKind::Word(_),
                is_joined: true,
                ..
            }) => Err(self.fault(ParseFault::Unexpected(describe(self.peek())))),
            _ => Ok(()),
        }
    }

    fn function(&self, name: &str) -> Result<Function, ParseError> {
        Function::named(name).ok_or_else(|| {
            self.fault(ParseFault::UnknownFunction {
                name: name.to_owned(),
                known: Function::names().collect(),
            })
        })
    }

    fn check(&self, function: Function, given: usize, start: usize) -> Result<(), ParseError> {
        if function.arguments().contains(&given) {
            return Ok(());
        }
        let (least, most) = function.arguments().into_inner();
        let takes = match (least, most) {
            (_, usize::MAX) => format!("at least {least} values"),
            (1, 1) => "1 value".to_owned(),
            _ if least == most => format!("{least} values"),
            _ => format!("{least} to {most} values"),
        };
        let name = function.name();
        let fault = ParseFault::Arguments { name, takes, given };
        Err(self.fault_at(start, fault))
    }

    fn place(&self, name: &str) -> Result<usize, ParseError> {
        let place = self.variables.iter().rposition(|known| known == name);
        place.ok_or_else(|| self.fault(ParseFault::UnknownVariable(name.to_owned())))
    }

    fn declare(&mut self, names: &[String]) {
        self.variables.extend_from_slice(names);
    }

    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fault(ParseFault::TooDeep));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParseError> {
        let unexpected = ParseFault::Unexpected(describe(self.peek()));
        match self.take() {
            Some(TokenKind::Close) => Ok(()),
            _ => {
                self.next -= 1;
                Err(self.fault(unexpected))
            }
        }
    }

    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn take(&mut self) -> Option<TokenKind> {
        let kind = self.peek().cloned();
        self.next += 1;
        kind
    }

    fn fault(&self, fault: ParseFault) -> ParseError {
        self.fault_at(self.next, fault)
    }

    /// Makes an error at the token with index `at`, or at the last one.
    fn fault_at(&self, at: usize, fault: ParseFault) -> ParseError {
        let token = self.tokens.get(at).or_else(|| self.tokens.last());
        let at = token.map_or(0, |token| token.at);
        ParseError { at, fault }
    }
}

impl BlockKeyword {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

fn describe(kind: Option<&TokenKind>) -> String {
    let text = match kind {
        None => return "end".to_owned(),
        Some(TokenKind::Text(_)) => return "text".to_owned(),
        Some(TokenKind::Literal(Value::Text(text))) => return format!("{:?}", text.raw()),
        Some(TokenKind::Literal(value)) => return super::show::show(value),
        Some(TokenKind::Field(name)) => return format!(".{name}"),
        Some(TokenKind::Variable(name)) => return format!("${name}"),
        Some(TokenKind::Word(word)) => return word.clone(),
        Some(TokenKind::Open) => "{{",
        Some(TokenKind::Close) => "}}",
        Some(TokenKind::Dot) => ".",
        Some(TokenKind::LeftParenthesis) => "(",
        Some(TokenKind::RightParenthesis) => ")",
        Some(TokenKind::Pipe) => "|",
        Some(TokenKind::Comma) => ",",
        Some(TokenKind::Declare) => ":=",
        Some(TokenKind::Assign) => "=",
    };
    text.to_owned()
}
