//! Parsing: blocks and pipelines.

mod command;

use super::ast::{Branch, Pipeline, PipelineTarget, TemplateNode};
use super::error::{ParseError, ParseFault};
use super::lexer::{LexerToken, TokenKind};
use super::limits::MAX_DEPTH;
use super::value::Value;

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
