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
const DEEPEST: usize = 16;

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
        Some('"') => return Err(ChangeProblem::Open { mark: "\"" }),
        Some(_) => return Err(ChangeProblem::Open { mark: "'" }),
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
    reader.until(None)
}

/// Splits a text into words and expands them. A word that expands to nothing is dropped, unless it was quoted.
pub(super) fn expand_list(text: &str, env: &[String]) -> Result<Vec<String>, ChangeProblem> {
    let mut list = Vec::new();
    for word in split(text)? {
        let means = expand(&word, env)?;
        // The value of a variable may contain several words.
        match word.contains(['"', '\'', ESCAPE]) {
            true => list.push(means),
            false => list.extend(means.split_whitespace().map(str::to_owned)),
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
    fn until(&mut self, end: Option<char>) -> Result<String, ChangeProblem> {
        let mut means = String::new();
        while let Some(character) = self.rest.next() {
            match character {
                _ if Some(character) == end => return Ok(means),
                '\'' => self.single(&mut means)?,
                '"' => self.double(&mut means)?,
                '$' => self.variable(&mut means)?,
                ESCAPE => means.push(self.rest.next().unwrap_or(ESCAPE)),
                _ => means.push(character),
            }
        }
        match end {
            Some(_) => Err(ChangeProblem::Open { mark: "${" }),
            None => Ok(means),
        }
    }

    /// Reads up to the single quote; no character has a special meaning.
    fn single(&mut self, means: &mut String) -> Result<(), ChangeProblem> {
        for character in self.rest.by_ref() {
            if character == '\'' {
                return Ok(());
            }
            means.push(character);
        }
        Err(ChangeProblem::Open { mark: "'" })
    }

    /// Reads up to the double quote; variables and some escapes have a special meaning.
    fn double(&mut self, means: &mut String) -> Result<(), ChangeProblem> {
        while let Some(character) = self.rest.next() {
            match character {
                '"' => return Ok(()),
                '$' => self.variable(means)?,
                ESCAPE => match self.rest.next() {
                    Some(next @ ('"' | '$' | ESCAPE)) => means.push(next),
                    Some(next) => means.extend([ESCAPE, next]),
                    None => means.push(ESCAPE),
                },
                _ => means.push(character),
            }
        }
        Err(ChangeProblem::Open { mark: "\"" })
    }

    /// Reads a variable after its `$`: a name, or a name in braces with a replacement for set or unset variables.
    fn variable(&mut self, means: &mut String) -> Result<(), ChangeProblem> {
        let rest = self.rest.as_str();
        if let Some(inner) = rest.strip_prefix('{') {
            self.rest = inner.chars();
            return self.braces(means);
        }
        let name = name_in(rest);
        if name.is_empty() {
            means.push('$');
            return Ok(());
        }
        self.rest = rest[name.len()..].chars();
        means.push_str(value_of(self.env, name).unwrap_or_default());
        Ok(())
    }

    fn braces(&mut self, means: &mut String) -> Result<(), ChangeProblem> {
        let rest = self.rest.as_str();
        let name = name_in(rest);
        let value = value_of(self.env, name);
        let bad = || ChangeProblem::Expected {
            what: "${NAME}, ${NAME:-word} or ${NAME:+word}",
            found: sanitize(&format!("${{{rest}")),
        };
        if name.is_empty() {
            return Err(bad());
        }
        let rest_of = &rest[name.len()..];
        let (is_about_empty, rest_of) = match rest_of.strip_prefix(':') {
            Some(behind) => (true, behind),
            None => (false, rest_of),
        };
        let mut behind = rest_of.chars();
        let sign = behind.next();
        self.rest = behind;
        let value = value.filter(|value| !(is_about_empty && value.is_empty()));
        match sign {
            Some('}') if !is_about_empty => means.push_str(value.unwrap_or_default()),
            Some(sign @ ('-' | '+')) => {
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(bad());
                }
                let word = self.until(Some('}'))?;
                self.depth -= 1;
                match (sign == '-', value) {
                    (true, Some(value)) => means.push_str(value),
                    (true, None) | (false, Some(_)) => means.push_str(&word),
                    (false, None) => {}
                }
            }
            None => return Err(ChangeProblem::Open { mark: "${" }),
            Some(_) => return Err(bad()),
        }
        Ok(())
    }
}

/// Returns the length of the variable name at the start of `text`; a digit is a name by itself.
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
    let mut values = pairs.filter(|(known, _)| *known == name);
    values.next().map(|(_, value)| value)
}
