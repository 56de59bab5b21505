//! The codes and their page in the documentation agree.

use std::fs;
use std::path::Path;

use super::ErrorCode;

/// Returns the cells of the rows in `docs/errors.md`.
fn documented() -> Vec<[String; 3]> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    let text = fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [code, cause, remedy] = cells[..] else {
            panic!("not three cells: {row}");
        };
        [code, cause, remedy].map(|cell| cell.trim().to_owned())
    })
    .collect()
}

#[test]
fn every_code_is_documented_with_cause_and_remedy() {
    let rows = documented();
    let codes: Vec<&str> = rows
        .iter()
        .map(|[code, ..]| code.trim_matches('`'))
        .collect();
    let expected: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(codes, expected);
    for [code, cause, remedy] in &rows {
        assert!(!cause.is_empty() && !remedy.is_empty(), "{code}");
    }
}

#[test]
fn codes_are_sorted_and_their_text_is_their_json() {
    assert!(ErrorCode::ALL.is_sorted_by_key(|code| code.as_str()));
    for code in ErrorCode::ALL {
        let json = serde_json::to_value(code).unwrap();
        assert_eq!(json, code.as_str());
        assert_eq!(serde_json::from_value::<ErrorCode>(json).unwrap(), *code);
    }
}
