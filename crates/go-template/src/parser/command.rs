//! Parsing: the commands of a pipeline and their operands.

use super::{Parser, describe};
use crate::Value;
use crate::ast::{Command, Operand, Pipeline, PipelineTarget};
use crate::error::{ParseError, ParseFault};
use crate::functions::Function;
use crate::lexer::{LexerToken, TokenKind};

impl Parser {
    /// Parses the commands of a pipeline, to its end.
    pub(super) fn commands(&mut self) -> Result<Vec<Command>, ParseError> {
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
}
