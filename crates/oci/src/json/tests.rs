use proptest::prelude::*;
use serde_json::Value;

use super::error::MAX_DEPTH;
use super::*;

fn rejection(text: &str) -> String {
    let parsed = parse::<IgnoredAny>(text.as_bytes(), &["key"]).map(|_| ());
    parsed.expect_err("the document was accepted").to_string()
}

#[test]
fn valid_documents_are_accepted() {
    for text in [
        "null",
        " [1, -2.5e3, 1e400, true, \"\\u00e4\", {}, []] ",
        r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#,
        r#"{"\\":1,"\"":2,"\\\"":3,"":4," ":5}"#,
        r#"{"a":"b","b":"a,\"a\":"}"#,
        r#"{"key":1,"free":{"Key":1,"KEY":2}}"#,
        "{\"a\":1,\"A\":2,\r\n\t\"ä\":{}}",
    ] {
        parse::<IgnoredAny>(text.as_bytes(), &["key"])
            .unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

#[test]
fn syntax_errors_are_rejected() {
    assert_eq!(
        rejection(""),
        "not JSON: EOF while parsing a value at line 1 column 0"
    );
    assert_eq!(
        rejection("{} x"),
        "not JSON: trailing characters at line 1 column 4"
    );
    assert_eq!(
        rejection("\u{feff}{}"),
        "not JSON: expected value at line 1 column 1"
    );
    for (text, expected) in [
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("[1,]", "expected value at line 1 column 4"),
        ("{\"a\"}", "expected `:` at line 1 column 5"),
        ("{\"a\":1,}", "key must be a string at line 1 column 8"),
        ("\"", "EOF while parsing a string at line 1 column 1"),
        ("\"\\", "EOF while parsing a string at line 1 column 2"),
        ("nul", "EOF while parsing a value at line 1 column 3"),
        ("01", "invalid number at line 1 column 2"),
        (
            "{\"a\":1 \"b\":2}",
            "expected `,` or `}` at line 1 column 8",
        ),
    ] {
        assert_eq!(rejection(text), format!("not JSON: {expected}"), "{text}");
    }
    let error = parse::<IgnoredAny>(b"\"\xff\"", &[])
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "not JSON: invalid utf-8 sequence of 1 bytes from index 1"
    );
}

#[test]
fn duplicate_keys_are_found_however_they_are_escaped() {
    assert_eq!(
        rejection(r#"{"a":1,"b":[0,{"c":{},"c":1}]}"#),
        "b[1].c: duplicate key"
    );
    assert_eq!(rejection(r#"{"a":1,"\u0061":2}"#), "a: duplicate key");
    assert_eq!(rejection(r#"[[],{"":1,"":2}]"#), "[1].: duplicate key");
    assert_eq!(
        rejection(r#"{"x":{"\n\u001b":1,"\u000a\u001b":2}}"#),
        r"x.\n\u{1b}: duplicate key"
    );
    assert_eq!(
        rejection(r#"{"\ud800":1}"#),
        "not JSON: in a key: unexpected end of hex escape at line 1 column 8"
    );
}

#[test]
fn keys_in_another_case_are_found() {
    assert_eq!(
        rejection(r#"{"Key":1}"#),
        r#"Key: the key must be spelled "key""#
    );
    assert_eq!(
        rejection(r#"[{"key":{"\u212aey":1}}]"#),
        "[0].key.\u{212a}ey: the key must be spelled \"key\""
    );
}

#[test]
fn the_nesting_depth_is_bounded() {
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse::<IgnoredAny>(nested(MAX_DEPTH).as_bytes(), &[]).is_ok());
    assert_eq!(
        rejection(&nested(MAX_DEPTH + 1)),
        "nested deeper than 64 levels"
    );
}

#[test]
fn errors_contain_the_path_of_the_value() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Outer {
        list: Vec<Inner>,
    }
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Inner {
        text: String,
        number: u8,
    }
    let rejection = |list: &str| {
        let text = format!("{{\n\"ä\": 1, \"list\":\n[{list}]}}");
        parse::<Outer>(text.as_bytes(), &[])
            .unwrap_err()
            .to_string()
    };
    let good = r#"{"text":"ä]}","number":1}"#;
    for (second, expected) in [
        (
            "5",
            "list[1]: invalid type: integer `5`, expected struct Inner",
        ),
        (
            r#"{"text":5,"number":1}"#,
            "list[1].text: invalid type: integer `5`, expected a string",
        ),
        (
            r#"{"text":null,"number":1}"#,
            "list[1].text: invalid type: null, expected a string",
        ),
        (
            r#"{"text":[1],"number":1}"#,
            "list[1].text: invalid type: sequence, expected a string",
        ),
        (
            r#"{"text":{},"number":1}"#,
            "list[1].text: invalid type: map, expected a string",
        ),
        (
            r#"{"number":"\u001b","text":""}"#,
            r#"list[1].number: invalid type: string "\u{1b}", expected u8"#,
        ),
        (
            r#"{"text":"","number":256}"#,
            "list[1].number: invalid value: integer `256`, expected u8",
        ),
        (r#"{"text":""}"#, "list[1]: missing field `number`"),
    ] {
        assert_eq!(
            rejection(&format!("{good}, {second}, {good}")),
            expected,
            "{second}"
        );
        assert_eq!(
            rejection(&format!("{good},\n{second}")),
            expected,
            "{second}"
        );
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("\\PC{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_document_without_duplicate_keys_is_accepted(value in any_json()) {
        for text in [value.to_string(), format!("{value:#}")] {
            let read: Value = parse(text.as_bytes(), &[]).unwrap();
            prop_assert_eq!(&read, &serde_json::from_str::<Value>(&text).unwrap());
        }
    }

    #[test]
    fn never_panics(text in "[\\[\\]{}:,\"\\\\a1 ]{0,40}") {
        let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        let read = parse::<Vec<u8>>(text.as_bytes(), &["a"]);
        let is_rejected = matches!(read, Err(JsonError::Syntax { .. }));
        prop_assert!(is_json != is_rejected, "{read:?}");
    }
}
