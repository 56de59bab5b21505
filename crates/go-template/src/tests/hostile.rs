//! Hostile templates, and remote texts that are printed to a terminal.

use proptest::prelude::*;

use super::error::ParseFault;

use super::*;
use crate::limits::{MAX_DEPTH, MAX_TEMPLATE_BYTES, MAX_WIDTH};

fn guarded(source: &str) -> String {
    let json = serde_json::json!({ "t": "a\u{1b}[2J\nb", "\u{9b}": ["\u{202e}x"] });
    let template = Template::parse(source, Escapes::Interpreted).unwrap();
    template.render(&Value::from_json(json, true)).unwrap()
}

/// R9: remote text is escaped, whatever function it passes; text of the template is not.
#[test]
fn remote_texts_are_escaped() {
    let safe = r"a\u{1b}[2J\nb";
    assert_eq!(guarded("{{.t}}\n"), format!("{safe}\n"));
    assert_eq!(
        guarded("{{print .t}}{{printf `%s|%v` .t .t}}"),
        format!("{safe}{safe}|{safe}")
    );
    assert_eq!(
        guarded("{{slice .t 1 2}}{{truncate .t 2}}"),
        r"\u{1b}a\u{1b}"
    );
    assert_eq!(guarded("{{join (split .t `[`) `+`}}"), r"a\u{1b}+2J\nb");
    assert_eq!(
        guarded("{{.}}"),
        format!(r"map[t:{safe} \u{{9b}}:[\u{{202e}}x]]")
    );
    assert_eq!(guarded("{{range $k, $v := .}}{{$k}} {{end}}"), r"t \u{9b} ");
    assert_eq!(
        guarded("{{upper .t}}{{pad .t 1 1}}"),
        format!(r"A\u{{1b}}[2J\nB {safe} ")
    );
    assert_eq!(guarded("\u{1b}[1m{{\"\\x1b\"}}"), "\u{1b}[1m\u{1b}");
    // JSON has escapes of its own.
    assert_eq!(guarded("{{json .t}}"), r#""a\u001b[2J\nb""#);
    assert_eq!(guarded("{{if eq .t \"a\\x1b[2J\\nb\"}}same{{end}}"), "same");
}

#[test]
fn depth_size_and_steps_are_limited() {
    let deep = |count: usize| format!("{}1{}", "{{if 1}}".repeat(count), "{{end}}".repeat(count));
    assert_eq!(rendered(&deep(MAX_DEPTH)), "1");
    let error = |source: &str| {
        let text = rendered(source);
        text.rsplit_once(": ")
            .map(|(_, fault)| fault.to_owned())
            .unwrap_or(text)
    };
    let too_deep = ParseFault::TooDeep.to_string();
    assert_eq!(error(&deep(MAX_DEPTH + 1)), too_deep);
    assert_eq!(
        error(&format!("{{{{{}1}}}}", "(".repeat(MAX_DEPTH + 1))),
        too_deep
    );
    let chain = "{{if 0}}".to_owned() + &"{{else if 0}}".repeat(MAX_DEPTH) + "{{end}}";
    assert_eq!(error(&chain), too_deep);
    assert_eq!(
        error(&"x".repeat(MAX_TEMPLATE_BYTES + 1)),
        ParseFault::TooLong.to_string()
    );
    assert_eq!(
        error("{{range 999999999999}}{{end}}"),
        EvalError::TooManySteps.to_string()
    );
    assert_eq!(
        error("{{range 999999}}xxxxxxxxxxxxxxxxxxx{{end}}"),
        EvalError::TooLong.to_string()
    );
    let doubling = "{{$x := .Name}}{{range 99}}{{$x = print $x $x}}{{end}}";
    assert_eq!(error(doubling), CallFault::TooLong.to_string());
    assert_eq!(
        rendered("{{printf `%99999999999999999999d` 1}}").len(),
        MAX_WIDTH
    );
    assert_eq!(
        rendered("{{printf `%.999999999999999f|%.*g` 1.5 999999 1.5}}").len(),
        "1.".len() + MAX_WIDTH + "|%!(BADPREC)1.5".len()
    );
}

/// Returns the error of rendering `source`.
fn render_error(source: &str) -> String {
    let value = serde_json::json!({ "List": vec![0; 50_000], "Map": many_entries() });
    let template = Template::parse(source, Escapes::Interpreted).unwrap();
    let rendered = template.render(&Value::from_json(value, true));
    rendered.unwrap_err().to_string()
}

fn many_entries() -> serde_json::Map<String, serde_json::Value> {
    (0..20_000)
        .map(|number| (number.to_string(), number.into()))
        .collect()
}

/// A few bytes of a template that would make a text of gigabytes.
#[test]
fn no_function_makes_more_text_than_the_limit() {
    let too_long = |function: &str| format!("{function}: {}", CallFault::TooLong);
    for (source, function) in [
        ("{{printf `%60000d` .List}}".to_owned(), "printf"),
        (format!("{{{{`\"` {}}}}}", "| json ".repeat(64)), "json"),
        (
            format!("{{{{printf `` {}}}}}", ".List ".repeat(500)),
            "printf",
        ),
        (
            format!(
                "{{{{printf (print {}) .List}}}}",
                "`%60000[1]d` ".repeat(100)
            ),
            "printf",
        ),
    ] {
        assert_eq!(render_error(&source), too_long(function), "{source}");
    }
}

/// The work of all calls together is limited, and so is what variables hold.
#[test]
fn steps_count_the_bytes_that_functions_process() {
    let long = "{{$x := `x`}}{{range 23}}{{$x = print $x $x}}{{end}}";
    let variables = "{{$y := print $x 1}}".repeat(1000);
    for source in [
        format!("{long}{variables}"),
        format!("{long}{{{{range 9999999}}}}{{{{$y := upper $x}}}}{{{{end}}}}"),
        "{{range 9999999}}{{$y := slice $.List}}{{end}}".to_owned(),
        "{{range 9999999}}{{range $.Map}}{{break}}{{end}}{{end}}".to_owned(),
    ] {
        assert_eq!(
            render_error(&source),
            EvalError::TooManySteps.to_string(),
            "{source}"
        );
    }
}

/// R9: a number has no origin, so a character that is made of one is escaped in any case.
#[test]
fn characters_that_are_made_of_numbers_are_escaped() {
    assert_eq!(
        guarded("{{printf `%c%c` (index .t 1) 0x202e}}"),
        r"\u{1b}\u{202e}"
    );
    assert_eq!(guarded("{{printf `%3c` 'é'}}"), "  é");
}

/// A precision counts the characters that are printed.
#[test]
fn a_precision_applies_to_escaped_text() {
    assert_eq!(
        guarded("{{printf `%.3s|%.0s|%.99s` .t .t .t}}"),
        r"a\u||a\u{1b}[2J\nb"
    );
}

/// Concatenated tokens, which are valid templates more often than random characters.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "{{", "}}", "{{- ", " -}}", ".", ".Name", ".Labels", ".Env", "$", "$x", ":=", "=", ",", "|", "(", ")",
            "if ", "else ", "end", "range ", "with ", "break", "continue", "nil", "true", "1", "-1", "1.5", "'x'", "\"a%s\"",
            "`%[1]*.*q`", " ", "/*", "*/", "{{end}}", "{{else}}", "{{range .Env}}", "{{$x := .}}", "index ", "printf ",
            "eq ", "slice ", "json ", "len ", "split ", "join ", "truncate ", "pad ", "title ", "and ", "not ", "lt ",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,3}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// A template is either rendered or rejected with a position within it.
    #[test]
    fn no_template_panics(source in prop_oneof![pieces(), "\\PC*", "(?s).{0,60}"]) {
        let value = value();
        match Template::parse(&source, Escapes::Interpreted) {
            Ok(template) => {
                drop(template.render(&value));
                drop(template.header(&value));
            }
            Err(error) => {
                prop_assert!(error.at <= source.chars().count());
            }
        }
    }

    /// No format string causes a panic in `printf`.
    #[test]
    fn no_format_string_panics(form in "(%[-+# 0]{0,3}([0-9]{0,6}|\\*)(\\.([0-9]{0,6}|\\*))?(\\[[0-9x]{0,2}\\])?\\PC){0,3}") {
        let form = Value::plain(&form);
        let values = [Value::Int(i64::MIN), Value::Float(-1e300), Value::plain("é\u{1b}"), Value::Nil, value()];
        for start in 0..values.len() {
            let mut all = vec![form.clone()];
            all.extend_from_slice(&values[start..]);
            drop(functions::call(functions::Function::Printf, &all));
        }
    }
}
