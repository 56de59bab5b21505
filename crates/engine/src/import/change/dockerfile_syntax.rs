//! Words of a Dockerfile: quotes, escapes, variables, and JSON arrays.

use windlass_oci::text::sanitize;

use super::problem::ChangeProblem;

/// Reads a text by characters.
struct Reader<'a> {
    rest: std::str::Chars<'a>,
    env: &'a [String],
    /// The nesting depth of `${`.
    depth: usize,
}

/// The maximum nesting depth.
const MAX_DEPTH: usize = 16;

const ESCAPE: char = '\\';

/// Splits at spaces that are neither quoted nor escaped. The words keep their quotes and escapes.
pub(super) fn split(text: &str) -> Result<Vec<String>, ChangeProblem> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, character) if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None | Some('"'), ESCAPE) => {
                word.push(character);
                word.extend(characters.next());
                continue;
            }
            _ => {}
        }
        word.push(character);
    }
    match quote {
        Some('"') => return Err(ChangeProblem::Unclosed { mark: "\"" }),
        Some(_) => return Err(ChangeProblem::Unclosed { mark: "'" }),
        None => {}
    }
    words.extend((!word.is_empty()).then_some(word));
    Ok(words)
}

/// Removes quotes and escapes from `text`, and replaces variables by their values in `env`.
pub(super) fn expand(text: &str, env: &[String]) -> Result<String, ChangeProblem> {
    let mut reader = Reader {
        rest: text.chars(),
        env,
        depth: 0,
    };
    reader.read_until(None)
}

/// Splits a text into words and expands them. A word that expands to nothing is dropped, unless it was quoted.
pub(super) fn expand_list(text: &str, env: &[String]) -> Result<Vec<String>, ChangeProblem> {
    let mut list = Vec::new();
    for word in split(text)? {
        let expanded = expand(&word, env)?;
        // The value of a variable may contain several words.
        match word.contains(['"', '\'', ESCAPE]) {
            true => list.push(expanded),
            false => list.extend(expanded.split_whitespace().map(str::to_owned)),
        }
    }
    Ok(list)
}

/// Parses a JSON array of strings; returns `None` for other texts.
pub(super) fn json_list(text: &str) -> Result<Option<Vec<String>>, ChangeProblem> {
    if !text.starts_with('[') {
        return Ok(None);
    }
    let Ok(list) = serde_json::from_str::<Vec<serde_json::Value>>(text) else {
        return Ok(None);
    };
    let texts = list.into_iter().map(|value| match value {
        serde_json::Value::String(text) => Ok(text),
        other => Err(ChangeProblem::Expected {
            what: "an array of texts in double quotes",
            found: sanitize(&other.to_string()),
        }),
    });
    texts.collect::<Result<_, _>>().map(Some)
}

impl Reader<'_> {
    /// Reads up to and including `end`, or to the end of the text.
    fn read_until(&mut self, end: Option<char>) -> Result<String, ChangeProblem> {
        let mut output = String::new();
        while let Some(character) = self.rest.next() {
            match character {
                _ if Some(character) == end => return Ok(output),
                '\'' => self.single_quoted(&mut output)?,
                '"' => self.double_quoted(&mut output)?,
                '$' => self.variable(&mut output)?,
                ESCAPE => output.push(self.rest.next().unwrap_or(ESCAPE)),
                _ => output.push(character),
            }
        }
        match end {
            Some(_) => Err(ChangeProblem::Unclosed { mark: "${" }),
            None => Ok(output),
        }
    }

    /// Reads up to the single quote; no character has a special meaning.
    fn single_quoted(&mut self, output: &mut String) -> Result<(), ChangeProblem> {
        for character in self.rest.by_ref() {
            if character == '\'' {
                return Ok(());
            }
            output.push(character);
        }
        Err(ChangeProblem::Unclosed { mark: "'" })
    }

    /// Reads up to the double quote; variables and some escapes have a special meaning.
    fn double_quoted(&mut self, output: &mut String) -> Result<(), ChangeProblem> {
        while let Some(character) = self.rest.next() {
            match character {
                '"' => return Ok(()),
                '$' => self.variable(output)?,
                ESCAPE => match self.rest.next() {
                    Some(next @ ('"' | '$' | ESCAPE)) => output.push(next),
                    Some(next) => output.extend([ESCAPE, next]),
                    None => output.push(ESCAPE),
                },
                _ => output.push(character),
            }
        }
        Err(ChangeProblem::Unclosed { mark: "\"" })
    }

    /// Reads a variable after its `$`: a name, or a name in braces with a replacement for set or unset variables.
    fn variable(&mut self, output: &mut String) -> Result<(), ChangeProblem> {
        let rest = self.rest.as_str();
        if let Some(inner) = rest.strip_prefix('{') {
            self.rest = inner.chars();
            return self.braced_variable(output);
        }
        let name = name_in(rest);
        if name.is_empty() {
            output.push('$');
            return Ok(());
        }
        self.rest = rest[name.len()..].chars();
        output.push_str(value_of(self.env, name).unwrap_or_default());
        Ok(())
    }

    fn braced_variable(&mut self, output: &mut String) -> Result<(), ChangeProblem> {
        let rest = self.rest.as_str();
        let name = name_in(rest);
        let value = value_of(self.env, name);
        let invalid = || ChangeProblem::Expected {
            what: "${NAME}, ${NAME:-word} or ${NAME:+word}",
            found: sanitize(&format!("${{{rest}")),
        };
        if name.is_empty() {
            return Err(invalid());
        }
        let rest_after_name = &rest[name.len()..];
        let (replaces_empty, rest_after_name) = match rest_after_name.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, rest_after_name),
        };
        let mut after_name = rest_after_name.chars();
        let sign = after_name.next();
        self.rest = after_name;
        let value = value.filter(|value| !(replaces_empty && value.is_empty()));
        match sign {
            Some('}') if !replaces_empty => output.push_str(value.unwrap_or_default()),
            Some(sign @ ('-' | '+')) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(invalid());
                }
                let word = self.read_until(Some('}'))?;
                self.depth -= 1;
                match (sign == '-', value) {
                    (true, Some(value)) => output.push_str(value),
                    (true, None) | (false, Some(_)) => output.push_str(&word),
                    (false, None) => {}
                }
            }
            None => return Err(ChangeProblem::Unclosed { mark: "${" }),
            Some(_) => return Err(invalid()),
        }
        Ok(())
    }
}

/// Returns the variable name at the start of `text`; a digit is a name by itself.
fn name_in(text: &str) -> &str {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return &text[..1];
    }
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let end = text.find(|character| !is_part(character));
    &text[..end.unwrap_or(text.len())]
}

fn value_of<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    let pairs = env.iter().filter_map(|variable| variable.split_once('='));
    let mut values = pairs.filter(|(variable, _)| *variable == name);
    values.next().map(|(_, value)| value)
}
