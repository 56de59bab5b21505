use std::os::unix::process::ExitStatusExt as _;

use super::*;

fn parsed(stdout: &str) -> Result<Option<Credentials>, String> {
    parse_credentials(stdout.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn output_of_helpers_is_parsed() {
    let basic = Credentials::Basic {
        username: "me".to_owned(),
        password: Secret::new("x"),
    };
    for (stdout, expected) in [
        (
            r#"{"ServerURL":"a.test","Username":"me","Secret":"x"}"#,
            Some(basic.clone()),
        ),
        (
            "\n{\n\"Username\"\n:\"me\"\n,\n\"Secret\":\"x\"\n}\n\n",
            Some(basic),
        ),
        (
            r#"{"Username":"<token>","Secret":"refresh"}"#,
            Some(Credentials::IdentityToken(Secret::new("refresh"))),
        ),
        (r#"{"Username":"","Secret":""}"#, None),
    ] {
        assert_eq!(parsed(stdout), Ok(expected), "{stdout}");
    }
}

/// T30, I7.
#[test]
fn invalid_output_is_rejected_and_not_shown() {
    let not_json = "printed something that is not a JSON object";
    for (stdout, expected) in [
        ("", not_json),
        ("hunter2", not_json),
        (r#"["hunter2"]"#, not_json),
        (r#"{"Username":"me","Secret":"hunter2"} {}"#, not_json),
        (r#"{"Username":"me","Secret":"hunt"#, not_json),
        ("{}", "printed JSON in which Username is not a string"),
        (
            r#"{"Username":"me","Secret":["hunter2"]}"#,
            "printed JSON in which Secret is not a string",
        ),
        (
            r#"{"Username":"me","Secret":"hunter2\n"}"#,
            "printed a Secret that contains a NUL or a line end",
        ),
        (
            r#"{"Username":"m\u0000e","Secret":"hunter2"}"#,
            "printed a Username that contains a NUL or a line end",
        ),
    ] {
        assert_eq!(parsed(stdout), Err(expected.to_owned()), "{stdout}");
    }
}

#[test]
fn names_cannot_refer_to_other_directories() {
    let helpers = HelperSettings::new("/usr/bin");
    for name in ["", "../x", "a/b", "-x y", "a\nb", "x\0", "ä", "$(x)"] {
        let error = helpers.find(name).unwrap_err();
        assert!(
            matches!(error, HelperError::Name { .. }),
            "{name:?}: {error}"
        );
    }
    assert_eq!(
        helpers.find("a\n b").unwrap_err().to_string(),
        r#""a\n b" is not the name of a helper"#
    );
}

#[test]
fn standard_error_is_reported_unless_it_may_contain_a_secret() {
    let error_of = |action, stdout: &str, stderr: &str| {
        let output = ProcessOutput {
            status: ExitStatus::from_raw(1 << 8),
            stdout: stdout.into(),
            stderr: stderr.into(),
        };
        is_found(action, &output).unwrap_err().to_string()
    };
    assert_eq!(
        error_of(HelperAction::Get, "", "the keyring is \x1b[1mlocked\n"),
        r#"failed with exit status: 1, stderr: "the keyring is \u{1b}[1mlocked""#
    );
    for (action, stdout, stderr) in [
        (HelperAction::Store, "", "hunter2"),
        (HelperAction::Get, r#"{"Username":"me","#, "hunter2"),
        (HelperAction::Get, "", "+ echo hunter2"),
        (HelperAction::Get, "", "your password: hunter2"),
        (HelperAction::Get, "", "GET https://me:hunter2@a.test"),
        (HelperAction::Get, "", "cannot decode hunter2hunter2"),
        (HelperAction::Get, "hunter2", ""),
    ] {
        assert_eq!(
            error_of(action, stdout, stderr),
            "failed with exit status: 1"
        );
    }
}
