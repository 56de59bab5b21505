//! The comments and identifiers of a Rust file. String and character literals are skipped.

/// A part of a source file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A comment, without its slashes; for a block comment, one of its lines.
    Comment(&'a str),
    /// An identifier or a keyword.
    Name(&'a str),
}

/// Returns the comments and names of `text`, each with its line, from 1. Lines between the fences of a documentation
/// example count as comments without words.
pub(crate) fn pieces(text: &str) -> Vec<(usize, Piece<'_>)> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
        is_fenced: false,
        found: Vec::new(),
    };
    while lexer.at < text.len() {
        lexer.step();
    }
    lexer.found
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// Whether this line of documentation is an example.
    is_fenced: bool,
    found: Vec<(usize, Piece<'a>)>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn step(&mut self) {
        let rest = self.rest();
        let first = rest.chars().next().unwrap_or_default();
        if rest.starts_with("//") {
            self.line_comment();
        } else if rest.starts_with("/*") {
            self.block_comment();
        } else if let Some(length) = raw_string(rest) {
            self.skip(length);
        } else if first == '"' || rest.starts_with("b\"") || rest.starts_with("c\"") {
            self.skip(string(rest));
        } else if first == '\'' {
            self.skip(character(rest));
        } else if first.is_alphabetic() || first == '_' {
            let length = name(rest);
            self.found.push((self.line, Piece::Name(&rest[..length])));
            self.skip(length);
        } else if first.is_ascii_digit() {
            self.skip(name(rest));
        } else {
            self.skip(first.len_utf8());
        }
    }

    fn skip(&mut self, length: usize) {
        self.line += self.rest()[..length].matches('\n').count();
        self.at += length;
    }

    fn line_comment(&mut self) {
        let rest = self.rest();
        let length = rest.find('\n').unwrap_or(rest.len());
        let comment = rest[..length].trim_start_matches(['/', '!']).trim();
        if comment.starts_with("```") {
            self.is_fenced = !self.is_fenced;
        } else if !self.is_fenced {
            self.found.push((self.line, Piece::Comment(comment)));
        }
        self.skip(length);
    }

    fn block_comment(&mut self) {
        let rest = self.rest();
        let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
        for (offset, line) in rest[..length].lines().enumerate() {
            let comment = line.trim().trim_matches(['/', '*']);
            self.found
                .push((self.line + offset, Piece::Comment(comment)));
        }
        self.skip(length);
    }
}

/// The length of the name or number at the start of `text`.
fn name(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}

/// The length of the raw string literal at the start of `text`, if there is one.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    })?;
    let hashes = text[prefix.len()..].chars().take_while(|c| *c == '#');
    let hashes = hashes.count();
    let start = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = text[start..].find(&end);
    Some(length.map_or(text.len(), |length| start + length + end.len()))
}

/// The length of the string literal at the start of `text`, with its prefix.
fn string(text: &str) -> usize {
    let start = text.find('"').map_or(0, |quote| quote + 1);
    let mut is_escaped = false;
    for (at, c) in text[start..].char_indices() {
        match c {
            '"' if !is_escaped => return start + at + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

/// The length of the character literal or the apostrophe of the lifetime at the start of `text`.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), _) => {
            let rest = &text[3..];
            3 + rest.find('\'').map_or(rest.len(), |end| end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[test]
fn literals_are_neither_comments_nor_names() {
    let text = r##"
let url = "https://example.com \" // told"; // one
let raw = r#"/* nobody " */"#; /* two
three */ let c = '"'; let d = '\''; let e: &'static str = b"who";
/// ```
/// let who = 1;
/// ```
/// four
"##;
    let comments: Vec<_> = pieces(text)
        .into_iter()
        .filter_map(|(line, piece)| match piece {
            Piece::Comment(comment) => Some((line, comment.trim())),
            Piece::Name(_) => None,
        })
        .collect();
    assert_eq!(
        comments,
        [(2, "one"), (3, "two"), (4, "three"), (8, "four")]
    );
    let names: Vec<_> = pieces(text)
        .into_iter()
        .filter_map(|(line, piece)| match piece {
            Piece::Name(name) if line == 4 => Some(name),
            Piece::Name(_) | Piece::Comment(_) => None,
        })
        .collect();
    assert_eq!(names, ["let", "c", "let", "d", "let", "e", "static", "str"]);
}
