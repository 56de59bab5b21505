//! From tokens to what they say.

use super::ast::{Branch, Command, Node, Operand, Pipeline, Target};
use super::error::{ParseError, ParseFault};
use super::functions::Function;
use super::lexer::{Kind, Token};
use super::{DEEPEST, Value};

/// Reads a whole template.
pub(crate) fn nodes(tokens: Vec<Token>) -> Result<Vec<Node>, ParseError> {
    let mut parser = Parser {
        tokens,
        next: 0,
        // The dollar alone is what the template is rendered with.
        variables: vec![String::new()],
        depth: 0,
        ranges: 0,
    };
    let (nodes, end) = parser.list()?;
    match end {
        End::OfTemplate => Ok(nodes),
        End::Word(word) => Err(parser.fault(ParseFault::Unexpected(format!("{{{{{word}}}}}")))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// The variables in scope; where one stands is where its value will stand.
    variables: Vec<String>,
    depth: usize,
    /// The ranges around.
    ranges: usize,
}

/// What ended a list of nodes.
enum End {
    OfTemplate,
    /// `end` or `else`, which is taken; of `else`, what follows it is not.
    Word(&'static str),
}

/// The actions that have an end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    If,
    With,
    Range,
}

impl Parser {
    fn list(&mut self) -> Result<(Vec<Node>, End), ParseError> {
        let mut nodes = Vec::new();
        loop {
            let Some(token) = self.take() else {
                return Ok((nodes, End::OfTemplate));
            };
            if let Kind::Text(text) = token {
                nodes.push(Node::Text(text));
                continue;
            }
            // All that stands between texts is opened.
            let word = match self.peek() {
                Some(Kind::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let node = match word.as_str() {
                "if" => Node::If(self.block(Block::If)?),
                "with" => Node::With(self.block(Block::With)?),
                "range" => Node::Range(self.block(Block::Range)?),
                "break" => self.leave("break", Node::Break)?,
                "continue" => self.leave("continue", Node::Continue)?,
                "end" => {
                    self.next += 1;
                    self.close()?;
                    return Ok((nodes, End::Word("end")));
                }
                "else" => {
                    self.next += 1;
                    return Ok((nodes, End::Word("else")));
                }
                "define" | "template" | "block" => {
                    return Err(self.fault(ParseFault::Unsupported(word)));
                }
                _ => {
                    let pipeline = self.pipeline(None)?;
                    self.close()?;
                    self.declare(&pipeline.1);
                    Node::Action(pipeline.0)
                }
            };
            nodes.push(node);
        }
    }

    /// Reads a block from its keyword to its end.
    fn block(&mut self, block: Block) -> Result<Branch, ParseError> {
        let start = self.fault(ParseFault::UnclosedBlock(block.word()));
        self.deeper()?;
        self.next += 1;
        let mark = self.variables.len();
        let (pipeline, declared) = self.pipeline(Some(block))?;
        self.close()?;
        self.declare(&declared);
        let inside = self.variables.len();
        let is_range = usize::from(block == Block::Range);
        self.ranges += is_range;
        let (body, end) = self.list()?;
        self.ranges -= is_range;
        self.variables.truncate(inside);
        let otherwise = match end {
            End::OfTemplate => return Err(start),
            End::Word("else") => self.otherwise(block, start)?,
            End::Word(_) => Vec::new(),
        };
        self.variables.truncate(mark);
        self.depth -= 1;
        Ok(Branch {
            pipeline,
            body,
            otherwise,
        })
    }

    /// Reads what follows the word `else`, to the end of the block.
    fn otherwise(&mut self, block: Block, start: ParseError) -> Result<Vec<Node>, ParseError> {
        match (self.peek(), block) {
            (Some(Kind::Word(word)), Block::If) if word == "if" => {
                Ok(vec![Node::If(self.block(Block::If)?)])
            }
            (Some(Kind::Word(word)), Block::With) if word == "with" => {
                Ok(vec![Node::With(self.block(Block::With)?)])
            }
            _ => {
                self.close()?;
                match self.list()? {
                    (nodes, End::Word("end")) => Ok(nodes),
                    (_, End::Word(_)) => {
                        Err(self.fault(ParseFault::Unexpected("a second {{else}}".to_owned())))
                    }
                    (_, End::OfTemplate) => Err(start),
                }
            }
        }
    }

    fn leave(&mut self, word: &'static str, node: Node) -> Result<Node, ParseError> {
        if self.ranges == 0 {
            return Err(self.fault(ParseFault::OutsideOfRange(word)));
        }
        self.next += 1;
        self.close()?;
        Ok(node)
    }

    /// Reads a pipeline of an action or block, and the names of the variables that it makes.
    fn pipeline(&mut self, block: Option<Block>) -> Result<(Pipeline, Vec<String>), ParseError> {
        let names = self.targets(block == Some(Block::Range));
        let mut declared = Vec::new();
        let target = match self.peek() {
            Some(Kind::Declare) if !names.is_empty() => {
                self.next += 1;
                declared = names;
                Target::Declare {
                    count: declared.len(),
                }
            }
            Some(Kind::Assign) if !names.is_empty() => {
                let places: Result<Vec<_>, _> = names.iter().map(|name| self.place(name)).collect();
                let target = Target::Assign(places?);
                self.next += 1;
                target
            }
            _ => {
                self.next -= (2 * names.len()).saturating_sub(1);
                Target::Value
            }
        };
        let commands = self.commands()?;
        Ok((Pipeline { target, commands }, declared))
    }

    /// Takes the names that a value may be about to be given to.
    fn targets(&mut self, is_range: bool) -> Vec<String> {
        let kind = |ahead: usize| self.tokens.get(self.next + ahead).map(|token| &token.kind);
        let names = match (kind(0), kind(1), kind(2)) {
            (Some(Kind::Variable(index)), Some(Kind::Comma), Some(Kind::Variable(element)))
                if is_range =>
            {
                vec![index.clone(), element.clone()]
            }
            (Some(Kind::Variable(name)), _, _) => vec![name.clone()],
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
                Some(Kind::Pipe) => self.next += 1,
                _ => return Ok(commands),
            }
        }
    }

    /// Reads a command; `is_fed` is whether it gets the value of one before it.
    fn command(&mut self, is_fed: bool) -> Result<Command, ParseError> {
        let start = self.next;
        let function = match self.peek() {
            Some(Kind::Word(word)) if !matches!(word.as_str(), "nil" | "true" | "false") => {
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
            None | Some(Kind::Pipe | Kind::Close | Kind::RightParenthesis)
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
            Some(Kind::Literal(value)) => Operand::Literal(value),
            Some(Kind::Dot) => Operand::Dot(Vec::new()),
            Some(Kind::Field(name)) => {
                let mut fields = vec![name];
                fields.extend(self.fields());
                Operand::Dot(fields)
            }
            Some(Kind::Variable(name)) => {
                self.next = start;
                let place = self.place(&name)?;
                self.next += 1;
                Operand::Variable(place, self.fields())
            }
            Some(Kind::Word(word)) => match word.as_str() {
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
            Some(Kind::LeftParenthesis) => {
                self.deeper()?;
                let commands = self.commands()?;
                if self.take() != Some(Kind::RightParenthesis) {
                    return Err(self.fault_at(start, ParseFault::UnclosedParenthesis));
                }
                self.depth -= 1;
                let target = Target::Value;
                Operand::Nested(Box::new(Pipeline { target, commands }), self.fields())
            }
            _ => return Err(self.fault_at(start, unexpected)),
        };
        self.apart()?;
        Ok(operand)
    }

    /// Takes the fields that hang on what was read last.
    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(token) = self.tokens.get(self.next)
            && token.is_joined
            && let Kind::Field(name) = &token.kind
        {
            fields.push(name.clone());
            self.next += 1;
        }
        fields
    }

    /// What was read last has to be apart from the next value.
    fn apart(&self) -> Result<(), ParseError> {
        match self.tokens.get(self.next) {
            Some(Token {
                kind:
                    Kind::Literal(_) | Kind::Dot | Kind::Field(_) | Kind::Variable(_) | Kind::Word(_),
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
        if self.depth > DEEPEST {
            return Err(self.fault(ParseFault::TooDeep));
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), ParseError> {
        let unexpected = ParseFault::Unexpected(describe(self.peek()));
        match self.take() {
            Some(Kind::Close) => Ok(()),
            _ => {
                self.next -= 1;
                Err(self.fault(unexpected))
            }
        }
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn take(&mut self) -> Option<Kind> {
        let kind = self.peek().cloned();
        self.next += 1;
        kind
    }

    fn fault(&self, fault: ParseFault) -> ParseError {
        self.fault_at(self.next, fault)
    }

    /// Says where the token number `at` is, or the last one if there are no more.
    fn fault_at(&self, at: usize, fault: ParseFault) -> ParseError {
        let token = self.tokens.get(at).or_else(|| self.tokens.last());
        let at = token.map_or(0, |token| token.at);
        ParseError { at, fault }
    }
}

impl Block {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

fn describe(kind: Option<&Kind>) -> String {
    let text = match kind {
        None => return "end".to_owned(),
        Some(Kind::Text(_)) => return "text".to_owned(),
        Some(Kind::Literal(Value::Text(text))) => return format!("{:?}", text.raw()),
        Some(Kind::Literal(value)) => return super::show::show(value),
        Some(Kind::Field(name)) => return format!(".{name}"),
        Some(Kind::Variable(name)) => return format!("${name}"),
        Some(Kind::Word(word)) => return word.clone(),
        Some(Kind::Open) => "{{",
        Some(Kind::Close) => "}}",
        Some(Kind::Dot) => ".",
        Some(Kind::LeftParenthesis) => "(",
        Some(Kind::RightParenthesis) => ")",
        Some(Kind::Pipe) => "|",
        Some(Kind::Comma) => ",",
        Some(Kind::Declare) => ":=",
        Some(Kind::Assign) => "=",
    };
    text.to_owned()
}
