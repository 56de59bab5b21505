//! The `--format` option: Go templates, tables and JSON, as in Docker.

use std::io::{self, IsTerminal as _, Write};
use std::str::FromStr;

use windlass_go_template::{Escapes, EvalError, ParseError, Template, Value};

use super::{columns, json};
use crate::error::Error;

/// The value of `--format` of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Format {
    /// `table`: the default table.
    Table,
    Rows(RowFormat),
}

/// The format of rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RowFormat {
    /// `json`: one object per line.
    Json,
    /// `table TEMPLATE`: columns below a header.
    Columns(Template),
    /// A template.
    Lines(Template),
}

/// The format of whole images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DocumentFormat {
    /// `json`: one array on one line.
    Json,
    /// A template.
    Lines(Template),
}

impl FromStr for Format {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let rows = match (text, text.strip_prefix("table").map(str::trim)) {
            ("", _) | (_, Some("")) => return Ok(Self::Table),
            ("json", _) => RowFormat::Json,
            (_, Some(columns)) => {
                let before = text.len() - text["table".len()..].trim_start().len();
                let template = Template::parse(columns, Escapes::Interpreted);
                RowFormat::Columns(template.map_err(|error| error.behind(&text[..before]))?)
            }
            (lines, None) => RowFormat::Lines(Template::parse(lines, Escapes::Interpreted)?),
        };
        Ok(Self::Rows(rows))
    }
}

impl FromStr for DocumentFormat {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "json" => Ok(Self::Json),
            _ => Ok(Self::Lines(Template::parse(text, Escapes::Verbatim)?)),
        }
    }
}

impl RowFormat {
    /// Returns whether texts in rows must be safe for a terminal (R9).
    pub(crate) fn is_escaped(&self) -> bool {
        match self {
            // The JSON writer escapes them.
            Self::Json => false,
            Self::Columns(_) => true,
            Self::Lines(_) => io::stdout().is_terminal(),
        }
    }

    /// Writes `rows`. `headers` has the same fields as each row, with the column headers as values.
    pub(crate) fn write(
        &self,
        out: &mut dyn Write,
        headers: &Value,
        rows: impl IntoIterator<Item = Value>,
    ) -> Result<(), Error> {
        match self {
            Self::Json => {
                for row in rows {
                    json::line(out, &row)?;
                }
            }
            Self::Columns(template) => {
                let mut text = header(template, headers)? + "\n";
                for row in rows {
                    text += &template.render(&row).map_err(Error::Format)?;
                    text += "\n";
                }
                out.write_all(columns::aligned(&text).as_bytes())?;
            }
            Self::Lines(template) => {
                // An unknown field is an error even if there are no rows.
                header(template, headers)?;
                for row in rows {
                    let text = template.render(&row).map_err(Error::Format)?;
                    writeln!(out, "{text}")?;
                }
            }
        }
        Ok(())
    }
}

/// Returns the header line. Errors other than an unknown field depend on the values of rows and are ignored here.
fn header(template: &Template, headers: &Value) -> Result<String, Error> {
    match template.header(headers) {
        Ok(header) => Ok(header),
        Err(error @ EvalError::UnknownField { .. }) => Err(Error::Format(error)),
        Err(
            EvalError::NoFields { .. }
            | EvalError::Call { .. }
            | EvalError::Range(_)
            | EvalError::TooLong
            | EvalError::TooManySteps,
        ) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_go_template::{StructField, StructValue};

    fn row(name: &str, tag: &str) -> Value {
        Value::Struct(StructValue::new(vec![
            StructField::new("Name", Value::text(name, true)),
            StructField::new("Tag", Value::text(tag, true)),
        ]))
    }

    fn written(format: &str, rows: &[Value]) -> Result<String, Error> {
        let Format::Rows(format) = format.parse().unwrap() else {
            panic!("{format} is the default");
        };
        let mut out = Vec::new();
        format.write(&mut out, &row("NAME", "TAG"), rows.iter().cloned())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn keywords_and_templates_are_parsed() {
        for default in ["", "table", "table  "] {
            assert_eq!(default.parse::<Format>().unwrap(), Format::Table);
        }
        let error = "table  {{foo}}".parse::<Format>().unwrap_err();
        assert!(error.to_string().starts_with("at character 10: "));
        let rows = |text: &str| match text.parse::<Format>() {
            Ok(Format::Rows(rows)) => rows,
            other => panic!("{other:?}"),
        };
        assert_eq!(rows("json"), RowFormat::Json);
        assert!(matches!(rows("table {{.X}}"), RowFormat::Columns(_)));
        assert!(matches!(rows("{{.X}} table"), RowFormat::Lines(_)));
        assert_eq!(
            "json".parse::<DocumentFormat>().unwrap(),
            DocumentFormat::Json
        );
        let table = "table {{.X}}".parse::<DocumentFormat>().unwrap();
        assert!(matches!(table, DocumentFormat::Lines(_)));
    }

    /// R9: a cell cannot leave its row and column.
    #[test]
    fn rows_are_written_in_every_format() {
        let rows = [row("alpine", "3"), row("x\ny\t\u{1b}", "latest")];
        let formats = [
            r"table {{.Name}}\t{{upper .Tag}}\tfix",
            "{{.Name}}:{{.Tag}}",
            "json",
        ];
        let texts = formats.map(|format| written(format, &rows).unwrap());
        insta::assert_snapshot!(texts.join("\n"), @r#"
        NAME           TAG       fix
        alpine         3         fix
        x\ny\t\u{1b}   LATEST    fix

        alpine:3
        x\ny\t\u{1b}:latest

        {"Name":"alpine","Tag":"3"}
        {"Name":"x\ny\t\u001b","Tag":"latest"}
        "#);
        assert_eq!(written("json", &[]).unwrap(), "");
        assert_eq!(written("table {{.Name}}", &[]).unwrap(), "NAME\n");
    }

    #[test]
    fn unknown_fields_are_errors_without_rows() {
        for format in ["{{.Foo}}", "table {{.Foo}}"] {
            let error = written(format, &[]).unwrap_err();
            assert!(matches!(
                error,
                Error::Format(EvalError::UnknownField { .. })
            ));
        }
        assert_eq!(written("{{index .Name 99}}", &[]).unwrap(), "");
    }
}
